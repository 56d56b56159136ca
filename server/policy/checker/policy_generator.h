#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/checked_policy.h"
#include "server/policy/checker/checker.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/language/parser.h"
#include "server/policy/terms/problems.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server::policy {

// Random policies, and packets for them.
//
// Values are taken from a small range, `spread`, so that rules overlap and packets match them.
class PolicyGenerator {
 public:
  PolicyGenerator(uint32_t seed, uint32_t spread) : random_(seed), spread_(spread) {}

  // Lines before the first rule; each rule has one.
  static constexpr uint32_t kLinesBefore = 3;

  std::string Policy(size_t rules) {
    std::string text =
        "for 128.1.0.0 netmask is 255.255.255.0; for 128.2.0.0 netmask is 255.255.0.255;\n"
        "set few = {10.0.0.0/30, 10.1.0.2, 2001:db8::/127}; set none = {};\n"
        "set many from \"/many\";\n";
    for (size_t i = 0; i < rules; ++i) {
      absl::StrAppend(&text, "from ", Object(), " to ", Object(), State(), Match(),
                      Below(2) ? " accept" : " reject", ";\n");
    }
    return text;
  }

  v1::Packet Packet() {
    static constexpr uint32_t kProtocols[] = {1, 6, 6, 6, 17, 17, 47, 58};
    const bool ipv6 = Below(4) == 0;
    const auto address = [&] { return ipv6 ? IpV6() : Below(8) ? IpV4() : Subnet(); };
    v1::Packet packet = PacketOf(address(), address(), kProtocols[Below(8)]);
    if (Below(8) != 0) packet = Ports(packet, Below(spread_), Below(spread_));
    if (Below(8) != 0) packet.mutable_headers()->set_icmp_type(Below(256));
    if (Below(8) != 0) packet.mutable_headers()->set_tcp_flags(Below(2) ? 2 : Below(256));
    static constexpr const char* kGroups[] = {"", "inside", "outside", "other"};
    packet.set_input_group(kGroups[Below(4)]);
    packet.set_output_group(kGroups[Below(4)]);
    if (Below(16) == 0) packet.mutable_headers()->set_fragment_offset(1480);
    if (Below(16) == 0) packet.mutable_headers()->set_protocol(Below(256));
    if (Below(16) == 0) packet.mutable_headers()->set_cut_short(true);
    if (Below(64) == 0) packet.clear_headers();
    if (Below(4) != 0) Copy(packet);
    packet.set_connection_state(static_cast<v1::ConnectionState>(Below(5)));
    return packet;
  }

 private:
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  std::string IpV4() { return absl::StrCat("10.", Below(3), ".0.", Below(spread_) % 256); }
  std::string IpV6() { return absl::StrCat("2001:db8::", absl::Hex(Below(spread_))); }
  std::string Subnet() {
    return Below(2) ? absl::StrCat("128.1.", Below(4), ".0") : absl::StrCat("128.2.0.", Below(4));
  }

  std::string Items() {
    static constexpr const char* kSets[] = {"@few", "@none", "@many"};
    std::string items = "{" + IpV4();
    for (uint32_t i = Below(4); i > 0; --i) {
      items += ", ";
      items += Below(3) == 0   ? std::string(kSets[Below(3)])
               : Below(3) == 0 ? IpV6()
                               : absl::StrCat("10.", Below(3), ".0.0/", 16 + Below(9));
    }
    return items + "}";
  }

  std::string Group() {
    static constexpr const char* kGroups[] = {"group inside ", "group-not inside ",
                                              "group {inside, outside} ",
                                              "group-not {outside, guests} "};
    return Below(8) == 0 ? kGroups[Below(4)] : "";
  }

  std::string State() {
    static constexpr const char* kStates[] = {" state new", " state-not {new, established}",
                                              " state {established, related}",
                                              " state-not {new, established, related, invalid}"};
    return Below(4) == 0 ? kStates[Below(4)] : "";
  }

  std::string Flags() {
    static constexpr const char* kFlags[] = {" flags syn/syn,ack", " flags-not ack",
                                             " flags fin,syn", " flags /syn,rst"};
    return Below(4) == 0 ? kFlags[Below(4)] : "";
  }

