#include "clients/loadgen/report.h"

#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace sluice::loadgen {
namespace {

double Over(double part, double whole) { return whole > 0 ? part / whole : 0; }

std::string Processors(double cpu_seconds, double seconds) {
  return absl::StrFormat("%.2f processors", Over(cpu_seconds, seconds));
}

double BytesPerAgent(const Cost& cost, const Report& report) {
  return Over(static_cast<double>(cost.memory_bytes), report.connected);
}

double IdleMicroseconds(const Report& report) {
  return Over(report.idle.server->cpu_seconds * 1e6, report.idle.seconds * report.connected);
}

double BusyMicroseconds(const Report& report) {
  return Over(report.busy->server->cpu_seconds * 1e6, static_cast<double>(report.answered));
}

void AppendAgents(const Report& report, std::string* out) {
  absl::StrAppendFormat(out, "agents     %d connected in %.2f s, %d refused, %d lost\n",
                        report.connected, report.connect_seconds, report.refused, report.lost);
  for (const auto& [reason, count] : report.reasons) {
    absl::StrAppendFormat(out, "           %d: %s\n", count, reason);
  }
  if (report.only_deciding > 0) {
    absl::StrAppendFormat(out, "           %d on a server without Report and Serve\n",
                          report.only_deciding);
  }
}

void AppendCost(const Report& report, std::string* out) {
  if (!report.idle.server.has_value()) {
    absl::StrAppendFormat(out, "server     does not say what it costs: %s\n", report.no_usage);
    return;
  }
  absl::StrAppendFormat(
      out,
      "idle       %.1f kB of memory an agent; %.0f us of CPU an agent and second (%s for all)\n",
      BytesPerAgent(*report.idle.server, report) / 1e3, IdleMicroseconds(report),
      Processors(report.idle.server->cpu_seconds, report.idle.seconds));
  if (!report.busy.has_value() || !report.busy->server.has_value()) return;
  absl::StrAppendFormat(
      out, "busy       %.1f kB of memory an agent; %.2f us of CPU a decision (%s for all)\n",
      BytesPerAgent(*report.busy->server, report) / 1e3, BusyMicroseconds(report),
      Processors(report.busy->server->cpu_seconds, report.busy->seconds));
}

void AppendDecisions(const Report& report, std::string* out) {
  if (!report.busy.has_value()) return;
  const double seconds = report.busy->seconds;
  absl::StrAppendFormat(
      out, "decisions  %.0f a second; an agent %.0f, the slowest %.0f, the fastest %.0f\n",
      Over(static_cast<double>(report.answered), seconds),
      Over(static_cast<double>(report.answered), seconds * report.connected),
      Over(static_cast<double>(report.fewest), seconds),
      Over(static_cast<double>(report.most), seconds));
  absl::StrAppendFormat(
      out,
      "           of %d packets %d accepted, %d stale; %d answers to no packet that "
      "waited\n",
      report.sent, report.accepted, report.stale, report.unknown);
  absl::StrAppendFormat(out, "round trip p50 %.0f us, p99 %.0f us, max %.0f us\n", report.p50_us,
                        report.p99_us, report.max_us);
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    // Control characters are useless in the text of an error.
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + "\"";
}

// Members of an object, in order.
class Members final {
 public:
  void Add(const std::string& name, double value) { AddRaw(name, absl::StrFormat("%.10g", value)); }
  void Add(const std::string& name, uint64_t value) { AddRaw(name, absl::StrCat(value)); }
  void Add(const std::string& name, const std::string& value) { AddRaw(name, Quoted(value)); }
  void AddRaw(const std::string& name, const std::string& value) {
    members_.push_back(absl::StrCat(Quoted(name), ": ", value));
  }
  void AddIf(bool known, const std::string& name, double value) {
    if (known) {
      Add(name, value);
    } else {
      AddRaw(name, "null");
    }
  }
  std::string Text() const { return absl::StrCat("{", absl::StrJoin(members_, ", "), "}"); }

