#include "agent/netfilter/conntrack/conntrack_flow.h"

#include <linux/netfilter/nfnetlink_conntrack.h>

#include <utility>

namespace sluice::agent {
namespace {

constexpr size_t kIpv4 = 4;
constexpr size_t kIpv6 = 16;
constexpr uint64_t kNanoseconds = 1'000'000'000;

void DecodeAddresses(Bytes attributes, v1::FlowTuple& tuple) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    const bool v4 = type == CTA_IP_V4_SRC || type == CTA_IP_V4_DST;
    if (payload.size() != (v4 ? kIpv4 : kIpv6)) return;
    switch (type) {
      case CTA_IP_V4_SRC:
      case CTA_IP_V6_SRC:
        tuple.set_source(ReadBytes(payload));
        break;
      case CTA_IP_V4_DST:
      case CTA_IP_V6_DST:
        tuple.set_destination(ReadBytes(payload));
        break;
      default:
        break;
    }
  });
}

void DecodeProtocol(Bytes attributes, v1::FlowTuple& tuple) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    switch (type) {
      case CTA_PROTO_NUM:
        ReadNumber<uint8_t>(payload, [&](uint8_t value) { tuple.set_protocol(value); });
        break;
      case CTA_PROTO_SRC_PORT:
        ReadNumber<uint16_t>(payload, [&](uint16_t value) { tuple.set_source_port(value); });
        break;
      case CTA_PROTO_DST_PORT:
        ReadNumber<uint16_t>(payload, [&](uint16_t value) { tuple.set_destination_port(value); });
        break;
      case CTA_PROTO_ICMP_TYPE:
      case CTA_PROTO_ICMPV6_TYPE:
        ReadNumber<uint8_t>(payload, [&](uint8_t value) { tuple.set_icmp_type(value); });
        break;
      case CTA_PROTO_ICMP_CODE:
      case CTA_PROTO_ICMPV6_CODE:
        ReadNumber<uint8_t>(payload, [&](uint8_t value) { tuple.set_icmp_code(value); });
        break;
      case CTA_PROTO_ICMP_ID:
      case CTA_PROTO_ICMPV6_ID:
        ReadNumber<uint16_t>(payload, [&](uint16_t value) { tuple.set_icmp_id(value); });
        break;
      default:
        break;
    }
  });
}

// nf_ct_tcp_flags: the flags, and a mask of those that are meant.
template <typename Set>
void ReadTcpFlags(Bytes payload, Set set) {
  if (payload.size() == 2) set(payload[0], payload[1]);
}

void DecodeTcp(Bytes attributes, v1::FlowTcp& tcp) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    switch (type) {
      case CTA_PROTOINFO_TCP_STATE:
        ReadNumber<uint8_t>(payload, [&](uint8_t value) { tcp.set_state(value); });
        break;
      case CTA_PROTOINFO_TCP_WSCALE_ORIGINAL:
        ReadNumber<uint8_t>(payload, [&](uint8_t value) { tcp.set_window_scale_original(value); });
        break;
      case CTA_PROTOINFO_TCP_WSCALE_REPLY:
        ReadNumber<uint8_t>(payload, [&](uint8_t value) { tcp.set_window_scale_reply(value); });
        break;
      case CTA_PROTOINFO_TCP_FLAGS_ORIGINAL:
        ReadTcpFlags(payload, [&](uint8_t flags, uint8_t mask) {
          tcp.set_flags_original(flags);
          tcp.set_mask_original(mask);
        });
        break;
      case CTA_PROTOINFO_TCP_FLAGS_REPLY:
        ReadTcpFlags(payload, [&](uint8_t flags, uint8_t mask) {
          tcp.set_flags_reply(flags);
          tcp.set_mask_reply(mask);
        });
        break;
      default:
        break;
    }
  });
}

void DecodeSctp(Bytes attributes, v1::FlowSctp& sctp) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    switch (type) {
      case CTA_PROTOINFO_SCTP_STATE:
        ReadNumber<uint8_t>(payload, [&](uint8_t value) { sctp.set_state(value); });
        break;
      case CTA_PROTOINFO_SCTP_VTAG_ORIGINAL:
        ReadNumber<uint32_t>(payload, [&](uint32_t value) { sctp.set_vtag_original(value); });
        break;
      case CTA_PROTOINFO_SCTP_VTAG_REPLY:
        ReadNumber<uint32_t>(payload, [&](uint32_t value) { sctp.set_vtag_reply(value); });
        break;
      default:
        break;
    }
  });
}

