#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "agent/netfilter/nftables/table_socket.h"

struct nlmsghdr;

namespace sluice::agent {

inline constexpr char kTableName[] = "sluice";

// A batch of changes to table inet sluice, which the kernel carries out all at once or not at all:
// no packet sees a part of it. A value, built by one thread and used for one Commit or Check.
class TableTransaction final {
 public:
  // Numbers its messages from `first_sequence` on; see TableSocket::ReserveSequence.
  static constexpr uint32_t kMaxMessages = 512;
  explicit TableTransaction(uint32_t first_sequence);

  // Adds one change. `object` is what errors call it ("chain guard"), `type` an NFT_MSG_*,
  // `put` writes the attributes, at most 4 KiB of them.
  void Add(absl::string_view object, uint16_t type, uint16_t flags,
           absl::FunctionRef<void(nlmsghdr*)> put);

  // Carries out the transaction. The kernel reports what it created and what it deleted, with the
  // last counter values of deleted rules. on_change gets these NFT_MSG_NEW* and NFT_MSG_DEL*
  // messages.
  TableRefusal Commit(TableSocket& socket, absl::FunctionRef<void(const nlmsghdr*)> on_change);

  // Has the kernel check the whole transaction; changes nothing.
  TableRefusal Check(TableSocket& socket);

  // What a refusal is about; "" for the transaction as a whole.
  absl::string_view ObjectOf(const TableRefusal& refusal) const;

  // Whether the refusal is about the transaction as a whole.
  bool IsWhole(const TableRefusal& refusal) const;

  // The messages so far, for tests of what is built.
  absl::string_view bytes() const { return absl::string_view(buffer_.data(), used_); }

 private:
  char* Room();
  void Take(const nlmsghdr* message);
  uint32_t last_sequence() const;
  void AskForAcknowledgement();

  const uint32_t first_sequence_;
  std::vector<char> buffer_;
  size_t used_ = 0;
  size_t last_change_ = 0;            // Where the latest change begins in buffer_.
  std::vector<std::string> objects_;  // By sequence, from first_sequence_ + 1.
};

}  // namespace sluice::agent
