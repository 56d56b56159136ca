#include "clients/cli/format/observe_rows.h"

#include <absl/strings/str_cat.h>

#include "clients/cli/format/addresses.h"
#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"

namespace sluice::cli {
namespace {

constexpr uint32_t kSeenReply = 2;  // IPS_SEEN_REPLY, nf_conntrack_common.h
constexpr uint32_t kAssured = 4;    // IPS_ASSURED

std::string Protocol(const v1::Headers& headers) {
  return headers.has_protocol() ? ProtocolWord(headers.protocol()) : "-";
}

template <typename Tuple>
std::string Source(const Tuple& tuple) {
  if (tuple.source().empty()) return "-";
  return FormatEndpoint(tuple.source(), tuple.has_source_port()
                                            ? std::optional<uint32_t>(tuple.source_port())
                                            : std::nullopt);
}

template <typename Tuple>
std::string Destination(const Tuple& tuple) {
  if (tuple.destination().empty()) return "-";
  return FormatEndpoint(tuple.destination(), tuple.has_destination_port()
                                                 ? std::optional<uint32_t>(tuple.destination_port())
                                                 : std::nullopt);
}

// Further properties of a packet: TCP flags, ICMP type and code, fragment.
std::string Details(const v1::Headers& headers) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    absl::StrAppend(&text, text.empty() ? "" : " ", part);
  };
  if (headers.has_tcp_flags()) add(TcpFlagsWord(headers.tcp_flags()));
  if (headers.has_icmp_type()) {
    add(absl::StrCat(headers.icmp_type(), "/", headers.icmp_code()));
  }
  if (headers.has_icmp_id()) add(absl::StrCat("id=", headers.icmp_id()));
  if (headers.fragment_offset())
    add(absl::StrCat("fragment@", headers.fragment_offset()));
  else if (headers.more_fragments())
    add("fragment");
  if (headers.cut_short()) add("cut short");
  return text;
}

Cell ActionCell(const v1::Decision& decision) {
  if (decision.action() == v1::ACTION_ACCEPT) return {"accept", Color::kGreen};
  // A verdict without an action drops.
  std::string word =
      decision.action() == v1::ACTION_UNSPECIFIED ? "drop" : ActionWord(decision.action());
  if (decision.notify() != v1::NOTIFY_UNSPECIFIED) {
    absl::StrAppend(&word, "+", NotifyWord(decision.notify()));
  }
  return {word, decision.action() == v1::ACTION_DROP || word.starts_with("drop") ? Color::kRed
                                                                                 : Color::kYellow};
}

Cell ReasonCell(const v1::Decision& decision) {
  if (decision.cause() == v1::CAUSE_VERDICT || decision.cause() == v1::CAUSE_UNSPECIFIED) {
    return decision.reason();
  }
  const std::string cause = CauseWord(decision.cause());
  const bool said = decision.reason().empty() || decision.reason() == cause;
  return {said ? cause : absl::StrCat(cause, ": ", decision.reason()), Color::kYellow};
}

// The devices of a decision or a packet: "lan>wan".
template <typename Entry>
std::string Ways(const Entry& entry) {
  const auto name = [](const std::string& device) { return device.empty() ? "-" : device; };
  return absl::StrCat(name(entry.input_interface()), ">", name(entry.output_interface()));
}

Cell TypeCell(const v1::ObserveConnectionsResponse& entry) {
  switch (entry.type()) {
    case v1::EVENT_TYPE_NEW:
      return {"new", Color::kGreen};
    case v1::EVENT_TYPE_DESTROY:
      return {entry.end_unseen() ? "destroy?" : "destroy", Color::kDim};
    default:
      return EventTypeWord(entry.type());
  }
}

std::string State(const v1::Flow& flow) {
  if (flow.has_tcp()) return TcpStateWord(flow.tcp().state());
  if (!flow.has_status()) return "";
  if (flow.status() & kAssured) return "ASSURED";
  return flow.status() & kSeenReply ? "REPLIED" : "UNREPLIED";
}

// The addresses of the replies, if NAT makes them differ from those of the packets.
std::string Translated(const v1::Flow& flow) {
  if (!flow.has_reply()) return "";
  std::string text;
  if (Source(flow.reply()) != Destination(flow.original())) {
    text = "dst=" + Source(flow.reply());
  }
  if (Destination(flow.reply()) != Source(flow.original())) {
    absl::StrAppend(&text, text.empty() ? "" : " ", "src=", Destination(flow.reply()));
  }
  return text;
}

std::string Both(bool there, uint64_t original, uint64_t reply) {
  return there ? absl::StrCat(FormatCount(original), "/", FormatCount(reply)) : "-";
}

}  // namespace

std::vector<Column> DecisionColumns() {
  return {{"TIME", Align::kLeft, 12},
          {"GATEWAY", Align::kLeft, 7},
          {"ACTION", Align::kLeft, 6},
          {"PROTO", Align::kLeft, 6},
          {"SOURCE", Align::kLeft, 20},
          {"DESTINATION", Align::kLeft, 20},
          {"DETAILS", Align::kLeft, 7},
          {"BYTES", Align::kRight, 5},
          {"IN>OUT", Align::kLeft, 9},
          {"WAITED", Align::kRight, 7},
          {"REASON"}};
}