void DecodeDccp(Bytes attributes, v1::FlowDccp& dccp) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    switch (type) {
      case CTA_PROTOINFO_DCCP_STATE:
        ReadNumber<uint8_t>(payload, [&](uint8_t value) { dccp.set_state(value); });
        break;
      case CTA_PROTOINFO_DCCP_ROLE:
        ReadNumber<uint8_t>(payload, [&](uint8_t value) { dccp.set_role(value); });
        break;
      case CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ:
        ReadNumber<uint64_t>(payload, [&](uint64_t value) { dccp.set_handshake_sequence(value); });
        break;
      default:
        break;
    }
  });
}

void DecodeProtocolInfo(Bytes attributes, v1::Flow& flow) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    switch (type) {
      case CTA_PROTOINFO_TCP:
        DecodeTcp(payload, *flow.mutable_tcp());
        break;
      case CTA_PROTOINFO_SCTP:
        DecodeSctp(payload, *flow.mutable_sctp());
        break;
      case CTA_PROTOINFO_DCCP:
        DecodeDccp(payload, *flow.mutable_dccp());
        break;
      default:
        break;
    }
  });
}

void DecodeCounters(Bytes attributes, v1::FlowCounters& counters) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    ReadNumber<uint64_t>(payload, [&](uint64_t value) {
      if (type == CTA_COUNTERS_PACKETS) counters.set_packets(value);
      if (type == CTA_COUNTERS_BYTES) counters.set_bytes(value);
    });
  });
}

void DecodeAdjustment(Bytes attributes, v1::FlowSequenceAdjustment& adjustment) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    ReadNumber<uint32_t>(payload, [&](uint32_t value) {
      if (type == CTA_SEQADJ_CORRECTION_POS) adjustment.set_position(value);
      if (type == CTA_SEQADJ_OFFSET_BEFORE) adjustment.set_offset_before(value);
      if (type == CTA_SEQADJ_OFFSET_AFTER) adjustment.set_offset_after(value);
    });
  });
}

void DecodeSynproxy(Bytes attributes, v1::FlowSynproxy& synproxy) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    ReadNumber<uint32_t>(payload, [&](uint32_t value) {
      if (type == CTA_SYNPROXY_ISN) synproxy.set_isn(value);
      if (type == CTA_SYNPROXY_ITS) synproxy.set_its(value);
      if (type == CTA_SYNPROXY_TSOFF) synproxy.set_tsoff(value);
    });
  });
}

void DecodeTimestamps(Bytes attributes, v1::Flow& flow) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    ReadNumber<uint64_t>(payload, [&](uint64_t nanoseconds) {
      if (type != CTA_TIMESTAMP_START && type != CTA_TIMESTAMP_STOP) return;
      auto& time = type == CTA_TIMESTAMP_START ? *flow.mutable_started() : *flow.mutable_stopped();
      time.set_seconds(static_cast<int64_t>(nanoseconds / kNanoseconds));
      time.set_nanos(static_cast<int32_t>(nanoseconds % kNanoseconds));
    });
  });
}

void DecodeHelper(Bytes attributes, v1::Flow& flow) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    if (type == CTA_HELP_NAME) flow.set_helper(ReadText(payload));
    if (type == CTA_HELP_INFO) flow.set_helper_info(ReadBytes(payload));
  });
}

void DecodeSecurityContext(Bytes attributes, v1::Flow& flow) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    if (type == CTA_SECCTX_NAME) flow.set_security_context(ReadText(payload));
  });
}

void DecodeExpectationNat(Bytes attributes, v1::Expectation& expectation) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    v1::FlowTuple tuple;
    if (type == CTA_EXPECT_NAT_TUPLE && DecodeTuple(payload, &tuple)) {
      expectation.mutable_nat()->Swap(&tuple);
    }
    if (type == CTA_EXPECT_NAT_DIR) {
      ReadNumber<uint32_t>(payload, [&](uint32_t value) { expectation.set_nat_direction(value); });
    }
  });
}

// The attributes without a nest, mostly numbers.
void DecodeFlowField(uint16_t type, Bytes payload, v1::Flow& flow) {
  switch (type) {
    case CTA_STATUS:
      ReadNumber<uint32_t>(payload, [&](uint32_t value) { flow.set_status(value); });
      break;
    case CTA_TIMEOUT:
      ReadNumber<uint32_t>(payload, [&](uint32_t value) { flow.set_timeout_s(value); });
      break;
    case CTA_MARK:
      ReadNumber<uint32_t>(payload, [&](uint32_t value) { flow.set_mark(value); });
      break;
    case CTA_USE:
      ReadNumber<uint32_t>(payload, [&](uint32_t value) { flow.set_use(value); });
      break;
    case CTA_ID:
      ReadNumber<uint32_t>(payload, [&](uint32_t value) { flow.set_id(value); });
      break;
    case CTA_SECMARK:
      ReadNumber<uint32_t>(payload, [&](uint32_t value) { flow.set_secmark(value); });
      break;
    case CTA_ZONE:
      ReadNumber<uint16_t>(payload, [&](uint16_t value) { flow.set_zone(value); });
      break;
    case CTA_LABELS:
      flow.set_labels(ReadBytes(payload));
      break;
    case CTA_LABELS_MASK:
      flow.set_labels_mask(ReadBytes(payload));
      break;
    default:
      break;
  }
}

}  // namespace

