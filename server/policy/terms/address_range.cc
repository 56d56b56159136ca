#include <array>
#include <cstddef>
#include <cstdint>

#include "server/policy/terms/address.h"

namespace sluice::server::policy {
namespace {

__extension__ using Number = unsigned __int128;

Number NumberOf(const Address& address) {
  Number number = 0;
  for (size_t i = 0; i < address.size; ++i) number = number << 8 | address.bytes[i];
  return number;
}

// A number whose lowest `bits` bits are ones.
Number Ones(unsigned bits) { return bits == 128 ? ~Number{0} : (Number{1} << bits) - 1; }

std::array<uint8_t, 16> BytesOf(Number number, size_t size) {
  std::array<uint8_t, 16> bytes{};
  for (size_t i = size; i-- > 0; number >>= 8) bytes[i] = static_cast<uint8_t>(number);
  return bytes;
}

}  // namespace

absl::StatusOr<std::vector<AddressPattern>> CoverRange(const Address& first, const Address& last) {
  if (first.size != last.size) {
    return absl::InvalidArgumentError("the range has an IPv4 and an IPv6 address at its ends");
  }
  const Number end = NumberOf(last);
  Number at = NumberOf(first);
  if (at > end) return absl::InvalidArgumentError("the range ends before it begins");
  const auto bits = static_cast<unsigned>(8 * first.size);
  std::vector<AddressPattern> prefixes;
  while (true) {
    // The largest prefix that begins here and does not go beyond the end.
    unsigned free = 0;
    while (free < bits && (at >> free & 1) == 0 && (at | Ones(free + 1)) <= end) ++free;
    prefixes.push_back(
        {{first.size, BytesOf(at, first.size)}, BytesOf(Ones(bits) & ~Ones(free), first.size)});
    at |= Ones(free);
    if (at == end) return prefixes;
    ++at;
  }
}

}  // namespace sluice::server::policy
