#include "agent/netfilter/table/connection_marks.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/conntrack/conntrack_codec.h"
#include "agent/netfilter/conntrack/conntrack_socket.h"
#include "agent/netfilter/mark_bits.h"

namespace sluice::agent {
namespace {

// The kernel's chunks of a dump are 32 KiB at most.
constexpr size_t kChunkSize = 64 * 1024;
// How much is sent at once; less than half of a netlink socket's default send buffer.
constexpr size_t kBatchSize = 60 * 1024;
// A table that grows is laid out anew during the walk, which may then miss some connections.
constexpr int kMostSweeps = 8;

absl::Status ErrnoStatus(const char* what, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat("conntrack: ", what));
}

MnlSocket OpenSocket() {
  MnlSocket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return nullptr;
  return socket;
}

nlmsghdr* PutHeader(char* room, uint16_t type, uint16_t flags, uint8_t family) {
  nlmsghdr* message = mnl_nlmsg_put_header(room);
  message->nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
  message->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  auto* generic = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  generic->nfgen_family = family;
  generic->version = NFNETLINK_V0;
  return message;
}

// Calls `take` with every connection whose mark, masked, is `value`.
absl::Status ForEachConnection(uint32_t mask, uint32_t value,
                               absl::FunctionRef<void(const nlmsghdr*)> take) {
  const MnlSocket socket = OpenSocket();
  if (socket == nullptr) return ErrnoStatus("netlink socket", errno);
  alignas(nlmsghdr) std::array<char, 128> request;
  nlmsghdr* message = PutHeader(request.data(), IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
  mnl_attr_put_u32(message, CTA_MARK, htonl(value));
  mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(mask));
  if (mnl_socket_sendto(socket.get(), message, message->nlmsg_len) < 0) {
    return ErrnoStatus("asking for connections", errno);
  }
  std::vector<char> chunk(kChunkSize);
  while (true) {
    const ssize_t length = mnl_socket_recvfrom(socket.get(), chunk.data(), chunk.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return ErrnoStatus("listing connections", errno);
    int left = static_cast<int>(length);
    for (const auto* answer = reinterpret_cast<const nlmsghdr*>(chunk.data());
         mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
      if (answer->nlmsg_type == NLMSG_DONE) return absl::OkStatus();
      if (answer->nlmsg_type == NLMSG_ERROR) {
        const bool whole = answer->nlmsg_len >= mnl_nlmsg_size(sizeof(nlmsgerr));
        return ErrnoStatus(
            "listing connections",
            whole ? -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer))->error : EBADMSG);
      }
      take(answer);
    }
  }
}

// The same for connections with a mark of ours.
absl::Status ForEachMarked(uint32_t mask, absl::FunctionRef<void(const nlmsghdr*)> take) {
  return ForEachConnection(DecidedBit(mask) | DroppedBit(mask), DroppedBit(mask), take);
}

bool Holds(const std::vector<uint32_t>& marks, uint32_t mark) {
  return std::find(marks.begin(), marks.end(), mark) != marks.end();
}

// What names a connection, as the kernel wrote it, and its mark.
struct Named {
  uint8_t family = AF_UNSPEC;
  const nlattr* tuple = nullptr;
  const nlattr* zone = nullptr;
  uint32_t mark = 0;
};

std::optional<Named> NameOf(const nlmsghdr* message) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg)) return std::nullopt;
  const auto* generic = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
  Named named{.family = generic->nfgen_family};
  mnl_attr_parse_payload(
      generic + 1, mnl_nlmsg_get_payload_len(message) - sizeof(nfgenmsg),
      [](const nlattr* attribute, void* data) {
        auto& into = *static_cast<Named*>(data);
        if (mnl_attr_get_type(attribute) == CTA_TUPLE_ORIG) into.tuple = attribute;
        if (mnl_attr_get_type(attribute) == CTA_ZONE) into.zone = attribute;
        if (mnl_attr_get_type(attribute) == CTA_MARK &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) == 0) {
          into.mark = ntohl(mnl_attr_get_u32(attribute));
        }
        return MNL_CB_OK;
      },
      &named);
  if (named.tuple == nullptr || named.tuple->nla_len > 256) return std::nullopt;
  return named;
}

