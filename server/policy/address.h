#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sluice::server::policy {

// An IPv4 or IPv6 address in network order, in the first `size` bytes.
struct Address {
  size_t size = 0;  // 4 or 16; 0 is no address.
  std::array<uint8_t, 16> bytes{};

  static Address IpV4(uint32_t value);  // In host order: 0x7f000001 is 127.0.0.1.
  uint32_t ipv4() const;                // The reverse; only for size 4.
  std::string ToString() const;
  // Of an IPv4-mapped IPv6 address (RFC 4291), which no packet bears, the IPv4 address it stands
  // for; else itself.
  Address Unmapped() const;

  bool operator==(const Address&) const = default;
};

// Addresses a term covers: those equal to `value` where `mask` has ones. `value` has none beside
// them. screend's masks need not be contiguous, so this is no prefix length.
struct AddressPattern {
  Address value;
  std::array<uint8_t, 16> mask{};

  static AddressPattern Exactly(const Address& address);
  static AddressPattern Masked(uint32_t value, uint32_t mask);  // IPv4, in host order.
};

// The word is meant as a number or an address, not as a name: digits and dots (with 0x, hex
// digits too), or a colon somewhere.
bool IsLiteral(std::string_view word);

// A dotted quad (parts decimal or 0x), one 0x number of 32 bits, or an IPv6 address. The error
// says what is wrong with it. An IPv4-mapped IPv6 address is the IPv4 address. As in screend,
// numbers are never octal: a leading 0 is an error.
absl::StatusOr<Address> ParseAddress(std::string_view word);

// ADDRESS/LENGTH, none of the bits behind the length set. A part of ::ffff:0:0/96 is the IPv4
// prefix; that prefix itself is not all of IPv4, since lists of bogus IPv6 networks have it.
absl::StatusOr<AddressPattern> ParsePrefix(std::string_view word);

// The word is meant as a number: digits, or hex digits behind 0x.
bool IsNumber(std::string_view word);

// A decimal or 0x number up to `most`. Nothing where the word is not meant as a number, so that
// it may be a name.
absl::StatusOr<std::optional<uint32_t>> ParseNumber(std::string_view word, uint32_t most);

// The mask of an IPv4 network's class, A, B or C; 0 for what has none (224.0.0.0 and up).
uint32_t ClassMask(uint32_t address);

}  // namespace sluice::server::policy
