#include <arpa/inet.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/policy/terms/match_expression.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

// Words of pcap-filter(7) that ask for what is in an IP packet. Sorted.
constexpr std::string_view kWords[] = {
    "ah",        "and",   "broadcast", "carp", "dst", "esp", "greater", "host",
    "icmp",      "icmp6", "igmp",      "igrp", "ip",  "ip6", "len",     "length",
    "less",      "mask",  "multicast", "net",  "not", "or",  "pim",     "port",
    "portrange", "proto", "sctp",      "src",  "tcp", "udp", "vrrp"};

// Its names of offsets, types and flags. Sorted.
constexpr std::string_view kNumbers[] = {"icmp-echo",
                                         "icmp-echoreply",
                                         "icmp-ireq",
                                         "icmp-ireqreply",
                                         "icmp-maskreply",
                                         "icmp-maskreq",
                                         "icmp-paramprob",
                                         "icmp-redirect",
                                         "icmp-routeradvert",
                                         "icmp-routersolicit",
                                         "icmp-sourcequench",
                                         "icmp-timxceed",
                                         "icmp-tstamp",
                                         "icmp-tstampreply",
                                         "icmp-unreach",
                                         "icmp6-certpathadvert",
                                         "icmp6-certpathsolicit",
                                         "icmp6-destinationunreach",
                                         "icmp6-echo",
                                         "icmp6-echoreply",
                                         "icmp6-homeagentdiscoveryreply",
                                         "icmp6-homeagentdiscoveryrequest",
                                         "icmp6-ineighbordiscoveryadvert",
                                         "icmp6-ineighbordiscoverysolicit",
                                         "icmp6-mobileprefixadvert",
                                         "icmp6-mobileprefixsolicit",
                                         "icmp6-multicastlistenerdone",
                                         "icmp6-multicastlistenerquery",
                                         "icmp6-multicastlistenerreportv1",
                                         "icmp6-multicastlistenerreportv2",
                                         "icmp6-multicastrouteradvert",
                                         "icmp6-multicastroutersolicit",
                                         "icmp6-multicastrouterterm",
                                         "icmp6-neighboradvert",
                                         "icmp6-neighborsolicit",
                                         "icmp6-nodeinformationquery",
                                         "icmp6-nodeinformationresponse",
                                         "icmp6-packettoobig",
                                         "icmp6-parameterproblem",
                                         "icmp6-redirect",
                                         "icmp6-routeradvert",
                                         "icmp6-routerrenum",
                                         "icmp6-routersolicit",
                                         "icmp6-timeexceeded",
                                         "icmp6code",
                                         "icmp6type",
                                         "icmpcode",
                                         "icmptype",
                                         "tcp-ack",
                                         "tcp-cwr",
                                         "tcp-ece",
                                         "tcp-fin",
                                         "tcp-push",
                                         "tcp-rst",
                                         "tcp-syn",
                                         "tcp-urg",
                                         "tcpflags"};

// Words of pcap-filter(7) that ask for something else. The list only chooses the message: a word in
// no list is taken for a name. Sorted.
constexpr std::string_view kElsewhere[] = {
    "aarp",      "action",  "arp",    "atalk", "byte", "clnp",    "decnet",     "dir",
    "direction", "es-is",   "esis",   "ether", "fddi", "gateway", "geneve",     "ifindex",
    "ifname",    "inbound", "ipx",    "is-is", "isis", "iso",     "lane",       "lat",
    "link",      "llc",     "mopdl",  "moprc", "mpls", "netbeui", "on",         "outbound",
    "ppp",       "pppoed",  "pppoes", "radio", "rarp", "reason",  "rnr",        "rset",
    "rulenum",   "ruleset", "sca",    "slip",  "srnr", "stp",     "subrulenum", "subtype",
    "tr",        "type",    "vci",    "vlan",  "vpi",  "wlan"};

static_assert(std::is_sorted(std::begin(kWords), std::end(kWords)));
static_assert(std::is_sorted(std::begin(kNumbers), std::end(kNumbers)));
static_assert(std::is_sorted(std::begin(kElsewhere), std::end(kElsewhere)));

