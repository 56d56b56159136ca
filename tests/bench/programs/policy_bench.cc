// The cost of a decision of the policy engine, and of making a policy ready, by the number of
// rules:
//
//   bazel run --config=release //tests/bench/programs:policy_bench
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

std::string IpV4(uint32_t i) { return absl::StrCat("10.", i >> 8 & 255, ".", i & 255); }
std::string IpV6(uint32_t i) { return absl::StrCat("2001:db8:", absl::Hex(i & 0xffff), ":"); }

// Rules of a site: hosts and networks that may reach services of others.
std::string Site(size_t rules) {
  std::mt19937 random(1);
  std::string text;
  for (uint32_t i = 0; i < rules; ++i) {
    const uint32_t port = random() % 20'000;
    switch (random() % 4) {
      case 0:
        absl::StrAppend(&text, "from net ", IpV4(i), ".0/24 to host ", IpV4(random()),
                        ".7 tcp port ", port, " accept;\n");
        break;
      case 1:
        absl::StrAppend(&text, "from any to net ", IpV4(i), ".0/24 udp port ", port, " accept;\n");
        break;
      case 2:
        absl::StrAppend(&text, "from net ", IpV6(i), ":/48 to any tcp port ", port,
                        " reject notify;\n");
        break;
      default:
        absl::StrAppend(&text, "from host ", IpV4(i), ".9 to any icmp type echo accept;\n");
        break;
    }
  }
  return text;
}

// The worst case for bit vectors: among any 512 rules some agree with a packet's source and some
// with its destination, but none with both.
std::string Crossed(size_t rules) {
  std::mt19937 random(3);
  std::string text;
  for (size_t i = 0; i < rules; ++i) {
    text += random() % 2 == 0 ? "from net 10.0.0.0/8 to host 192.0.2.1 tcp port any accept;\n"
                              : "from host 192.0.2.1 to net 10.0.0.0/8 tcp port any accept;\n";
  }
  return text;
}

std::vector<v1::Packet> Packets(size_t rules) {
  std::mt19937 random(2);
  std::vector<v1::Packet> packets;
  const auto below = [&] { return static_cast<uint32_t>(random() % rules); };
  for (int i = 0; i < 1024; ++i) {
    const uint32_t port = random() % 20'000;
    switch (i % 4) {
      case 0:
        packets.push_back(policy::Tcp(IpV4(below()) + ".9", 50'000, IpV4(random()) + ".7", port));
        break;
      case 1:
        packets.push_back(policy::Udp(IpV4(below()) + ".1", 50'000, IpV4(below()) + ".2", port));
        break;
      case 2:
        packets.push_back(policy::Tcp(IpV6(below()) + ":1", 50'000, IpV6(below()) + ":2", port));
        break;
      default:
        packets.push_back(policy::Icmp(IpV4(below()) + ".9", IpV4(random()) + ".1", 8));
        break;
    }
  }
  return packets;
}

std::shared_ptr<const RuleSet> Compile(const std::string& text) {
  policy::FakeNames names;
  return RuleSet::Compile(text, names).rules;
}

void Decide(benchmark::State& state, const std::string& text) {
  const auto rules = Compile(text);
  const std::vector<v1::Packet> packets = Packets(static_cast<size_t>(state.range(0)));
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(rules->Decide(packets[next++ % packets.size()]));
  }
  state.counters["bytes"] = static_cast<double>(rules->memory());
}

void DecideSite(benchmark::State& state) { Decide(state, Site(state.range(0))); }
void DecideCrossed(benchmark::State& state) { Decide(state, Crossed(state.range(0))); }

// Rules with `match` whose expressions do not match, while everything else does.
void DecideUnmatched(benchmark::State& state, const std::string& text) {
  const auto rules = Compile(text);
  v1::Packet packet = policy::Tcp("10.0.0.1", 50'000, "10.0.0.2", 80);
  std::string bytes(40, '\0');
  bytes[0] = 0x45;
  bytes[9] = 6;
  packet.set_payload(bytes);
  packet.set_original_length(40);
  for (auto _ : state) benchmark::DoNotOptimize(rules->Decide(packet));
}

// state.range(0) rules, each with an expression of its own.
void DecideMatch(benchmark::State& state) {
  std::string text;
  for (int64_t i = 0; i < state.range(0); ++i) {
    absl::StrAppend(&text, "from any to any match \"tcp dst port ", 1000 + i, "\" reject;\n");
  }
  DecideUnmatched(state, text);
}

// state.range(0) rules with an expression whose program has 70 instructions, all of which are run.
// With 16 more to begin it, a rule costs 86 steps (policy::kMostSteps).
void DecideLongMatch(benchmark::State& state) {
  std::string expression = "ip[1] = 255";
  for (int i = 0; i < 60; ++i) {
    constexpr int kBytes[] = {0, 1, 6, 7};
    absl::StrAppend(&expression, " or ip[", kBytes[i % 4], "] = ", 100 + i);
  }
  std::string text;
  for (int64_t i = 0; i < state.range(0); ++i) {
    absl::StrAppend(&text, "from any to any match \"", expression, "\" reject;\n");
  }
  DecideUnmatched(state, text);
}

void CompileSite(benchmark::State& state) {
  const std::string text = Site(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(Compile(text));
}

// A set of state.range(0) prefixes, from a file.
void CompileSet(benchmark::State& state) {
  std::mt19937 random(4);
  std::string prefixes;
  for (int64_t i = 0; i < state.range(0); ++i) {
    absl::StrAppend(&prefixes, random() % 224, ".", random() % 256, ".", random() % 256, ".0/24\n");
  }
  policy::FakeNames names;
  names.PushFile("/blocked", std::move(prefixes));
  const std::string text = "set blocked from \"/blocked\"; between @blocked and any reject;";
  std::shared_ptr<const RuleSet> rules;
  for (auto _ : state) rules = RuleSet::Compile(text, names).rules;
  state.counters["bytes"] = static_cast<double>(rules->memory());
}

BENCHMARK(DecideSite)->RangeMultiplier(10)->Range(10, 100'000);
BENCHMARK(DecideCrossed)->RangeMultiplier(10)->Range(10, 100'000);
BENCHMARK(DecideMatch)->RangeMultiplier(10)->Range(1, 1000);
BENCHMARK(DecideLongMatch)->RangeMultiplier(10)->Range(1, 1000);
BENCHMARK(CompileSite)->RangeMultiplier(10)->Range(10, 100'000)->Unit(benchmark::kMillisecond);
BENCHMARK(CompileSet)->Arg(500'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::server

BENCHMARK_MAIN();
