// Runs the policies of golden/, each with packets and what they get. golden/README.md describes the
// format.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

policy::FakeNames Names() {
  policy::FakeNames names;
  names.PushHost("mail", {"128.1.7.25", "2001:db8:7::25"});
  names.PushHost("news", {"128.1.7.26", "2001:db8:7::26"});
  names.PushHost("gate", {"128.1.1.1", "2001:db8:7::1"});
  names.PushProtocol("ospf", 89);
  names.PushProtocol("tcp", 6);
  return names;
}

// "192.0.2.1:25", "[2001:db8::1]:25", or an address alone.
std::pair<std::string, std::string> Split(const std::string& text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    return {text.substr(1, end - 1), text.substr(end + 2)};
  }
  const size_t colon = text.find(':');
  if (colon == std::string::npos || text.find(':', colon + 1) != std::string::npos)
    return {text, ""};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

v1::Packet ReadPacket(const std::string& text) {
  std::istringstream words(text);
  std::string protocol, source, arrow, destination;
  words >> protocol >> source >> arrow >> destination;
  EXPECT_EQ(arrow, ">") << text;
  const auto [from, source_port] = Split(source);
  const auto [to, destination_port] = Split(destination);
  const std::map<std::string, uint32_t> protocols = {{"tcp", 6}, {"udp", 17}, {"icmp", 1}};
  v1::Packet packet = policy::PacketOf(from, to, 0);
  v1::Headers& headers = *packet.mutable_headers();
  headers.set_protocol(protocols.contains(protocol) ? protocols.at(protocol)
                                                    : static_cast<uint32_t>(std::stoul(protocol)));
  if (protocol == "icmp" && packet.family() == v1::FAMILY_IPV6) headers.set_protocol(58);
  if (!source_port.empty()) headers.set_source_port(std::stoul(source_port));
  if (!destination_port.empty()) headers.set_destination_port(std::stoul(destination_port));
  const std::map<std::string, v1::ConnectionState> states = {
      {"new", v1::CONNECTION_STATE_NEW},
      {"established", v1::CONNECTION_STATE_ESTABLISHED},
      {"related", v1::CONNECTION_STATE_RELATED},
      {"invalid", v1::CONNECTION_STATE_INVALID}};
  for (std::string word, value; words >> word;) {
    if (word == "fragment") {
      headers.set_fragment_offset(1480);
      continue;
    }
    words >> value;
    if (word == "type") headers.set_icmp_type(std::stoul(value));
    if (word == "flags") headers.set_tcp_flags(std::stoul(value));
    if (word == "state") packet.set_connection_state(states.at(value));
    if (word == "in") packet.set_input_group(value);
    if (word == "out") packet.set_output_group(value);
  }
  return packet;
}

std::string Show(const Ruling& ruling) {
  std::string shown = ruling.action == v1::ACTION_ACCEPT ? "accept" : "reject";
  const std::map<v1::Notify, std::string> notifies = {
      {v1::NOTIFY_HOST_UNREACHABLE, " notify"},
      {v1::NOTIFY_ADMIN_PROHIBITED, " notify admin-prohibited"},
      {v1::NOTIFY_PORT_UNREACHABLE, " notify port-unreachable"},
      {v1::NOTIFY_TCP_RESET, " notify tcp-reset"}};
  if (notifies.contains(ruling.notify)) shown += notifies.at(ruling.notify);
  if (ruling.log) shown += " log";
  const std::map<v1::Scope, std::string> scopes = {{v1::SCOPE_CONNECTION, " connection"},
                                                   {v1::SCOPE_PEER, " peer"},
                                                   {v1::SCOPE_SOURCE, " source"}};
  if (scopes.contains(ruling.scope)) shown += scopes.at(ruling.scope);
  if (ruling.lifetime.count() != 0) absl::StrAppend(&shown, " ", ruling.lifetime.count());
  if (ruling.ask != nullptr) {
    absl::StrAppend(&shown, " asks ", ruling.ask->decider, " ", ruling.ask->within.count());
  }
  // The reason without its line number, which changes.
  const std::string reason(ruling.reason.substr(0, ruling.reason.find(", line")));
  return shown + ", " + reason;
}

void RunPolicy(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  policy::FakeNames names = Names();
  const RuleSet::Compiled compiled = RuleSet::Compile(text.str(), names);
  for (const v1::PolicyProblem& problem : compiled.problems) {
    ADD_FAILURE() << problem.ShortDebugString();
  }
  ASSERT_NE(compiled.rules, nullptr);
  std::istringstream lines(text.str());
  int packets = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("#? ")) continue;
    const size_t equals = line.find(" = ");
    ASSERT_NE(equals, std::string::npos) << line;
    const v1::Packet packet = ReadPacket(line.substr(3, equals - 3));
    EXPECT_EQ(Show(compiled.rules->Decide(packet)), line.substr(equals + 3)) << line;
    ++packets;
  }
  EXPECT_GT(packets, 5);
}

TEST(GoldenTest, PoliciesSayWhatTheyAreSaidToSay) {
  std::set<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator("server/policy/golden")) {
    if (entry.path().extension() == ".policy") paths.insert(entry.path());
  }
  EXPECT_GE(paths.size(), 4u);
  for (const auto& path : paths) {
    SCOPED_TRACE(path.string());
    RunPolicy(path);
  }
}

}  // namespace
}  // namespace sluice::server
