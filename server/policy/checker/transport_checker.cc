#include "server/policy/checker/transport_checker.h"

#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/policy/terms/icmp_types.h"
#include "server/policy/terms/tcp_flags.h"

namespace sluice::server::policy {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

}  // namespace

void TransportChecker::Report(const Word& word, std::string message) {
  problems_->Add(word.place, std::move(message));
}

// A number up to `most`, or what the name stands for.
template <typename Find>
uint32_t TransportChecker::Number(const Word& word, uint32_t most, Find find) {
  const auto number = ParseNumber(word.text, most);
  if (!number.ok()) {
    Report(word, std::string(number.status().message()));
    return 0;
  }
  if (*number) return **number;
  const absl::StatusOr<uint32_t>& named = find(word.text);
  if (!named.ok()) {
    Report(word, std::string(named.status().message()));
    return 0;
  }
  return *named;
}

TransportTerm TransportChecker::Read(const TransportSyntax& syntax) {
  using Kind = TransportTerm::Kind;
  TransportTerm term;
  Kind any = Kind::kAnything;  // What `any` as a value means if not negated.
  Kind other = Kind::kAnything;
  switch (syntax.kind) {
    case TransportSyntax::Kind::kNone:
      return term;
    case TransportSyntax::Kind::kIcmpType:
      any = Kind::kIcmp;
      other = Kind::kIcmpType;
      break;
    case TransportSyntax::Kind::kTcpPort:
    case TransportSyntax::Kind::kUdpPort:
      any = Kind::kProtocol;
      other = Kind::kPort;
      term.protocol = syntax.kind == TransportSyntax::Kind::kTcpPort ? kTcp : kUdp;
      break;
    case TransportSyntax::Kind::kProtocol:
      other = Kind::kProtocol;
      break;
  }
  if (!syntax.flags.empty()) term.flags = Flags(syntax);
  if (syntax.values.empty()) {  // Only `tcp flags`.
    term.kind = any;
    term.protocols = {kTcp};
    return term;
  }
  for (const Word& word : syntax.values) {
    if (word.text != "any") continue;
    if (syntax.values.size() > 1) Report(word, "`any` among others: it stands alone");
    term.kind = syntax.negated ? Kind::kNothing : any;
    if (any == Kind::kProtocol) term.protocols = {term.protocol};
    return term;
  }
  term.kind = other;
  term.negated = syntax.negated;
  for (const Word& word : syntax.values) {
    if (other == Kind::kIcmpType) IcmpTypes(word, term);
    if (other == Kind::kPort) Port(word, term);
    if (other == Kind::kProtocol) Protocol(word, term);
  }
  return term;
}

void TransportChecker::Protocol(const Word& word, TransportTerm& term) {
  term.protocols.push_back(static_cast<uint8_t>(Number(
      word, 255, [this](std::string_view name) -> auto& { return lookup_->Protocol(name); })));
}

void TransportChecker::Port(const Word& word, TransportTerm& term) {
  if (word.text == "reserved") {
    term.ports.push_back({0, 1023});
    return;
  }
  if (word.text == "xserver") {
    term.ports.push_back({6000, 6099});
    return;
  }
  // Names of services may have hyphens; a range has numbers on both sides of its hyphen.
  const size_t hyphen = word.text.find('-');
  if (hyphen != std::string_view::npos && IsNumber(word.text.substr(0, hyphen)) &&
      IsNumber(word.text.substr(hyphen + 1))) {
    const auto low = ParseNumber(word.text.substr(0, hyphen), 65535);
    const auto high = ParseNumber(word.text.substr(hyphen + 1), 65535);
    if (!low.ok() || !high.ok()) {
      Report(word, std::string((low.ok() ? high : low).status().message()));
    } else if (**low > **high) {
      Report(word, absl::StrCat(Quoted(word.text), " is a range without ports: did you mean `",
                                **high, "-", **low, "`?"));
    } else {
      term.ports.push_back({static_cast<uint16_t>(**low), static_cast<uint16_t>(**high)});
    }
    return;
  }
  const auto port = static_cast<uint16_t>(Number(
      word, 65535, [&](std::string_view name) -> auto& {
        return term.protocol == kTcp ? lookup_->TcpService(name) : lookup_->UdpService(name);
      }));
  term.ports.push_back({port, port});
}

void TransportChecker::IcmpTypes(const Word& word, TransportTerm& term) {
  if (word.text == "infotype") {
    for (int16_t type = 0; type < 256; ++type) {
      if (IsInfoType(false, type)) term.icmp_types.push_back({type, IcmpType::kNone});
      if (IsInfoType(true, type)) term.icmp_types.push_back({IcmpType::kNone, type});
    }
    return;
  }
  if (const auto named = FindIcmpType(word.text)) {
    term.icmp_types.push_back(*named);
    return;
  }
  const auto number = ParseNumber(word.text, 255);
  if (!number.ok()) {
    Report(word, std::string(number.status().message()));
  } else if (*number) {
    const auto type = static_cast<int16_t>(**number);
    term.icmp_types.push_back({type, type});
  } else {
    const std::string_view meant = NearestIcmpType(word.text);
    Report(word, absl::StrCat("no ICMP type ", Quoted(word.text),
                              meant.empty() ? std::string(": write its number")
                                            : absl::StrCat(": did you mean ", Quoted(meant), "?")));
  }
}

// The words were split at the commas; one of them contains the `/`, or is the `/`.
std::optional<TcpFlags> TransportChecker::Flags(const TransportSyntax& syntax) {
  TcpFlags flags{syntax.flags_negated, 0, 0};
  bool behind_slash = false;
  for (const Word& word : syntax.flags) {
    std::string_view rest = word.text;
    while (true) {
      const size_t slash = rest.find('/');
      const std::string_view name = rest.substr(0, slash);
      const std::optional<uint8_t> flag = FindTcpFlag(name);
      if (!flag && !name.empty()) {
        const std::string_view meant = NearestTcpFlag(name);
        Report(word,
               absl::StrCat("no TCP flag ", Quoted(name),
                            meant.empty() ? std::string()
                                          : absl::StrCat(": did you mean ", Quoted(meant), "?")));
        return std::nullopt;
      }
      uint8_t& side = behind_slash ? flags.mask : flags.set;
      side = static_cast<uint8_t>(side | flag.value_or(0));
      if (slash == std::string_view::npos) break;
      if (behind_slash) {
        Report(word, "a second `/` in TCP flags");
        return std::nullopt;
      }
      behind_slash = true;
      rest.remove_prefix(slash + 1);
    }
  }
  if (!behind_slash) flags.mask = flags.set;
  if (flags.mask == 0 || (flags.set & ~flags.mask) != 0) {
    Report(
        syntax.flags.front(),
        "TCP flags are written SET/CHECKED, as in `syn/syn,ack`; a flag before the `/` must also "
        "stand after it");
    return std::nullopt;
  }
  return flags;
}

}  // namespace sluice::server::policy