bool DecodeTuple(Bytes attributes, v1::FlowTuple* tuple) {
  v1::FlowTuple decoded;
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    if (type == CTA_TUPLE_IP) DecodeAddresses(payload, decoded);
    if (type == CTA_TUPLE_PROTO) DecodeProtocol(payload, decoded);
    if (type == CTA_TUPLE_ZONE) {
      ReadNumber<uint16_t>(payload, [&](uint16_t value) { decoded.set_zone(value); });
    }
  });
  if (decoded.source().empty() || decoded.source().size() != decoded.destination().size()) {
    return false;
  }
  tuple->Swap(&decoded);
  return true;
}

bool DecodeFlow(Bytes attributes, v1::Flow& flow) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    v1::FlowTuple tuple;
    switch (type) {
      case CTA_TUPLE_ORIG:
        if (DecodeTuple(payload, &tuple)) flow.mutable_original()->Swap(&tuple);
        break;
      case CTA_TUPLE_REPLY:
        if (DecodeTuple(payload, &tuple)) flow.mutable_reply()->Swap(&tuple);
        break;
      case CTA_TUPLE_MASTER:
        if (DecodeTuple(payload, &tuple)) flow.mutable_master()->Swap(&tuple);
        break;
      case CTA_PROTOINFO:
        DecodeProtocolInfo(payload, flow);
        break;
      case CTA_COUNTERS_ORIG:
        DecodeCounters(payload, *flow.mutable_counters_original());
        break;
      case CTA_COUNTERS_REPLY:
        DecodeCounters(payload, *flow.mutable_counters_reply());
        break;
      case CTA_HELP:
        DecodeHelper(payload, flow);
        break;
      case CTA_SECCTX:
        DecodeSecurityContext(payload, flow);
        break;
      case CTA_TIMESTAMP:
        DecodeTimestamps(payload, flow);
        break;
      case CTA_SEQ_ADJ_ORIG:
        DecodeAdjustment(payload, *flow.mutable_adjustment_original());
        break;
      case CTA_SEQ_ADJ_REPLY:
        DecodeAdjustment(payload, *flow.mutable_adjustment_reply());
        break;
      case CTA_SYNPROXY:
        DecodeSynproxy(payload, *flow.mutable_synproxy());
        break;
      default:
        DecodeFlowField(type, payload, flow);
    }
  });
  return flow.has_original();
}

bool DecodeExpectation(Bytes attributes, v1::Expectation& expectation) {
  ForEachAttribute(attributes, [&](uint16_t type, Bytes payload) {
    v1::FlowTuple tuple;
    switch (type) {
      case CTA_EXPECT_MASTER:
        if (DecodeTuple(payload, &tuple)) expectation.mutable_master()->Swap(&tuple);
        break;
      case CTA_EXPECT_TUPLE:
        if (DecodeTuple(payload, &tuple)) expectation.mutable_expected()->Swap(&tuple);
        break;
      case CTA_EXPECT_MASK:
        if (DecodeTuple(payload, &tuple)) expectation.mutable_mask()->Swap(&tuple);
        break;
      case CTA_EXPECT_NAT:
        DecodeExpectationNat(payload, expectation);
        break;
      case CTA_EXPECT_TIMEOUT:
        ReadNumber<uint32_t>(payload, [&](uint32_t value) { expectation.set_timeout_s(value); });
        break;
      case CTA_EXPECT_ID:
        ReadNumber<uint32_t>(payload, [&](uint32_t value) { expectation.set_id(value); });
        break;
      case CTA_EXPECT_ZONE:
        ReadNumber<uint16_t>(payload, [&](uint16_t value) { expectation.set_zone(value); });
        break;
      case CTA_EXPECT_FLAGS:
        ReadNumber<uint32_t>(payload, [&](uint32_t value) { expectation.set_flags(value); });
        break;
      case CTA_EXPECT_CLASS:
        ReadNumber<uint32_t>(payload, [&](uint32_t value) { expectation.set_class_(value); });
        break;
      case CTA_EXPECT_HELP_NAME:
        expectation.set_helper(ReadText(payload));
        break;
      case CTA_EXPECT_FN:
        expectation.set_function(ReadText(payload));
        break;
      default:
        break;
    }
  });
  return expectation.has_expected();
}

}  // namespace sluice::agent
