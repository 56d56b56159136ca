#include "agent/netfilter/survey/datapath_survey.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "proto/text/text.h"

namespace sluice::agent {
namespace {

using Kind = DatapathFinding::Kind;
using Findings = std::vector<DatapathFinding>;

struct Close {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};

struct Link {
  int index = 0;
  std::string name;
  bool xdp = false;
};

// Calls `take` with each attribute, up to the first that is cut short.
void ForEachAttribute(const nlattr* first, size_t size,
                      absl::FunctionRef<void(const nlattr*)> take) {
  mnl_attr_parse_payload(
      first, size,
      [](const nlattr* attribute, void* data) {
        (*static_cast<absl::FunctionRef<void(const nlattr*)>*>(data))(attribute);
        return MNL_CB_OK;
      },
      &take);
}

// The attributes behind a header of type Header; none if the message is shorter.
template <typename Header>
void ForEachAttributeBehind(const nlmsghdr* message, absl::FunctionRef<void(const nlattr*)> take) {
  const size_t size = mnl_nlmsg_get_payload_len(message);
  if (size < MNL_ALIGN(sizeof(Header))) return;
  ForEachAttribute(
      static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, sizeof(Header))),
      size - MNL_ALIGN(sizeof(Header)), take);
}

bool HasXdp(const nlattr* xdp) {
  bool attached = false;
  ForEachAttribute(static_cast<const nlattr*>(mnl_attr_get_payload(xdp)),
                   mnl_attr_get_payload_len(xdp), [&](const nlattr* attribute) {
                     if (mnl_attr_get_type(attribute) == IFLA_XDP_ATTACHED &&
                         mnl_attr_validate(attribute, MNL_TYPE_U8) == 0) {
                       attached = mnl_attr_get_u8(attribute) != XDP_ATTACHED_NONE;
                     }
                   });
  return attached;
}

class RouteSocket final {
 public:
  // 0 or errno.
  int Open() {
    socket_.reset(mnl_socket_open(NETLINK_ROUTE));
    if (socket_ == nullptr || mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
      return errno;
    }
    return 0;
  }

  // Dumps what `type` asks for; `header` follows the message's own header. Returns 0 or errno.
  template <typename Header>
  int Dump(uint16_t type, const Header& header, absl::FunctionRef<void(const nlmsghdr*)> take) {
    alignas(nlmsghdr) std::array<char, 256> request{};
    nlmsghdr* message = mnl_nlmsg_put_header(request.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++sequence_;
    *static_cast<Header*>(mnl_nlmsg_put_extra_header(message, sizeof(Header))) = header;
    if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0) return errno;
    for (;;) {
      const auto received = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
      if (received < 0) return errno;
      const int result = mnl_cb_run(
          buffer_.data(), static_cast<size_t>(received), sequence_,
          mnl_socket_get_portid(socket_.get()),
          [](const nlmsghdr* answer, void* data) {
            (*static_cast<absl::FunctionRef<void(const nlmsghdr*)>*>(data))(answer);
            return MNL_CB_OK;
          },
          &take);
      if (result < 0) return errno;
      if (result == MNL_CB_STOP) return 0;
    }
  }

 private:
  std::unique_ptr<mnl_socket, Close> socket_;
  uint32_t sequence_ = 0;
  std::vector<char> buffer_ = std::vector<char>(64 * 1024);
};

Link LinkIn(const nlmsghdr* message) {
  Link link;
  if (mnl_nlmsg_get_payload_len(message) < sizeof(ifinfomsg)) return link;
  link.index = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message))->ifi_index;
  ForEachAttributeBehind<ifinfomsg>(message, [&](const nlattr* attribute) {
    const uint16_t type = mnl_attr_get_type(attribute);
    if (type == IFLA_IFNAME && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0) {
      link.name = EscapeName(mnl_attr_get_str(attribute));
    } else if (type == IFLA_XDP) {
      link.xdp = HasXdp(attribute);
    }
  });
  return link;
}

bool IsBpfFilter(const nlmsghdr* message) {
  bool bpf = false;
  ForEachAttributeBehind<tcmsg>(message, [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == TCA_KIND &&
        mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0) {
      bpf = std::string_view(mnl_attr_get_str(attribute)) == "bpf";
    }
  });
  return bpf;
}

// Looks at the filters of the qdisc clsact. Without that qdisc or filters of that parent, the dump
// is empty.
int SurveyFilters(const Link& link, Kind kind, RouteSocket& socket, Findings& findings) {
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = link.index;
  header.tcm_parent =
      TC_H_MAKE(TC_H_CLSACT, kind == Kind::kTcIngress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
  bool found = false;
  const int error = socket.Dump(RTM_GETTFILTER, header, [&](const nlmsghdr* message) {
    found |= message->nlmsg_type == RTM_NEWTFILTER && IsBpfFilter(message);
  });
  if (found) findings.push_back({kind, link.name});
  // These errors mean that the interface went meanwhile, or that this kernel has no tc.
  return error == ENODEV || error == EINVAL || error == EOPNOTSUPP ? 0 : error;
}

int Survey(Findings& findings) {
  RouteSocket socket;
  if (const int error = socket.Open()) return error;
  std::vector<Link> links;
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  int error = socket.Dump(RTM_GETLINK, header, [&](const nlmsghdr* message) {
    if (message->nlmsg_type == RTM_NEWLINK) links.push_back(LinkIn(message));
  });
  for (auto link = links.begin(); error == 0 && link != links.end(); ++link) {
    if (link->xdp) findings.push_back({Kind::kXdp, link->name});
    error = SurveyFilters(*link, Kind::kTcIngress, socket, findings);
    if (error == 0) error = SurveyFilters(*link, Kind::kTcEgress, socket, findings);
  }
  return error;
}

}  // namespace

absl::StatusOr<Findings> SurveyDatapaths() {
  // EINTR: the interfaces changed during the dump.
  constexpr int kAttempts = 5;
  int error = EINTR;
  for (int attempt = 0; attempt < kAttempts && error == EINTR; ++attempt) {
    Findings findings;
    error = Survey(findings);
    if (error == 0) return findings;
  }
  return absl::ErrnoToStatus(error, "asking for the programs on interfaces");
}

}  // namespace sluice::agent