std::vector<Cell> DecisionRow(const v1::Decision& decision,
                              std::chrono::system_clock::time_point now) {
  const v1::Headers& headers = decision.headers();
  return {{FormatTime(decision.time(), now), Color::kDim},
          decision.gateway(),
          ActionCell(decision),
          Protocol(headers),
          Source(headers),
          Destination(headers),
          Details(headers),
          decision.length() ? std::to_string(decision.length()) : "-",
          Ways(decision),
          FormatMicroseconds(decision.waited_us()),
          ReasonCell(decision)};
}

std::vector<Column> TestColumns() {
  return {
      {"TIME", Align::kLeft, 12},   {"ACTION", Align::kLeft, 6},       {"PROTO", Align::kLeft, 6},
      {"SOURCE", Align::kLeft, 20}, {"DESTINATION", Align::kLeft, 20}, {"DETAILS", Align::kLeft, 7},
      {"STATE", Align::kLeft, 11},  {"BYTES", Align::kRight, 5},       {"RULE"}};
}

std::vector<Cell> TestRow(const google::protobuf::Timestamp& time, uint32_t length,
                          v1::ConnectionState state, const v1::TestPolicyResponse::Result& result,
                          std::chrono::system_clock::time_point now) {
  v1::Decision decision;
  decision.set_action(result.ruling().action());
  decision.set_notify(result.ruling().notify());
  const v1::Headers& headers = result.headers();
  return {{FormatTime(time, now), Color::kDim},
          ActionCell(decision),
          Protocol(headers),
          Source(headers),
          Destination(headers),
          Details(headers),
          StateWord(state),
          std::to_string(length),
          result.ruling().reason()};
}

std::string PacketLine(const v1::Headers& headers) {
  const std::string details = Details(headers);
  return absl::StrCat(Protocol(headers), " ", Source(headers), " > ", Destination(headers),
                      details.empty() ? "" : " ", details);
}

std::vector<Column> PacketColumns() {
  return {{"NUMBER", Align::kRight, 6},
          {"PROTO", Align::kLeft, 6},
          {"SOURCE", Align::kLeft, 20},
          {"DESTINATION", Align::kLeft, 20},
          {"DETAILS", Align::kLeft, 7},
          {"BYTES", Align::kRight, 5},
          {"IN>OUT"}};
}

std::vector<Cell> PacketRow(uint64_t number, const v1::Packet& packet) {
  const v1::Headers& headers = packet.headers();
  return {{std::to_string(number), Color::kBold},
          Protocol(headers),
          Source(headers),
          Destination(headers),
          Details(headers),
          packet.original_length() ? std::to_string(packet.original_length()) : "-",
          Ways(packet)};
}

std::vector<Column> ConnectionColumns() {
  return {{"TIME", Align::kLeft, 12},
          {"GATEWAY", Align::kLeft, 7},
          {"EVENT", Align::kLeft, 8},
          {"PROTO", Align::kLeft, 6},
          {"SOURCE", Align::kLeft, 20},
          {"DESTINATION", Align::kLeft, 20},
          {"STATE", Align::kLeft, 11},
          {"PACKETS", Align::kRight, 9},
          {"BYTES", Align::kRight, 11},
          {"EXPIRES", Align::kRight, 7},
          {"NAT"}};
}

std::vector<Cell> ConnectionRow(const v1::ObserveConnectionsResponse& entry,
                                std::chrono::system_clock::time_point now) {
  const v1::Flow& flow = entry.flow();
  const v1::FlowCounters& out = flow.counters_original();
  const v1::FlowCounters& back = flow.counters_reply();
  const bool counted = flow.has_counters_original() || flow.has_counters_reply();
  return {{FormatTime(entry.time(), now), Color::kDim},
          entry.gateway(),
          TypeCell(entry),
          ProtocolWord(flow.original().protocol()),
          Source(flow.original()),
          Destination(flow.original()),
          State(flow),
          Both(counted, out.packets(), back.packets()),
          Both(counted, out.bytes(), back.bytes()),
          flow.has_timeout_s() ? FormatAge(std::chrono::seconds(flow.timeout_s())) : "-",
          Translated(flow)};
}

Cell LostLine(uint64_t lost) {
  return {
      absl::StrCat("-- ", lost, lost == 1 ? " entry" : " entries", " left out: read too slowly --"),
      Color::kRed};
}

Cell GapLine(const v1::ObserveConnectionsResponse& entry) {
  if (entry.has_resync_done()) {
    return {absl::StrCat("-- ", entry.gateway(), ": complete again, ",
                         entry.resync_done().connections(), " connections --"),
            Color::kYellow};
  }
  const std::string count = entry.gap().lost_at_least()
                                ? absl::StrCat("at least ", entry.gap().lost_at_least(), " lost")
                                : "some may be missing";
  return {absl::StrCat("-- ", entry.gateway(), ": gap in the events (",
                       GapCauseWord(entry.gap().cause()), "), ", count, " --"),
          Color::kYellow};
}

}  // namespace sluice::cli