  std::string Address() {
    switch (Below(12)) {
      case 0:
        return (Below(4) ? "" : "not ") + Items();
      case 1:
        return Below(4) ? "@many" : "not @many";
      default:
        break;
    }
    const std::string negated = Below(8) == 0 ? "-not " : " ";
    switch (Below(8)) {
      case 0:
      case 1:
        return absl::StrCat("host", negated, IpV4());
      case 2:
        return absl::StrCat("host", negated, IpV6());
      case 3:
        return absl::StrCat("net", negated, "10.", Below(3), ".0.0/", 16 + Below(9));
      case 4:
        return absl::StrCat("net", negated, "2001:db8::/", 32 + Below(90));
      case 5:
        return absl::StrCat("subnet", negated, Subnet());
      case 6:
        return absl::StrCat("host", negated, Below(8) ? "mail" : "any");
      default:
        return Below(4) ? "any" : "net 0.0.0.0/0";
    }
  }

  std::string Transport() {
    const std::string negated = Below(8) == 0 ? "-not " : " ";
    switch (Below(8)) {
      case 0:
      case 1:
        return absl::StrCat("tcp port", negated, Below(spread_), Flags());
      case 2:
        return Below(2) ? absl::StrCat("udp port", negated, Below(spread_))
                        : absl::StrCat("udp port", negated, "{", Below(spread_), ", ",
                                       Below(spread_), "-65000, reserved}");
      case 3:
        return absl::StrCat(Below(2) ? "tcp" : "udp", " port", negated,
                            Below(4) ? "reserved" : "any");
      case 4:
        return absl::StrCat("icmp type", negated, Below(256));
      case 5:
        return absl::StrCat("icmp type", negated,
                            Below(3) == 0 ? "echo"
                            : Below(2)    ? "infotype"
                                          : "{3, echo}");
      case 6:
        return Below(3) ? absl::StrCat("proto", negated, Below(2) ? Below(64) : 6)
                        : absl::StrCat("proto", negated, "{6, 17, ", Below(64), "}");
      default:
        return Below(2) ? "icmp type any" : "tcp port any" + Flags();
    }
  }

  std::string Match() {
    static constexpr const char* kExpressions[] = {" match \"ip[8] < 128\"", " match \"len > 30\"",
                                                   " match \"udp port 53 or port 25\"",
                                                   " match \"ip6 or ip[40] = 0\""};
    return Below(8) == 0 ? kExpressions[Below(4)] : "";
  }

  // Adds bytes that have little to do with the packet's headers; perhaps not all of them are
  // copied.
  void Copy(v1::Packet& packet) {
    std::string bytes(20 + Below(40), '\0');
    for (char& byte : bytes) byte = static_cast<char>(Below(256));
    bytes[0] = static_cast<char>(Below(4) ? 0x45 : 0x60);
    packet.set_original_length(static_cast<uint32_t>(bytes.size()));
    bytes.resize(Below(2) ? bytes.size() : Below(static_cast<uint32_t>(bytes.size())));
    packet.set_payload(bytes);
  }

  std::string Object() {
    switch (Below(3)) {
      case 0:
        return Group() + Address();
      case 1:
        return Group() + Transport();
      default:
        return absl::StrCat(Group(), Address(), " ", Transport());
    }
  }

  std::mt19937 random_;
  const uint32_t spread_;
};

inline CheckedPolicy ReadGenerated(const std::string& text) {
  FakeNames names;
  names.PushHost("mail", {"10.0.0.2", "10.2.0.3", "2001:db8::2"});
  std::string many = "# addresses of two families\n";
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&many, " 10.2.0.", 2 * i, "/32 # even\r\n\n2001:db8::", absl::Hex(3 * i));
    many += "\n";
  }
  names.PushFile("/many", many);
  Problems problems;
  const Syntax syntax = Parse(text, problems);
  CheckedPolicy policy = Check(syntax, names, problems);
  for (const Problem& problem : std::move(problems).Take()) ADD_FAILURE() << problem.message;
  return policy;
}

}  // namespace sluice::server::policy
