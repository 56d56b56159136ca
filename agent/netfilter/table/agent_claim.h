#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/netfilter/nftables/table_socket.h"

namespace sluice::agent {

// The right to keep table inet sluice. One process of a network namespace has it at a time. The
// claim is an empty nftables table, `ip sluice-agent`, with flag owner: others can read who holds
// it but cannot delete it. The kernel deletes it when the process ends, however it ends. No packet
// meets it. Kernels before 5.12 do not know the flag; there the claim keeps nobody out.
class AgentClaim final {
 public:
  // Others are shown the first 127 bytes of `who`. ALREADY_EXISTS: another process holds the claim;
  // the message is its `who`. PERMISSION_DENIED: the capability is missing.
  static absl::StatusOr<std::unique_ptr<AgentClaim>> Take(absl::string_view who);

 private:
  explicit AgentClaim(std::unique_ptr<TableSocket> socket) : socket_(std::move(socket)) {}

  const std::unique_ptr<TableSocket> socket_;  // Owns the kernel's table; only has to stay open.
};

// The `who` of the process that holds the claim, made printable; nullopt: nobody holds it.
absl::StatusOr<std::optional<std::string>> FindClaim();

}  // namespace sluice::agent
