#include "agent/netfilter/nftables/table_transaction.h"

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>

namespace sluice::agent {
namespace {

constexpr size_t kMessageRoom = 4096 + 256;  // Attributes, and the headers before them.

}  // namespace

TableTransaction::TableTransaction(uint32_t first_sequence) : first_sequence_(first_sequence) {
  Take(nftnl_batch_begin(Room(), first_sequence_));
}

void TableTransaction::Add(absl::string_view object, uint16_t type, uint16_t flags,
                           absl::FunctionRef<void(nlmsghdr*)> put) {
  objects_.emplace_back(object);
  char* room = Room();
  last_change_ = used_;
  // ECHO: the kernel also sends us the notifications that it sends to those who watch nftables.
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(room, type, NFPROTO_INET, flags | NLM_F_ECHO, last_sequence());
  put(message);
  Take(message);
}

TableRefusal TableTransaction::Commit(TableSocket& socket,
                                      absl::FunctionRef<void(const nlmsghdr*)> on_change) {
  AskForAcknowledgement();
  Take(nftnl_batch_end(Room(), last_sequence() + 1));
  return socket.Exchange(bytes(), first_sequence_, last_sequence(), on_change);
}

TableRefusal TableTransaction::Check(TableSocket& socket) {
  AskForAcknowledgement();
  // Without an end message the kernel only checks the batch and undoes it.
  return socket.Exchange(bytes(), first_sequence_, last_sequence(), [](const nlmsghdr*) {});
}

absl::string_view TableTransaction::ObjectOf(const TableRefusal& refusal) const {
  if (IsWhole(refusal)) return "";
  return objects_[refusal.sequence - first_sequence_ - 1];
}

bool TableTransaction::IsWhole(const TableRefusal& refusal) const {
  return refusal.sequence <= first_sequence_ || refusal.sequence > last_sequence();
}

char* TableTransaction::Room() {
  buffer_.resize(used_ + kMessageRoom);
  return buffer_.data() + used_;
}

void TableTransaction::Take(const nlmsghdr* message) { used_ += MNL_ALIGN(message->nlmsg_len); }

uint32_t TableTransaction::last_sequence() const {
  return first_sequence_ + static_cast<uint32_t>(objects_.size());
}

void TableTransaction::AskForAcknowledgement() {
  reinterpret_cast<nlmsghdr*>(buffer_.data() + last_change_)->nlmsg_flags |= NLM_F_ACK;
}

}  // namespace sluice::agent
