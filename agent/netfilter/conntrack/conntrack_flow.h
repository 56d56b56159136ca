#pragma once

#include "agent/netfilter/conntrack/conntrack_attributes.h"
#include "sluice/v1/conntrack.pb.h"

namespace sluice::agent {

// Translates attributes of ctnetlink messages (linux/netfilter/nfnetlink_conntrack.h) into
// protobuf. An attribute that is absent, unknown or of the wrong length stays absent. Pure and
// total.
//
// We do not use nfct_nlmsg_parse: libnetfilter_conntrack 1.0.9 ends the process over an attribute
// it does not expect, and stores some types beyond its arrays. An agent that holds packets cannot
// afford that, whatever a kernel sends.

// From CTA_TUPLE_*. If there are not two addresses of one family, returns false and changes
// nothing.
bool DecodeTuple(Bytes attributes, v1::FlowTuple* tuple);

// A connection, everything but family. False if there is no original tuple.
bool DecodeFlow(Bytes attributes, v1::Flow& flow);

// An expectation, everything but family. False if there is no expected tuple.
bool DecodeExpectation(Bytes attributes, v1::Expectation& expectation);

}  // namespace sluice::agent
