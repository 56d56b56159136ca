#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/netfilter/table_socket.h"

namespace sluice::agent {

// The right to keep table inet sluice, which one process of a network namespace has at a time. It
// is an empty table of nftables, `ip sluice-agent`, with flag owner: others can read who has it and
// cannot take it out, and the kernel does so when the process ends, however it ends. No packet
// meets it. Kernels before 5.12 do not know the flag; there nobody is kept out.
class AgentClaim final {
 public:
  // Others are shown `who`, as far as it has no more than 127 bytes. ALREADY_EXISTS: the message is
  // what the holder says of itself; PERMISSION_DENIED: the capability is missing.
  static absl::StatusOr<std::unique_ptr<AgentClaim>> Take(absl::string_view who);

 private:
  explicit AgentClaim(std::unique_ptr<TableSocket> socket) : socket_(std::move(socket)) {}

  const std::unique_ptr<TableSocket> socket_;  // The kernel's owner; only has to stay open.
};

// Who holds it, in the holder's own words, printable; nothing: nobody.
absl::StatusOr<std::optional<std::string>> FindClaim();

}  // namespace sluice::agent
