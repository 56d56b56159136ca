#include "server/policy/checker/names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

// Room for what the results of glibc's reentrant lookups point to; no entry has so many aliases
// that it needs more.
constexpr size_t kBufferSize = 16384;
// Further addresses of one name are left out: no resolver gives as many.
constexpr size_t kMostAddresses = 256;

// The errors by which getaddrinfo(3) says that a name does not exist. All others mean that servers
// do not answer, or not as they should.
bool IsUnknown(int error) {
  return error == EAI_NONAME || error == EAI_NODATA || error == EAI_ADDRFAMILY;
}

// Tries the name as it is, then in lower case, since a name that is also a keyword is written in
// capitals.
template <typename Lookup>
auto EitherCase(const std::string& name, Lookup lookup) {
  auto* found = lookup(name);
  if (found == nullptr) found = lookup(absl::AsciiStrToLower(name));
  return found;
}

}  // namespace

bool IsUnanswered(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

absl::Status SystemNames::InTime() const {
  if (std::chrono::steady_clock::now() < deadline_) return absl::OkStatus();
  return absl::DeadlineExceededError(
      "not looked up: the names before it took too long; use addresses, or check the DNS servers");
}

absl::StatusOr<std::vector<Address>> SystemNames::Host(const std::string& name) {
  if (absl::Status status = InTime(); !status.ok()) return status;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;  // Each address once.
  addrinfo* list = nullptr;
  const int error = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (IsUnknown(error)) {
    return absl::NotFoundError(absl::StrCat("no host ", Quoted(name), ": ", gai_strerror(error)));
  }
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("host ", Quoted(name), " cannot be looked up now: ", gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    Address address;
    if (entry->ai_family == AF_INET) {
      sockaddr_in socket_address;
      std::memcpy(&socket_address, entry->ai_addr, sizeof socket_address);
      address.size = 4;
      std::memcpy(address.bytes.data(), &socket_address.sin_addr, 4);
    } else if (entry->ai_family == AF_INET6) {
      sockaddr_in6 socket_address;
      std::memcpy(&socket_address, entry->ai_addr, sizeof socket_address);
      address.size = 16;
      std::memcpy(address.bytes.data(), &socket_address.sin6_addr, 16);
      address = address.Unmapped();
    } else {
      continue;
    }
    if (addresses.size() < kMostAddresses &&
        std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  if (addresses.empty()) {
    return absl::NotFoundError(absl::StrCat("host ", Quoted(name), " has no address"));
  }
  return addresses;
}

absl::StatusOr<uint32_t> SystemNames::Network(const std::string& name) {
  if (absl::Status status = InTime(); !status.ok()) return status;
  netent entry{};
  std::vector<char> buffer(kBufferSize);
  int resolver_error = 0;
  const netent* found = EitherCase(name, [&](const std::string& spelling) {
    netent* result = nullptr;
    getnetbyname_r(spelling.c_str(), &entry, buffer.data(), buffer.size(), &result,
                   &resolver_error);
    return result;
  });
  // /etc/nsswitch.conf may say that DNS is asked for networks, too.
  if (found == nullptr && resolver_error == TRY_AGAIN) {
    return absl::UnavailableError(
        absl::StrCat("network ", Quoted(name), " cannot be looked up now: ", hstrerror(TRY_AGAIN)));
  }
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrCat("no network ", Quoted(name), " in /etc/networks"));
  }
  // That file may leave out trailing zero parts: `loopback 127`.
  uint32_t network = found->n_net;
  while (network != 0 && (network & 0xff000000) == 0) network <<= 8;
  return network;
}

absl::StatusOr<uint32_t> SystemNames::Protocol(const std::string& name) {
  if (absl::Status status = InTime(); !status.ok()) return status;
  protoent entry{};
  std::vector<char> buffer(kBufferSize);
  const protoent* found = EitherCase(name, [&](const std::string& spelling) {
    protoent* result = nullptr;
    getprotobyname_r(spelling.c_str(), &entry, buffer.data(), buffer.size(), &result);
    return result;
  });
  if (found != nullptr) return static_cast<uint32_t>(found->p_proto);
  return absl::NotFoundError(absl::StrCat("no protocol ", Quoted(name), " in /etc/protocols"));
}

absl::StatusOr<uint32_t> SystemNames::Service(const std::string& name, const char* protocol) {
  if (absl::Status status = InTime(); !status.ok()) return status;
  servent entry{};
  std::vector<char> buffer(kBufferSize);
  const servent* found = EitherCase(name, [&](const std::string& spelling) {
    servent* result = nullptr;
    getservbyname_r(spelling.c_str(), protocol, &entry, buffer.data(), buffer.size(), &result);
    return result;
  });
  if (found != nullptr) return ntohs(static_cast<uint16_t>(found->s_port));
  return absl::NotFoundError(
      absl::StrCat("no ", protocol, " service ", Quoted(name), " in /etc/services"));
}

}  // namespace sluice::server::policy
