#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct mnl_socket;
struct nlmsghdr;

namespace sluice::agent {

// The errno inside a status made by TableError, in decimal.
inline constexpr char kErrnoPayload[] = "sluice.errno";

// What the kernel refused.
struct TableRefusal {
  int error = 0;          // errno; 0: nothing was refused.
  uint32_t sequence = 0;  // Of the message; 0: the socket itself failed.
};

// "nftables table inet sluice, OBJECT: ERRNO'S TEXT: HINT". The hint says what to do. An empty
// object means the table itself. An empty hint is replaced by a general one for the errno, if there
// is one.
absl::Status TableError(int error, absl::string_view object, absl::string_view hint = "");

// A netlink socket to nftables: sends requests and collects the answers. Owned by Table, whose
// mutex guards it, or by AgentClaim; not for several threads. The kernel answers while it takes the
// request, so calls wait at most for the kernel's nftables lock.
class TableSocket final {
 public:
  static absl::StatusOr<std::unique_ptr<TableSocket>> Open();
  ~TableSocket();
  TableSocket(const TableSocket&) = delete;
  TableSocket& operator=(const TableSocket&) = delete;

  // The netlink address that notifications about our own changes carry.
  uint32_t port_id() const;

  // Reserves `count` sequence numbers, which no other request carries, and returns the first.
  uint32_t ReserveSequence(uint32_t count);

  // Sends `request`, one message or a batch of messages numbered first to last. Hands the answers
  // to on_message until message `last` is acknowledged or its dump ends. Returns the first refusal.
  // EINTR: the rules changed during the dump, which must be asked for again.
  TableRefusal Exchange(absl::string_view request, uint32_t first, uint32_t last,
                        absl::FunctionRef<void(const nlmsghdr*)> on_message);

 private:
  explicit TableSocket(mnl_socket* socket);

  mnl_socket* const socket_;
  uint32_t next_sequence_ = 1;
  std::vector<char> buffer_;
};

}  // namespace sluice::agent
