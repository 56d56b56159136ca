#include "agent/netfilter/conntrack/conntrack_codec.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <cstring>

#include "agent/netfilter/conntrack/conntrack_flow.h"

namespace sluice::agent {
namespace {

v1::Family ToFamily(uint8_t family) {
  switch (family) {
    case AF_INET:
      return v1::FAMILY_IPV4;
    case AF_INET6:
      return v1::FAMILY_IPV6;
    default:
      return v1::FAMILY_UNSPECIFIED;
  }
}

// A NEW message of the kernel means a new entry only if its flags say so.
v1::EventType ToType(bool deleted, uint16_t flags) {
  if (deleted) return v1::EVENT_TYPE_DESTROY;
  if (flags & NLM_F_MULTI) return v1::EVENT_TYPE_SNAPSHOT;
  if (flags & (NLM_F_CREATE | NLM_F_EXCL)) return v1::EVENT_TYPE_NEW;
  return v1::EVENT_TYPE_UPDATE;
}

}  // namespace

std::optional<v1::Event> DecodeConntrack(Bytes message) {
  nlmsghdr header;
  nfgenmsg netfilter;
  constexpr size_t kHeaders = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof netfilter);
  if (message.size() < kHeaders) return std::nullopt;
  std::memcpy(&header, message.data(), sizeof header);
  if (header.nlmsg_len < kHeaders || header.nlmsg_len > message.size()) return std::nullopt;
  std::memcpy(&netfilter, message.data() + NLMSG_HDRLEN, sizeof netfilter);
  const v1::Family family = ToFamily(netfilter.nfgen_family);
  if (family == v1::FAMILY_UNSPECIFIED) return std::nullopt;
  const Bytes attributes = message.subspan(kHeaders, header.nlmsg_len - kHeaders);

  const uint8_t type = NFNL_MSG_TYPE(header.nlmsg_type);
  std::optional<v1::Event> event(std::in_place);
  bool decoded = false;
  switch (NFNL_SUBSYS_ID(header.nlmsg_type)) {
    case NFNL_SUBSYS_CTNETLINK: {
      if (type != IPCTNL_MSG_CT_NEW && type != IPCTNL_MSG_CT_DELETE) break;
      v1::ConntrackEvent& conntrack = *event->mutable_conntrack();
      conntrack.set_type(ToType(type == IPCTNL_MSG_CT_DELETE, header.nlmsg_flags));
      conntrack.mutable_flow()->set_family(family);
      decoded = DecodeFlow(attributes, *conntrack.mutable_flow());
      break;
    }
    case NFNL_SUBSYS_CTNETLINK_EXP: {
      if (type != IPCTNL_MSG_EXP_NEW && type != IPCTNL_MSG_EXP_DELETE) break;
      v1::ExpectationEvent& expectation = *event->mutable_expectation();
      expectation.set_type(ToType(type == IPCTNL_MSG_EXP_DELETE, header.nlmsg_flags));
      expectation.mutable_expectation()->set_family(family);
      decoded = DecodeExpectation(attributes, *expectation.mutable_expectation());
      break;
    }
    default:
      break;
  }
  if (!decoded) event.reset();
  return event;
}

}  // namespace sluice::agent
