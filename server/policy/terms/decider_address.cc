#include "server/policy/terms/decider_address.h"

#include <sys/un.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "proto/text/text.h"
#include "server/policy/terms/address.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

constexpr std::string_view kUnix = "unix:";

bool IsUnixPath(std::string_view path) {
  return path.starts_with('/') && path.size() < sizeof(sockaddr_un::sun_path) &&
         OneLine(path) == path;
}

bool IsPort(std::string_view text) {
  uint32_t port = 0;
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos &&
         absl::SimpleAtoi(std::string(text), &port) && port >= 1 && port <= 65535;
}

// Whether the text may be the name or the number of an interface.
bool IsZone(std::string_view text) {
  constexpr size_t kLongestInterface = 15;  // IFNAMSIZ
  return !text.empty() && text.size() <= kLongestInterface &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isgraph(c) && c != '%' && c != '/' && c != ']';
         });
}

bool IsHost(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) {
    std::string_view address = text.substr(1, text.size() - 2);
    const size_t zone = address.find('%');
    if (zone != std::string_view::npos) {
      if (!IsZone(address.substr(zone + 1))) return false;
      address = address.substr(0, zone);
    }
    return address.find(':') != std::string_view::npos && ParseAddress(address).ok();
  }
  // A text of only digits and dots is not a name.
  if (text.find_first_not_of("0123456789.") == std::string_view::npos) {
    const auto address = ParseAddress(text);
    return address.ok() && address->size == 4;
  }
  constexpr size_t kLongestName = 253;  // RFC 1035
  const auto is_of_name = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
  };
  return text.size() <= kLongestName && absl::ascii_isalnum(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(), is_of_name);
}

}  // namespace

bool IsDeciderAddress(std::string_view text) {
  if (text.starts_with(kUnix)) return IsUnixPath(text.substr(kUnix.size()));
  const size_t colon = text.rfind(':');
  return colon != std::string_view::npos && IsHost(text.substr(0, colon)) &&
         IsPort(text.substr(colon + 1));
}

}  // namespace sluice::server::policy
