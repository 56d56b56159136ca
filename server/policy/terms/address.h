#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::server::policy {

// An IPv4 or IPv6 address in network order, in the first `size` bytes.
struct Address {
  size_t size = 0;  // 4 or 16; 0 is no address.
  std::array<uint8_t, 16> bytes{};

  static Address IpV4(uint32_t value);  // In host order: 0x7f000001 is 127.0.0.1.
  uint32_t ipv4() const;                // The reverse; only for size 4.
  std::string ToString() const;
  // For an IPv4-mapped IPv6 address (RFC 4291), which no packet bears, the IPv4 address it stands
  // for; else this address.
  Address Unmapped() const;

  bool operator==(const Address&) const = default;
};

// The addresses that are equal to `value` where `mask` has ones; `value` has zeros elsewhere.
// screend's masks need not be contiguous, so this is not a prefix length.
struct AddressPattern {
  Address value;
  std::array<uint8_t, 16> mask{};

  static AddressPattern Exactly(const Address& address);
  static AddressPattern Masked(uint32_t value, uint32_t mask);  // IPv4, in host order.
};

// Whether the word is meant as a number or an address and not as a name: it has only digits and
// dots (with 0x, also hex digits), or a colon somewhere.
bool IsLiteral(std::string_view word);

// A dotted quad (parts decimal or 0x), one 0x number of 32 bits, or an IPv6 address. An IPv4-mapped
// IPv6 address becomes the IPv4 address. As in screend, numbers are never octal: a leading 0 is an
// error. The error says what is wrong with the word.
absl::StatusOr<Address> ParseAddress(std::string_view word);

// ADDRESS/LENGTH, with no bits set after the length. A part of ::ffff:0:0/96 becomes the IPv4
// prefix. That prefix itself stays IPv6 and does not mean all of IPv4, since lists of bogus IPv6
// networks have it.
absl::StatusOr<AddressPattern> ParsePrefix(std::string_view word);

// Whether the word is meant as a number: it has only digits, or 0x and hex digits.
bool IsNumber(std::string_view word);

// A decimal or 0x number up to `most`. Nothing if the word is not meant as a number and so may be a
// name.
absl::StatusOr<std::optional<uint32_t>> ParseNumber(std::string_view word, uint32_t most);

// The mask of an IPv4 address's class, A, B or C; 0 for an address without one (224.0.0.0 and up).
uint32_t ClassMask(uint32_t address);

// The fewest prefixes that together have exactly the addresses from `first` to `last`: at most 62
// for IPv4 and 254 for IPv6. INVALID_ARGUMENT: the addresses are of different families, or `last`
// is below `first`. The message does not show the addresses.
absl::StatusOr<std::vector<AddressPattern>> CoverRange(const Address& first, const Address& last);

}  // namespace sluice::server::policy