template <typename List>
bool Has(const List& words, std::string_view word) {
  return std::binary_search(std::begin(words), std::end(words), word);
}

bool IsOfWord(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; }

bool IsNumber(std::string_view text) {
  const bool hex = absl::StartsWith(absl::string_view(text.data(), text.size()), "0x") ||
                   absl::StartsWith(absl::string_view(text.data(), text.size()), "0X");
  if (hex) text.remove_prefix(2);
  return !text.empty() && std::all_of(text.begin(), text.end(), [hex](char c) {
    return hex ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c);
  });
}

// Whether the text is one number, or two to four with dots between them.
bool IsIpV4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    const size_t dot = text.find('.');
    if (!IsNumber(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
  return false;
}

bool IsIpV6(std::string_view text) {
  in6_addr address;
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

absl::Status Refuse(const std::string& why) { return absl::InvalidArgumentError(why); }

class Words {
 public:
  explicit Words(std::string_view rest) : rest_(rest) {}

  absl::Status Check() {
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c == '\\') {
        // After a backslash comes a name, even if it is spelt like a keyword.
        rest_.remove_prefix(1);
        const std::string_view name = Take([](char d) { return !Contains(" !()\n\t", d); });
        if (absl::Status status = CheckName(name); !status.ok()) return status;
      } else if (IsOfWord(c) || c == ':') {
        const std::string_view text = Take([](char d) { return IsOfWord(d) || d == ':'; });
        if (absl::Status status = CheckRun(text); !status.ok()) return status;
      } else {
        rest_.remove_prefix(1);
      }
    }
    return absl::OkStatus();
  }

 private:
  static bool Contains(std::string_view characters, char c) {
    return characters.find(c) != std::string_view::npos;
  }

  template <typename Belongs>
  std::string_view Take(const Belongs& belongs) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), belongs);
    const std::string_view taken = rest_.substr(0, static_cast<size_t>(end - rest_.begin()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  // Checks words with colons between them, as in `tcp[tcpflags:1]`, unless the whole is an address.
  absl::Status CheckRun(std::string_view text) {
    if (IsIpV6(text)) return absl::OkStatus();
    for (;;) {
      const size_t colon = text.find(':');
      if (absl::Status status = CheckWord(text.substr(0, colon)); !status.ok()) return status;
      if (colon == std::string_view::npos) return absl::OkStatus();
      text.remove_prefix(colon + 1);
    }
  }

  absl::Status CheckWord(std::string_view word) {
    // A hyphen at either end is a minus sign.
    while (!word.empty() && word.front() == '-') word.remove_prefix(1);
    while (!word.empty() && word.back() == '-') word.remove_suffix(1);
    if (word.empty() || IsIpV4(word)) return absl::OkStatus();
    if (word == "protochain") {
      return Refuse(
          "`protochain` would loop over the packet; the `proto` of rules looks behind IPv6 "
          "extension headers");
    }
    if (Has(kElsewhere, word)) {
      return Refuse(absl::StrCat("`", std::string(word),
                                 "` asks for what is not in an IP packet: there is no link layer "
                                 "here"));
    }
    if (Has(kNumbers, word)) return absl::OkStatus();
    if (!Has(kWords, word)) return CheckName(word);
    if (word == "and" || word == "or" || word == "not") return absl::OkStatus();
    of_service_ = word == "port" || word == "portrange" || word == "proto";
    return absl::OkStatus();
  }

  // To libpcap the last qualifier says what a name is, even across `and`, `or` and parentheses.
  // Unless it says port or protocol, the name is a host's.
  absl::Status CheckName(std::string_view name) const {
    if (of_service_) return absl::OkStatus();
    return Refuse(absl::StrCat(Quoted(name),
                               " would be looked up as a host: names of hosts and networks are "
                               "for the rule's `from` and `to`, here they are numbers"));
  }

  std::string_view rest_;
  bool of_service_ = false;  // The last qualifier says port or protocol.
};

}  // namespace

absl::Status CheckMatchWords(std::string_view expression) { return Words(expression).Check(); }

}  // namespace sluice::server::policy
