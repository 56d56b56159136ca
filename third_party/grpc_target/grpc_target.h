#pragma once

#include <string>

namespace sluice {

// An address as gRPC takes it. It is a URI there, in which the %22 of [fe80::1%22]:7654 would be a
// quotation mark and not the zone of an address; what has none is as it was.
inline std::string GrpcTarget(std::string address) {
  const size_t zone = address.starts_with('[') ? address.find('%') : std::string::npos;
  if (zone != std::string::npos) address.insert(zone + 1, "25");
  return address;
}

}  // namespace sluice
