#pragma once

#include "agent/netfilter/conntrack_attributes.h"
#include "sluice/v1/conntrack.pb.h"

namespace sluice::agent {

// Attributes of ctnetlink messages (linux/netfilter/nfnetlink_conntrack.h) in the wire's words.
// What is absent, unknown or of the wrong length stays absent. Pure and total.
//
// Not nfct_nlmsg_parse: libnetfilter_conntrack 1.0.9 ends the process when an attribute is not as
// it expects, and stores some types beyond its arrays. An agent that holds packets cannot afford
// that, whatever a kernel sends.

// CTA_TUPLE_*. False, and nothing is changed, if there are not two addresses of one family.
bool DecodeTuple(Bytes attributes, v1::FlowTuple* tuple);

// A connection, everything but family. False if there is no original tuple.
bool DecodeFlow(Bytes attributes, v1::Flow& flow);

// An expectation, everything but family. False if there is no expected tuple.
bool DecodeExpectation(Bytes attributes, v1::Expectation& expectation);

}  // namespace sluice::agent