// Gathers requests to clear marks, and sends many at once. The kernel's objections, to connections
// that have ended by then, are ignored.
class Clearing final {
 public:
  explicit Clearing(uint32_t bits) : bits_(bits), socket_(OpenSocket()) {}
  bool open() const { return socket_ != nullptr; }

  void Add(const Named& named) {
    if (used_ + 512 > batch_.size()) Send();
    nlmsghdr* message =
        PutHeader(batch_.data() + used_, IPCTNL_MSG_CT_NEW, /*flags=*/0, named.family);
    for (const nlattr* attribute : {named.tuple, named.zone}) {
      if (attribute == nullptr) continue;
      mnl_attr_put(message, attribute->nla_type, mnl_attr_get_payload_len(attribute),
                   mnl_attr_get_payload(attribute));
    }
    mnl_attr_put_u32(message, CTA_MARK, 0);
    mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(bits_));
    used_ += MNL_ALIGN(message->nlmsg_len);
  }

  void Send() {
    if (used_ == 0) return;
    mnl_socket_sendto(socket_.get(), batch_.data(), used_);
    used_ = 0;
    std::array<char, 4096> objections;
    while (recv(mnl_socket_get_fd(socket_.get()), objections.data(), objections.size(),
                MSG_DONTWAIT) >= 0 ||
           errno == ENOBUFS) {
    }
  }

 private:
  const uint32_t bits_;
  const MnlSocket socket_;
  std::vector<char> batch_ = std::vector<char>(kBatchSize);
  size_t used_ = 0;
};

RememberedEntry EntryOf(const v1::Flow& flow) {
  const v1::FlowTuple& first = flow.original();
  RememberedEntry entry = {.accept = true,
                           .scope = RememberedScope::kConnection,
                           .source = first.source(),
                           .destination = first.destination(),
                           .protocol = static_cast<uint8_t>(first.protocol()),
                           .source_port = static_cast<uint16_t>(first.source_port()),
                           .destination_port = static_cast<uint16_t>(first.destination_port()),
                           .zone = static_cast<uint16_t>(flow.zone())};
  if (first.has_icmp_type()) {
    entry.destination_port = static_cast<uint16_t>(first.icmp_type() << 8 | first.icmp_code());
  }
  return entry;
}

}  // namespace

absl::StatusOr<uint64_t> SweepMarks(uint32_t mask, const std::vector<uint32_t>& keep) {
  uint64_t swept = 0;
  for (int i = 0; i < kMostSweeps; ++i) {
    Clearing clearing(mask);
    if (!clearing.open()) return ErrnoStatus("netlink socket", errno);
    uint64_t found = 0;
    const absl::Status status = ForEachMarked(mask, [&](const nlmsghdr* message) {
      const auto named = NameOf(message);
      if (!named || Holds(keep, named->mark & mask)) return;
      ++found;
      clearing.Add(*named);
    });
    if (!status.ok()) return status;
    clearing.Send();
    if (found == 0) return swept;
    swept += found;
  }
  return absl::UnavailableError(
      "conntrack: marks of old generations keep coming back: does "
      "another program restore them?");
}

absl::StatusOr<std::vector<RememberedEntry>> ListMarked(uint32_t mask,
                                                        const std::vector<uint32_t>& marks,
                                                        size_t limit) {
  std::vector<RememberedEntry> entries;
  const absl::Status status = ForEachMarked(mask, [&](const nlmsghdr* message) {
    if (limit != 0 && entries.size() >= limit) return;
    const auto named = NameOf(message);
    if (!named || !Holds(marks, named->mark & mask)) return;
    const auto event =
        DecodeConntrack({reinterpret_cast<const uint8_t*>(message), message->nlmsg_len});
    if (event && event->has_conntrack()) entries.push_back(EntryOf(event->conntrack().flow()));
  });
  if (!status.ok()) return status;
  return entries;
}

}  // namespace sluice::agent
