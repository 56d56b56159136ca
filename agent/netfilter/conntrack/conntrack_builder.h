#pragma once

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::agent {

using Message = std::vector<uint8_t>;

// Writes ctnetlink messages as the kernel would, of at most 4 KiB. For tests.
class ConntrackBuilder {
 public:
  ConntrackBuilder(uint16_t subsystem, uint16_t type, uint16_t flags, uint8_t family) {
    header_ = mnl_nlmsg_put_header(bytes_.data());
    header_->nlmsg_type = static_cast<uint16_t>(subsystem << 8 | type);
    header_->nlmsg_flags = flags;
    auto* netfilter = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header_, sizeof(nfgenmsg)));
    netfilter->nfgen_family = family;
  }
  template <typename Fill>
  ConntrackBuilder& Nest(uint16_t type, Fill fill) {
    nlattr* nest = mnl_attr_nest_start(header_, type);
    fill();
    mnl_attr_nest_end(header_, nest);
    return *this;
  }
  ConntrackBuilder& U8(uint16_t type, uint8_t value) {
    mnl_attr_put_u8(header_, type, value);
    return *this;
  }
  ConntrackBuilder& U16(uint16_t type, uint16_t value) {
    mnl_attr_put_u16(header_, type, htons(value));
    return *this;
  }
  ConntrackBuilder& U32(uint16_t type, uint32_t value) {
    mnl_attr_put_u32(header_, type, htonl(value));
    return *this;
  }
  ConntrackBuilder& U64(uint16_t type, uint64_t value) {
    mnl_attr_put_u64(header_, type, htobe64(value));
    return *this;
  }
  ConntrackBuilder& Raw(uint16_t type, std::string_view value) {
    mnl_attr_put(header_, type, value.size(), value.data());
    return *this;
  }
  ConntrackBuilder& Tuple(uint16_t type, std::string_view source, std::string_view destination,
                          uint8_t protocol, int source_port, int destination_port, int zone = -1) {
    const bool v4 = source.size() == 4;
    return Nest(type, [&] {
      Nest(CTA_TUPLE_IP, [&] {
        Raw(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, source);
        Raw(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, destination);
      });
      Nest(CTA_TUPLE_PROTO, [&] {
        U8(CTA_PROTO_NUM, protocol);
        if (source_port >= 0) U16(CTA_PROTO_SRC_PORT, static_cast<uint16_t>(source_port));
        if (destination_port >= 0) {
          U16(CTA_PROTO_DST_PORT, static_cast<uint16_t>(destination_port));
        }
      });
      if (zone >= 0) U16(CTA_TUPLE_ZONE, static_cast<uint16_t>(zone));
    });
  }
  Message Done() const { return Message(bytes_.data(), bytes_.data() + header_->nlmsg_len); }

 private:
  alignas(nlmsghdr) std::array<uint8_t, 4096> bytes_{};
  nlmsghdr* header_;
};

}  // namespace sluice::agent
