#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

struct mnl_socket;

namespace sluice::agent {

// Hears of every change to the machine's nftables rules and says when others changed table inet
// sluice. Owned and called by one thread, which polls fd(). If more is told than the socket
// holds, that counts as a change: look with Table::Intact.
class TableMonitor final {
 public:
  static absl::StatusOr<std::unique_ptr<TableMonitor>> Open();
  ~TableMonitor();
  TableMonitor(const TableMonitor&) = delete;
  TableMonitor& operator=(const TableMonitor&) = delete;

  // Readable when there is something to drain.
  int fd() const;

  // Drains fd() without blocking. A value: table inet sluice, or something in it, was made, changed
  // or thrown away by another than our_port_id (Table::port_id), a flush of the whole rule set
  // included, or notifications were lost. It says who did it last ("nft, process 12"), as the
  // kernel does, printable, or is empty.
  std::optional<std::string> ChangedByOthers(uint32_t our_port_id);

 private:
  explicit TableMonitor(mnl_socket* socket);

  mnl_socket* const socket_;
  std::vector<char> buffer_;
};

}  // namespace sluice::agent
