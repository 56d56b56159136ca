#include "server/calls/peer_key.h"

#include <arpa/inet.h>

#include <cstring>

namespace sluice::server {

std::string PeerKey(const std::string& peer) {
  if (peer.rfind("ipv4:", 0) == 0) return peer.substr(0, peer.rfind(':'));
  if (peer.rfind("ipv6:[", 0) != 0) return peer;
  std::string address = peer.substr(6, peer.rfind(']') - 6);
  in6_addr bytes;
  const std::string numeric = address.substr(0, address.find('%'));
  if (inet_pton(AF_INET6, numeric.c_str(), &bytes) != 1) return peer;
  std::memset(bytes.s6_addr + 8, 0, 8);
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, &bytes, text, sizeof text);
  return std::string("ipv6:") + text + "/64";
}

}  // namespace sluice::server
