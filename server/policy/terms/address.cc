#include "server/policy/terms/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

absl::Status Wrong(std::string_view word, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(Quoted(word), std::string(why)));
}

bool HasHexPrefix(std::string_view word) {
  return word.starts_with("0x") || word.starts_with("0X");
}

std::array<uint8_t, 16> PrefixMask(unsigned length) {
  std::array<uint8_t, 16> mask{};
  for (unsigned bit = 0; bit < length; ++bit) {
    mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | 0x80u >> bit % 8);
  }
  return mask;
}

Address And(Address address, const std::array<uint8_t, 16>& mask) {
  for (size_t i = 0; i < address.size; ++i) address.bytes[i] &= mask[i];
  return address;
}

absl::StatusOr<Address> ParseIpV6(std::string_view word) {
  if (word.find('%') != std::string_view::npos) {
    return Wrong(word, " names an interface: packets have none in their addresses");
  }
  Address address{16, {}};
  if (inet_pton(AF_INET6, std::string(word).c_str(), address.bytes.data()) == 1) return address;
  return Wrong(word, " is not an IPv6 address");
}

// As written: an IPv4-mapped address stays IPv6.
absl::StatusOr<Address> ParseAsWritten(std::string_view word) {
  return word.find(':') == std::string_view::npos ? ParseAddress(word) : ParseIpV6(word);
}

}  // namespace

bool IsNumber(std::string_view word) {
  if (HasHexPrefix(word) && word.size() > 2) {
    return std::all_of(word.begin() + 2, word.end(),
                       [](unsigned char c) { return absl::ascii_isxdigit(c); });
  }
  return !word.empty() && std::all_of(word.begin(), word.end(),
                                      [](unsigned char c) { return absl::ascii_isdigit(c); });
}

Address Address::IpV4(uint32_t value) {
  Address address{4, {}};
  for (int i = 0; i < 4; ++i) address.bytes[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
  return address;
}

uint32_t Address::ipv4() const {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

std::string Address::ToString() const {
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text) == nullptr) {
    return "";
  }
  return text;
}

Address Address::Unmapped() const {
  static constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (size != 16 || !std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return *this;
  Address address{4, {}};
  std::copy_n(bytes.begin() + kMapped.size(), 4, address.bytes.begin());
  return address;
}

AddressPattern AddressPattern::Exactly(const Address& address) {
  return {address, PrefixMask(static_cast<unsigned>(8 * address.size))};
}

AddressPattern AddressPattern::Masked(uint32_t value, uint32_t mask) {
  return {Address::IpV4(value & mask), Address::IpV4(mask).bytes};
}

bool IsLiteral(std::string_view word) {
  if (word.find(':') != std::string_view::npos) return true;
  while (true) {
    const size_t dot = word.find('.');
    if (!IsNumber(word.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    word.remove_prefix(dot + 1);
  }
}

absl::StatusOr<std::optional<uint32_t>> ParseNumber(std::string_view word, uint32_t most) {
  if (!IsNumber(word)) return std::nullopt;
  const bool hex = HasHexPrefix(word);
  if (!hex && word.size() > 1 && word.front() == '0') {
    return Wrong(word, " begins with 0: numbers are decimal or 0x…, never octal");
  }
  const std::string_view digits = hex ? word.substr(2) : word;
  uint32_t number = 0;
  const auto result =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, hex ? 16 : 10);
  if (result.ec != std::errc() || number > most) {
    return Wrong(word, absl::StrCat(" is too large: at most ", most));
  }
  return number;
}

absl::StatusOr<Address> ParseAddress(std::string_view word) {
  if (word.find(':') != std::string_view::npos) {
    const auto address = ParseIpV6(word);
    if (!address.ok()) return address.status();
    return address->Unmapped();
  }
  if (HasHexPrefix(word) && word.find('.') == std::string_view::npos) {
    const auto number = ParseNumber(word, UINT32_MAX);
    if (!number.ok()) return number.status();
    if (*number) return Address::IpV4(**number);
  }
  uint32_t value = 0;
  int parts = 0;
  for (std::string_view rest = word;;) {
    const size_t dot = rest.find('.');
    const auto part = ParseNumber(rest.substr(0, dot), 255);
    if (!part.ok())
      return Wrong(word,
                   absl::StrCat(" is not an address: ", std::string(part.status().message())));
    if (!*part) return Wrong(word, " is not an address");
    value = value << 8 | **part;
    ++parts;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (parts != 4) {
    return Wrong(word,
                 absl::StrCat(" is not an address: IPv4 addresses have four parts, not ", parts));
  }
  return Address::IpV4(value);
}

absl::StatusOr<AddressPattern> ParsePrefix(std::string_view word) {
  const size_t slash = word.find('/');
  const auto address = ParseAsWritten(word.substr(0, slash));
  if (!address.ok()) return address.status();
  const auto most = static_cast<uint32_t>(8 * address->size);
  const std::string_view digits =
      slash == std::string_view::npos ? std::string_view() : word.substr(slash + 1);
  const auto length = ParseNumber(digits, most);
  if (!length.ok() || !*length) {
    return Wrong(word, absl::StrCat(" has no prefix length from 0 to ", most, " behind the `/`"));
  }
  const AddressPattern pattern{And(*address, PrefixMask(**length)), PrefixMask(**length)};
  if (pattern.value != *address) {
    return Wrong(word, absl::StrCat(" has bits set behind the prefix: did you mean `",
                                    pattern.value.ToString(), "/", **length, "`?"));
  }
  if (const Address unmapped = address->Unmapped(); **length > 96 && unmapped.size == 4) {
    return AddressPattern{unmapped, PrefixMask(**length - 96)};
  }
  return pattern;
}

uint32_t ClassMask(uint32_t address) {
  if (address >> 31 == 0) return 0xff000000;
  if (address >> 30 == 2) return 0xffff0000;
  if (address >> 29 == 6) return 0xffffff00;
  return 0;
}

}  // namespace sluice::server::policy
