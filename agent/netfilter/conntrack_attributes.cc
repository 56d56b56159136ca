#include "agent/netfilter/conntrack_attributes.h"

namespace sluice::agent {

std::string ReadText(Bytes payload) {
  std::string text(payload.begin(), std::find(payload.begin(), payload.end(), 0));
  for (char& character : text) {
    if (character < ' ' || character > '~') character = '?';
  }
  return text;
}

}  // namespace sluice::agent
