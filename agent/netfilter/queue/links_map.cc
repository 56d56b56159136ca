#include "agent/netfilter/queue/links_map.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <utility>

#include "proto/text/text.h"

namespace sluice::agent {
namespace {

int TakeAttribute(const nlattr* attribute, void* data) {
  auto& link = *static_cast<Link*>(data);
  const uint16_t type = mnl_attr_get_type(attribute);
  if (type == IFLA_IFNAME && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0) {
    link.name = EscapeName(mnl_attr_get_str(attribute));
  } else if (type == IFLA_GROUP && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0) {
    link.group = mnl_attr_get_u32(attribute);
  }
  return MNL_CB_OK;
}

}  // namespace

void ApplyLinkMessage(const nlmsghdr* message, LinkMap& links) {
  if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) return;
  if (mnl_nlmsg_get_payload_len(message) < sizeof(ifinfomsg)) return;
  const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  // A bridge reports its ports in messages of its own family. They say nothing about the links; a
  // DELLINK there only ends the membership.
  if (header->ifi_family != AF_UNSPEC || header->ifi_index <= 0) return;
  const auto index = static_cast<uint32_t>(header->ifi_index);
  if (message->nlmsg_type == RTM_DELLINK) {
    links.erase(index);
    return;
  }
  Link link;
  link.type = header->ifi_type;
  // Not mnl_attr_parse, which reads up to three bytes past a message of odd length.
  mnl_attr_parse_payload(header + 1, mnl_nlmsg_get_payload_len(message) - sizeof(ifinfomsg),
                         TakeAttribute, &link);
  // The kernel names every link; a message without a name says nothing.
  if (!link.name.empty()) links.insert_or_assign(index, std::move(link));
}

}  // namespace sluice::agent
