#include "server/journal/decision_line.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace sluice::server {
namespace {

std::string Time(absl::Time time) {
  return absl::FormatTime("time=%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

bool Plain(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::strchr("_.:/@%+-", c) != nullptr;
}

void Add(std::string* line, std::string_view key, std::string_view value) {
  absl::StrAppend(line, " ", std::string(key), "=");
  if (!value.empty() && value.find('\0') == std::string_view::npos &&
      std::all_of(value.begin(), value.end(), Plain)) {
    line->append(value);
  } else {
    absl::StrAppend(line, "\"", absl::CEscape(std::string(value)), "\"");
  }
}

void Add(std::string* line, std::string_view key, uint64_t value) {
  absl::StrAppend(line, " ", std::string(key), "=", value);
}

// An enum value's name without its prefix, in lower case: ACTION_DROP becomes drop.
std::string Word(const std::string& name, const char* prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
}

std::string Protocol(uint8_t protocol) {
  switch (protocol) {
    case 1:
      return "icmp";
    case 6:
      return "tcp";
    case 17:
      return "udp";
    case 58:
      return "icmpv6";
    default:
      return absl::StrCat(protocol);
  }
}

std::string Address(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
  return text;
}

void AddHeaders(std::string* line, const DecisionRecord& record) {
  const bool addresses = record.address_bytes > 0;
  if (record.has_protocol) Add(line, "proto", Protocol(record.protocol));
  if (addresses) Add(line, "src", Address({record.source, record.address_bytes}));
  if (record.has_source_port) Add(line, "sport", record.source_port);
  if (addresses) Add(line, "dst", Address({record.destination, record.address_bytes}));
  if (record.has_destination_port) Add(line, "dport", record.destination_port);
  if (record.has_icmp_type) Add(line, "icmp_type", record.icmp_type);
  if (record.has_icmp_code) Add(line, "icmp_code", record.icmp_code);
}

}  // namespace

std::string DecisionLine(const std::string& gateway, const DecisionRecord& record) {
  std::string line = Time(absl::FromUnixNanos(record.time_ns));
  Add(&line, "gateway", gateway);
  Add(&line, "action",
      record.action == v1::ACTION_UNSPECIFIED
          ? "drop"  // Agents treat it as drop.
          : Word(v1::Action_Name(static_cast<v1::Action>(record.action)), "ACTION_"));
  if (record.notify != v1::NOTIFY_UNSPECIFIED) {
    Add(&line, "notify", Word(v1::Notify_Name(static_cast<v1::Notify>(record.notify)), "NOTIFY_"));
  }
  AddHeaders(&line, record);
  if (record.length > 0) Add(&line, "len", record.length);
  Add(&line, "in", record.InputInterface());
  Add(&line, "out", record.OutputInterface());
  if (record.cause == v1::CAUSE_VERDICT) {
    Add(&line, "rule", record.rule);
    Add(&line, "policy", record.policy_version);
  } else {
    Add(&line, "cause", Word(v1::Cause_Name(static_cast<v1::Cause>(record.cause)), "CAUSE_"));
  }
  if (record.scope > v1::SCOPE_PACKET) {
    Add(&line, "scope", Word(v1::Scope_Name(static_cast<v1::Scope>(record.scope)), "SCOPE_"));
  }
  Add(&line, "waited_us", record.waited_us);
  if (record.cause == v1::CAUSE_VERDICT) Add(&line, "reason", record.Reason());
  return line;
}

std::string LeftOutLine(std::chrono::system_clock::time_point now, std::string_view gateway,
                        uint64_t lines, std::string_view why) {
  std::string line = Time(absl::FromChrono(now));
  if (!gateway.empty()) Add(&line, "gateway", gateway);
  Add(&line, "left_out", lines);
  Add(&line, "reason", why);
  return line;
}

std::string ServerReportLine(std::chrono::system_clock::time_point now, uint64_t accepted,
                             uint64_t dropped, uint64_t lines, uint64_t left_out) {
  std::string line = Time(absl::FromChrono(now));
  Add(&line, "report", "server");
  Add(&line, "packets", accepted + dropped);
  Add(&line, "accepted", accepted);
  Add(&line, "dropped", dropped);
  Add(&line, "lines", lines);
  Add(&line, "left_out", left_out);
  return line;
}

std::string GatewayReportLine(std::chrono::system_clock::time_point now,
                              const v1::GatewayStats& stats) {
  uint64_t received = 0, accepted = 0, dropped = 0, stale = 0, table_full = 0, no_decider = 0;
  for (const v1::QueueStats& queue : stats.queues()) {
    received += queue.received();
    accepted += queue.accepted();
    dropped += queue.dropped();
    stale += queue.stale().accepted() + queue.stale().dropped();
    table_full += queue.table_full().accepted() + queue.table_full().dropped();
    no_decider += queue.no_decider().accepted() + queue.no_decider().dropped();
  }
  std::string line = Time(absl::FromChrono(now));
  Add(&line, "report", "gateway");
  Add(&line, "gateway", stats.gateway());
  Add(&line, "mode", Word(v1::Mode_Name(stats.mode()), "MODE_"));
  Add(&line, "asked", received);
  Add(&line, "accepted", accepted);
  Add(&line, "dropped", dropped);
  Add(&line, "stale", stale);
  Add(&line, "table_full", table_full);
  Add(&line, "no_decider", no_decider);
  if (stats.has_remembered()) {
    const v1::RememberedStats& remembered = stats.remembered();
    Add(&line, "remembered_accepted",
        remembered.accepted_connection() + remembered.accepted_address());
    Add(&line, "remembered_dropped",
        remembered.dropped_connection() + remembered.dropped_address());
  }
  return line;
}

}  // namespace sluice::server
