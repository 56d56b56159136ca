#pragma once

#include <string>

namespace sluice {

// An address in gRPC's form, which is a URI: there the %22 of [fe80::1%22]:7654 would be a
// quotation mark instead of the address's zone, so the % is escaped. Addresses without a zone stay
// as they are.
inline std::string GrpcTarget(std::string address) {
  const size_t zone = address.starts_with('[') ? address.find('%') : std::string::npos;
  if (zone != std::string::npos) address.insert(zone + 1, "25");
  return address;
}

}  // namespace sluice
