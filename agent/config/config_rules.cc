#include "agent/config/config_rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/config/exemptions.h"
#include "agent/config/interface_groups.h"
#include "agent/config/scalars.h"

namespace sluice::agent {
namespace {

constexpr int kMaxServers = 16;
constexpr size_t kMaxNameLength = 253;
constexpr size_t kMaxSocketPath = 107;  // sockaddr_un
constexpr size_t kMaxGroupName = 63;
// Each packet passes the rules of all exemptions, three for each, one by one.
constexpr int kMaxExemptions = 64;

bool IsName(std::string_view text, size_t most = kMaxNameLength) {
  return !text.empty() && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

bool IsPort(std::string_view text) {
  const auto port = text.starts_with("0x") ? std::nullopt : ParseNumber(text);
  return port && *port >= 1 && *port <= 65535;
}

bool IsIpv6(const std::string& text) {
  in6_addr address;
  // A link-local address needs its zone.
  return inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &address) == 1;
}

// Eight bits that stand together.
bool IsMarkMask(uint32_t mask) {
  return std::popcount(mask) == 8 && mask >> std::countr_zero(mask) == 0xff;
}

class Rules final {
 public:
  Rules(const KeyPlaces& places, std::vector<Problem>& problems)
      : places_(places), problems_(problems) {}

  void Require(bool met, const std::string& key, std::string text) {
    if (met) return;
    problems_.push_back({PlaceOf(key), key, std::move(text)});
  }

  // Whether a problem with `key`, or with a key of it, is known already.
  bool Refused(const std::string& key) const {
    return std::any_of(problems_.begin(), problems_.end(), [&key](const Problem& problem) {
      return problem.key == key || problem.key.starts_with(key + ".");
    });
  }

 private:
  // A key that is not in the file has the place of the keys beside it.
  Place PlaceOf(const std::string& key) const {
    const auto place = places_.find(key);
    if (place != places_.end()) return place->second;
    const size_t dot = key.rfind('.');
    return dot == std::string::npos ? Place() : PlaceOf(key.substr(0, dot));
  }

  const KeyPlaces& places_;
  std::vector<Problem>& problems_;
};

void CheckConnectionMarks(const HookConfig& hook, Rules& rules) {
  const uint32_t mask = hook.connection_mark_mask();
  rules.Require(mask == 0 || IsMarkMask(mask), "hook.connection_mark_mask",
                absl::StrCat("0x", absl::Hex(mask),
                             " is not allowed, allowed are eight bits that stand together, as in "
                             "0xff000000, or 0 for none"));
  // If other programs' rules copy one mark into the other, what is in some bits of the one gets
  // into the same bits of the other. If the agent has the same bits of both, what gets there cannot
  // be mistaken (mark_bits.h).
  rules.Require((mask & hook.mark_mask()) == 0 || mask == hook.mark_mask(),
                "hook.connection_mark_mask",
                absl::StrCat("0x", absl::Hex(mask), " shares some bits with hook.mark_mask, 0x",
                             absl::Hex(hook.mark_mask()), "; allowed are the same bits or others"));
}

void CheckGroups(const AgentConfig& config, Rules& rules) {
  std::set<std::string> names;
  for (int i = 0; i < config.groups_size(); ++i) {
    const InterfaceGroup& group = config.groups(i);
    const std::string key = absl::StrCat("groups[", i, "]");
    if (rules.Refused(key)) continue;
    rules.Require(
        IsName(group.name(), kMaxGroupName), key + ".name",
        absl::StrCat("`", group.name().substr(0, 60),
                     "` is not allowed, allowed are 1 to 63 letters, digits, `.`, `_`, `-`"));
    rules.Require(names.insert(group.name()).second, key + ".name",
                  absl::StrCat("`", group.name().substr(0, 60), "` is there already"));
    rules.Require(group.interfaces_size() > 0, key + ".interfaces",
                  "no interface is given, at least one is needed, as in [eth1, \"wg*\"]");
    for (const std::string& interface : group.interfaces()) {
      rules.Require(IsInterfacePattern(interface), key + ".interfaces",
                    absl::StrCat("`", interface.substr(0, 60),
                                 "` is not allowed, allowed are names of interfaces, 15 bytes at "
                                 "most, with a `*` at the end or without"));
    }
  }
}

void CheckExemptions(const AgentConfig& config, Rules& rules) {
  rules.Require(config.exempt_size() <= kMaxExemptions, "exempt",
                absl::StrCat(config.exempt_size(), " are too many, at most ", kMaxExemptions));
  rules.Require(config.exempt_size() == 0 || config.hook().manage(), "exempt",
                "is not possible with hook.manage: false, as the rules are not the agent's");
  for (int i = 0; i < config.exempt_size(); ++i) {
    const std::string item = absl::StrCat("exempt[", i, "]");
    if (rules.Refused(item)) continue;
    ReadExemption(config.exempt(i), [&](std::string_view key, std::string text) {
      rules.Require(false, key.empty() ? item : item + "." + std::string(key), std::move(text));
    });
  }
}

}  // namespace

bool IsServerAddress(std::string_view text) {
  if (text.starts_with("unix:")) {
    const std::string_view path = text.substr(5);
    return path.starts_with('/') && path.size() > 1 && path.size() <= kMaxSocketPath;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !IsPort(text.substr(colon + 1))) return false;
  const std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    return IsIpv6(std::string(host.substr(1, host.size() - 2)));
  }
  return IsName(host);
}

void CheckRules(const AgentConfig& config, const KeyPlaces& places,
                std::vector<Problem>& problems) {
  Rules rules(places, problems);
  rules.Require(
      IsName(config.gateway()), "gateway",
      absl::StrCat("`", config.gateway().substr(0, 60),
                   "` is not allowed, allowed are 1 to 253 letters, digits, `.`, `_`, `-`",
                   places.contains("gateway") ? "" : " (it is the host name)"));
  rules.Require(config.servers_size() > 0 || rules.Refused("servers"), "servers",
                "no server is given, at least one is needed, as in [\"192.0.2.1:7654\"]");
  rules.Require(config.servers_size() <= kMaxServers, "servers",
                absl::StrCat(config.servers_size(), " are too many, at most ", kMaxServers));
  for (const std::string& server : config.servers()) {
    rules.Require(IsServerAddress(server), "servers",
                  absl::StrCat("`", server.substr(0, 120),
                               "` is not allowed, allowed are ip:port, [ipv6]:port, name:port and "
                               "unix:/path"));
  }
  const QueuesConfig& queues = config.queues();
  rules.Require(queues.first() + queues.count() <= 65536, "queues.count",
                absl::StrCat("queues ", queues.first(), " to ", queues.first() + queues.count() - 1,
                             " are not possible, the last number is 65535"));
  rules.Require(IsMarkMask(config.hook().mark_mask()), "hook.mark_mask",
                absl::StrCat("0x", absl::Hex(config.hook().mark_mask()),
                             " is not allowed, allowed are eight bits that stand together, as in "
                             "0xff000000"));
  CheckConnectionMarks(config.hook(), rules);
  rules.Require(config.hook().manage() || config.mode_at_start() != MODE_AT_START_ON,
                "mode_at_start",
                "`on` is not possible with hook.manage: false, as the rules are not the agent's; "
                "leave it out");
  rules.Require(
      config.user().empty() || IsName(config.user()), "user",
      absl::StrCat("`", config.user().substr(0, 60),
                   "` is not allowed, allowed is the name of a user, or \"\" to stay root"));
  CheckGroups(config, rules);
  CheckExemptions(config, rules);
}

}  // namespace sluice::agent