 private:
  std::vector<std::string> members_;
};

void AddServer(const Report& report, Members* json) {
  const bool idle = report.idle.server.has_value();
  json->AddIf(idle, "idle_bytes_per_agent", idle ? BytesPerAgent(*report.idle.server, report) : 0);
  json->AddIf(idle, "idle_cpu_us_per_agent_second", idle ? IdleMicroseconds(report) : 0);
  json->AddIf(idle, "idle_processors",
              idle ? Over(report.idle.server->cpu_seconds, report.idle.seconds) : 0);
  const bool busy = report.busy.has_value() && report.busy->server.has_value();
  json->AddIf(busy, "busy_bytes_per_agent", busy ? BytesPerAgent(*report.busy->server, report) : 0);
  json->AddIf(busy, "cpu_us_per_decision", busy ? BusyMicroseconds(report) : 0);
  json->AddIf(busy, "busy_processors",
              busy ? Over(report.busy->server->cpu_seconds, report.busy->seconds) : 0);
}

}  // namespace

std::string ToText(const Report& report) {
  std::string text;
  AppendAgents(report, &text);
  AppendCost(report, &text);
  AppendDecisions(report, &text);
  const Phase& last = report.busy.has_value() ? *report.busy : report.idle;
  absl::StrAppendFormat(&text, "(sluice-loadgen itself: %s)\n",
                        Processors(last.own_cpu_seconds, last.seconds));
  return text;
}

std::string Shortcomings(const Report& report) {
  std::string text = absl::StrFormat(
      "of %d agents %d were refused and %d lost; %d packets stale, %d answers unknown",
      report.agents, report.refused, report.lost, report.stale, report.unknown);
  for (const auto& [reason, count] : report.reasons) absl::StrAppend(&text, "; ", reason);
  return text;
}

std::string ToJson(const Report& report) {
  Members reasons;
  for (const auto& [reason, count] : report.reasons) reasons.Add(reason, uint64_t{count});
  const bool busy = report.busy.has_value();
  const double seconds = busy ? report.busy->seconds : 0;
  Members json;
  json.Add("server", report.server);
  json.Add("agents", uint64_t{report.agents});
  json.Add("batch", uint64_t{report.batch});
  json.Add("in_flight", uint64_t{report.in_flight});
  json.Add("rate", report.rate);
  json.Add("connected", uint64_t{report.connected});
  json.Add("refused", uint64_t{report.refused});
  json.Add("lost", uint64_t{report.lost});
  json.AddRaw("reasons", reasons.Text());
  json.Add("only_deciding", uint64_t{report.only_deciding});
  json.Add("connect_seconds", report.connect_seconds);
  AddServer(report, &json);
  json.Add("idle_seconds", report.idle.seconds);
  json.Add("idle_own_processors", Over(report.idle.own_cpu_seconds, report.idle.seconds));
  json.AddIf(busy, "busy_seconds", seconds);
  json.AddIf(busy, "busy_own_processors", busy ? Over(report.busy->own_cpu_seconds, seconds) : 0);
  json.AddIf(busy, "decisions_per_second", Over(static_cast<double>(report.answered), seconds));
  json.AddIf(busy, "slowest_agent_per_second", Over(static_cast<double>(report.fewest), seconds));
  json.AddIf(busy, "fastest_agent_per_second", Over(static_cast<double>(report.most), seconds));
  json.Add("sent", report.sent);
  json.Add("answered", report.answered);
  json.Add("accepted", report.accepted);
  json.Add("stale", report.stale);
  json.Add("unknown", report.unknown);
  json.AddIf(busy, "p50_us", report.p50_us);
  json.AddIf(busy, "p99_us", report.p99_us);
  json.AddIf(busy, "max_us", report.max_us);
  return json.Text();
}

}  // namespace sluice::loadgen
