#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

struct mnl_socket;

namespace sluice::agent {

// Is notified of every change to the machine's nftables rules, and tells when others changed table
// inet sluice. Owned and called by one thread, which polls fd(). If the socket overflows, that
// counts as a change: check with Table::Intact.
class TableMonitor final {
 public:
  static absl::StatusOr<std::unique_ptr<TableMonitor>> Open();
  ~TableMonitor();
  TableMonitor(const TableMonitor&) = delete;
  TableMonitor& operator=(const TableMonitor&) = delete;

  // Readable when there is something to drain.
  int fd() const;

  // Drains fd() without blocking. Returns a value if somebody other than our_port_id
  // (Table::port_id) created, changed or deleted table inet sluice or something in it, also by
  // flushing the whole rule set, or if notifications were lost. The value says who did it last, as
  // the kernel reports it ("nft, process 12"), made printable, or is empty.
  std::optional<std::string> ChangedByOthers(uint32_t our_port_id);

 private:
  explicit TableMonitor(mnl_socket* socket);

  mnl_socket* const socket_;
  std::vector<char> buffer_;
};

}  // namespace sluice::agent
