#pragma once

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::agent {

// The attributes of an nftables message, or of a nest in one, by type. An attribute that is
// missing, or not of the size asked for, reads as 0 or "". Total. We parse nftables messages with
// this and not with libnftnl, which ends the process over an attribute it does not expect.
class NetlinkAttributes final {
 public:
  static constexpr uint16_t kMax = 24;  // Above all types that are read.

  // The message must have a whole nfgenmsg.
  explicit NetlinkAttributes(const nlmsghdr* message) {
    // Not mnl_attr_parse, which reads up to three bytes past a message of odd length.
    const auto* body = static_cast<const char*>(mnl_nlmsg_get_payload(message));
    mnl_attr_parse_payload(body + sizeof(nfgenmsg),
                           mnl_nlmsg_get_payload_len(message) - sizeof(nfgenmsg), Take, this);
  }
  explicit NetlinkAttributes(const nlattr* nest) {
    if (nest != nullptr) mnl_attr_parse_nested(nest, Take, this);
  }

  const nlattr* Nest(uint16_t type) const { return found_[type]; }
  absl::string_view Bytes(uint16_t type) const {
    const nlattr* found = found_[type];
    if (found == nullptr) return "";
    return {static_cast<const char*>(mnl_attr_get_payload(found)), mnl_attr_get_payload_len(found)};
  }
  absl::string_view Text(uint16_t type) const {
    const nlattr* found = found_[type];
    if (found == nullptr || mnl_attr_validate(found, MNL_TYPE_NUL_STRING) < 0) return "";
    return mnl_attr_get_str(found);
  }
  uint32_t U32(uint16_t type) const {
    const nlattr* found = found_[type];
    if (found == nullptr || mnl_attr_validate(found, MNL_TYPE_U32) < 0) return 0;
    return be32toh(mnl_attr_get_u32(found));
  }
  uint64_t U64(uint16_t type) const {
    const nlattr* found = found_[type];
    if (found == nullptr || mnl_attr_validate(found, MNL_TYPE_U64) < 0) return 0;
    return be64toh(mnl_attr_get_u64(found));
  }

 private:
  static int Take(const nlattr* attribute, void* data) {
    const uint16_t type = mnl_attr_get_type(attribute);
    if (type < kMax) static_cast<NetlinkAttributes*>(data)->found_[type] = attribute;
    return MNL_CB_OK;
  }

  std::array<const nlattr*, kMax> found_ = {};
};

}  // namespace sluice::agent
