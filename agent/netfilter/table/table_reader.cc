#include "agent/netfilter/table/table_reader.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace sluice::agent {
namespace {

// Other programs change rules in bursts; a reading takes less than a millisecond.
constexpr int kAttempts = 16;

// Requests of one attempt at a reading, which is consistent if all answers come from the same
// generation of the rule set.
class Reading {
 public:
  explicit Reading(TableSocket& socket) : socket_(socket) {}

  // Returns the errno; answers go into shape.
  int Ask(uint16_t type, uint16_t flags, absl::FunctionRef<void(nlmsghdr*)> put) {
    alignas(nlmsghdr) char request[512];
    const uint32_t sequence = socket_.ReserveSequence(1);
    nlmsghdr* message = nftnl_nlmsg_build_hdr(request, type, NFPROTO_INET, flags, sequence);
    put(message);
    const auto take = [this](const nlmsghdr* answer) {
      if (mnl_nlmsg_get_payload_len(answer) < sizeof(nfgenmsg)) return;
      const uint16_t generation =
          ntohs(static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(answer))->res_id);
      if (generation_.value_or(generation) != generation) consistent_ = false;
      generation_ = generation;
      AddToShape(answer, shape);
    };
    return socket_
        .Exchange(absl::string_view(request, message->nlmsg_len), sequence, sequence, take)
        .error;
  }

  bool consistent() const { return consistent_; }

  TableShape shape;

 private:
  TableSocket& socket_;
  std::optional<uint16_t> generation_;
  bool consistent_ = true;
};

// Reads the table itself, and what `ask` asks for besides.
absl::StatusOr<std::optional<TableShape>> Read(TableSocket& socket,
                                               absl::FunctionRef<int(Reading&)> ask) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Reading reading(socket);
    int error = reading.Ask(NFT_MSG_GETTABLE, NLM_F_ACK, [](nlmsghdr* message) {
      mnl_attr_put_strz(message, NFTA_TABLE_NAME, kTableName);
    });
    if (error == ENOENT) return std::nullopt;
    if (error == 0) error = ask(reading);
    // ENOENT: the table disappeared between the requests; the next attempt will say so. The others:
    // the rules changed during the dump, or the answer did not fit.
    if (error == EINTR || error == ENOBUFS || error == ENOENT) continue;
    if (error != 0) return TableError(error, "reading it");
    if (reading.consistent()) return std::move(reading.shape);
  }
  return TableError(EINTR, "reading it");
}

int AskForCounters(Reading& reading) {
  return reading.Ask(NFT_MSG_GETOBJ, NLM_F_DUMP, [](nlmsghdr* message) {
    mnl_attr_put_strz(message, NFTA_OBJ_TABLE, kTableName);
    mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
  });
}

}  // namespace

absl::StatusOr<std::optional<TableShape>> ReadTableShape(const std::vector<TableChain>& chains,
                                                         TableSocket& socket) {
  return Read(socket, [&](Reading& reading) {
    for (const TableChain& chain : chains) {
      // One by one: a dump would bring every chain of the machine.
      const int error = reading.Ask(NFT_MSG_GETCHAIN, NLM_F_ACK, [&](nlmsghdr* message) {
        mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, kTableName);
        mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain.name);
      });
      // If the chain is gone, the shape lacks it.
      if (error != 0 && error != ENOENT) return error;
    }
    const int error = reading.Ask(NFT_MSG_GETRULE, NLM_F_DUMP, [](nlmsghdr* message) {
      mnl_attr_put_strz(message, NFTA_RULE_TABLE, kTableName);
    });
    return error != 0 ? error : AskForCounters(reading);
  });
}

absl::StatusOr<std::optional<TableShape>> ReadTableCounters(TableSocket& socket) {
  return Read(socket, AskForCounters);
}

}  // namespace sluice::agent
