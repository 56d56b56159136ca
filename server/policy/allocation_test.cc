// Shows by counting that decisions allocate nothing. It is a binary of its own since it replaces
// the allocator of the whole binary.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/rule_set.h"

namespace {

thread_local int allocations = 0;

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }

void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace sluice::server {
namespace {

TEST(AllocationTest, NoneInADecision) {
  policy::FakeNames names;
  const auto rules = RuleSet::Compile(
                         "from host 10.0.0.1 to any tcp port 25 reject notify log;"
                         "from net 2001:db8::/32 to any icmp type infotype accept;"
                         "between net 10.0.0.0 and any udp port-not reserved accept;"
                         "set few = {198.51.100.0/24, 2001:db8::/32};"
                         "rule \"few\" from group inside @few to tcp flags syn/syn,ack accept;"
                         "for 128.1.0.0 netmask is 255.255.0.255;"
                         "from subnet 128.1.0.7 to any proto {47, 50} accept;"
                         "from any to any udp port 1 match \"ip[8] < 5\" reject;",
                         names)
                         .rules;
  ASSERT_NE(rules, nullptr);
  v1::Packet syn = policy::Tcp("198.51.100.1", 1, "10.0.0.2", 2);
  syn.mutable_headers()->set_tcp_flags(2);
  syn.set_input_group("inside");
  const v1::Packet packets[] = {syn,
                                policy::PacketOf("128.1.9.7", "10.0.0.2", 47),
                                policy::Tcp("10.0.0.1", 1, "10.0.0.2", 25),
                                policy::Icmp("2001:db8::1", "::1", 128),
                                policy::Udp("192.0.2.1", 5000, "10.0.0.1", 5000),
                                policy::Tcp("192.0.2.1", 1, "10.0.0.2", 2),
                                policy::Udp("192.0.2.1", 1, "192.0.2.2", 1),
                                v1::Packet()};
  const int before = allocations;
  EXPECT_GT(before, 0);
  uint32_t rule = 0;
  for (const v1::Packet& packet : packets) rule += rules->Decide(packet).rule;
  EXPECT_EQ(allocations - before, 0);
  EXPECT_EQ(rule, 5u + 6 + 1 + 2 + 4 + 0 + 7 + 1);
}

}  // namespace
}  // namespace sluice::server
