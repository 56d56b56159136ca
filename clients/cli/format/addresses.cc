#include "clients/cli/format/addresses.h"

#include <absl/status/status.h>
#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "third_party/grpc_target/grpc_target.h"

namespace sluice::cli {
namespace {

constexpr std::string_view kDefaultPort = "7654";

// With or without a zone after it.
bool IsIpv6(const std::string& text) {
  in6_addr address;
  return inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &address) == 1;
}

}  // namespace

std::string FormatHex(std::string_view bytes) {
  return absl::BytesToHexString({bytes.data(), bytes.size()});
}

std::string FormatAddress(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN];
  if (bytes.size() == 4 && inet_ntop(AF_INET, bytes.data(), text, sizeof(text))) return text;
  if (bytes.size() == 16 && inet_ntop(AF_INET6, bytes.data(), text, sizeof(text))) return text;
  return FormatHex(bytes);
}

std::string FormatEndpoint(std::string_view address, std::optional<uint32_t> port) {
  std::string text = FormatAddress(address);
  if (!port) return text;
  if (address.size() == 16) return absl::StrCat("[", text, "]:", *port);
  return absl::StrCat(text, ":", *port);
}

absl::StatusOr<v1::Prefix> ParsePrefix(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  char bytes[16] = {};
  size_t size = 0;
  if (inet_pton(AF_INET, address.c_str(), bytes) == 1) {
    size = 4;
  } else if (inet_pton(AF_INET6, address.c_str(), bytes) == 1) {
    size = 16;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("'", std::string(text), "' is not an address: expected one like 192.0.2.1, ",
                     "10.0.0.0/8 or 2001:db8::/32 (names are not looked up)"));
  }
  uint32_t length = size * 8;
  if (slash != std::string_view::npos) {
    const std::string digits(text.substr(slash + 1));
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
        !absl::SimpleAtoi(digits, &length) || length > size * 8) {
      return absl::InvalidArgumentError(absl::StrCat("'", std::string(text), "': expected ",
                                                     "a number after the / from 0 to ", size * 8));
    }
  }
  v1::Prefix prefix;
  in6_addr ipv6;
  std::memcpy(&ipv6, bytes, sizeof ipv6);
  if (size == 16 && length > 96 && IN6_IS_ADDR_V4MAPPED(&ipv6)) {
    prefix.set_address(bytes + 12, 4);
    prefix.set_length(length - 96);
    return prefix;
  }
  prefix.set_address(bytes, size);
  prefix.set_length(length);
  return prefix;
}

std::string ServerTarget(std::string_view text) {
  std::string server(text);
  if (IsIpv6(server)) server = absl::StrCat("[", server, "]");
  server = GrpcTarget(std::move(server));
  const bool bracketed = server.starts_with('[');
  const bool has_port =
      bracketed ? server.find("]:") != std::string::npos : server.find(':') != std::string::npos;
  return has_port ? server : absl::StrCat(server, ":", std::string(kDefaultPort));
}

}  // namespace sluice::cli
