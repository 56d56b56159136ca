// What the copy range cuts off must not open the gateway: if a packet is accepted by its first
// bytes, it is accepted by all of them, under any policy. The seeds are fixed.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "proto/headers/packet_headers.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/policy_generator.h"
#include "server/policy/engine/classifier.h"
#include "server/policy/engine/packet_view.h"
#include "server/policy/rule_set.h"

namespace sluice::server::policy {
namespace {

using Bytes = std::vector<uint8_t>;

void Append(Bytes& bytes, const std::string& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

// TCP, UDP or ICMP with the addresses, ports, type and flags of `like`; in IPv6 after `extensions`
// extension headers of eight bytes.
Bytes BytesOf(const v1::Headers& like, size_t extensions) {
  const bool ipv4 = like.source().size() == 4;
  constexpr uint8_t kOptions = 60;
  const auto protocol = static_cast<uint8_t>(like.protocol());
  Bytes transport(20);
  transport[0] = static_cast<uint8_t>(protocol == 6 || protocol == 17 ? like.source_port() >> 8
                                                                      : like.icmp_type());
  transport[1] = static_cast<uint8_t>(protocol == 6 || protocol == 17 ? like.source_port() : 0);
  transport[2] = static_cast<uint8_t>(like.destination_port() >> 8);
  transport[3] = static_cast<uint8_t>(like.destination_port());
  transport[12] = 0x50;
  transport[13] = static_cast<uint8_t>(like.tcp_flags());
  Bytes packet;
  if (ipv4) {
    packet = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0};
    Append(packet, like.source());
    Append(packet, like.destination());
  } else {
    packet = {0x60,
              0,
              0,
              0,
              0,
              static_cast<uint8_t>(20 + 8 * extensions),
              extensions == 0 ? protocol : kOptions,
              64};
    Append(packet, like.source());
    Append(packet, like.destination());
    for (size_t i = 0; i < extensions; ++i) {
      packet.push_back(i + 1 == extensions ? protocol : kOptions);
      packet.insert(packet.end(), 7, 0);
    }
  }
  packet.insert(packet.end(), transport.begin(), transport.end());
  return packet;
}

// The packet as an agent shows it with so many bytes copied.
v1::Packet Shown(const Bytes& bytes, size_t copied, const v1::Packet& like) {
  v1::Packet packet;
  packet.set_family(like.family());
  packet.set_input_group(like.input_group());
  packet.set_output_group(like.output_group());
  packet.set_connection_state(like.connection_state());
  packet.set_original_length(static_cast<uint32_t>(bytes.size()));
  packet.set_payload(bytes.data(), copied);
  PacketHeaders headers;
  EXPECT_EQ(ParseHeaders(like.family(), std::span(bytes).first(copied), bytes.size(), headers),
            Parsed::kPacket);
  FillHeaders(headers, *packet.mutable_headers());
  return packet;
}

TEST(CutShortTest, NothingIsAcceptedThatTheWholePacketIsNot) {
  uint64_t told_apart = 0;
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    PolicyGenerator generator(seed, 4);
    const CheckedPolicy policy = ReadGenerated(generator.Policy(8));
    const Classifier classifier(policy.rules);
    const auto accepts = [&](const v1::Packet& packet) {
      const size_t rule = classifier.FirstMatch(ViewPacket(packet));
      return rule == Classifier::kNone || policy.rules[rule].decision.accept;
    };
    for (int i = 0; i < 40; ++i) {
      v1::Packet like = generator.Packet();
      if (!like.has_headers()) continue;
      const Bytes bytes = BytesOf(like.headers(), static_cast<size_t>(i) % 3);
      const bool whole = accepts(Shown(bytes, bytes.size(), like));
      for (size_t copied = 0; copied < bytes.size(); ++copied) {
        const bool cut = accepts(Shown(bytes, copied, like));
        ASSERT_TRUE(whole || !cut)
            << "seed " << seed << ", packet " << i << ", " << copied << " bytes copied";
        if (whole != cut) ++told_apart;
      }
    }
  }
  EXPECT_GT(told_apart, 1000u);
}

TEST(CutShortTest, ARuleThatMightRejectRejects) {
  FakeNames names;
  const auto rules = RuleSet::Compile(
                         "from {10.9.1.0/24, fd09:1::/64} to any reject;"
                         "from any to any tcp port 23 reject; default accept;",
                         names)
                         .rules;
  ASSERT_NE(rules, nullptr);
  for (const v1::Packet& like : {Tcp("10.9.1.2", 1, "10.0.0.1", 80), Tcp("fd09:1::2", 1, "::1", 80),
                                 Tcp("10.0.0.2", 1, "10.0.0.1", 23), Tcp("::2", 1, "::1", 23)}) {
    const Bytes bytes = BytesOf(like.headers(), 1);
    for (size_t copied = 0; copied <= bytes.size(); ++copied) {
      EXPECT_EQ(rules->Decide(Shown(bytes, copied, like)).action, v1::ACTION_DROP) << copied;
    }
  }
}

}  // namespace
}  // namespace sluice::server::policy
