#include "agent/netfilter/conntrack/conntrack_attributes.h"

#include "proto/text/text.h"

namespace sluice::agent {

std::string ReadText(Bytes payload) {
  return EscapeName(std::string(payload.begin(), std::find(payload.begin(), payload.end(), 0)));
}

}  // namespace sluice::agent
