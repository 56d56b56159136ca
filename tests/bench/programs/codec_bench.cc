// The agent's work on bytes: parsing messages of the kernel, and converting packets and verdicts to
// and from the wire.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/netfilter/queue/packet_queue.h"
#include "agent/netfilter/queue/queue_codec.h"
#include "agent/packets/packet_messages.h"
#include "agent/streams/arena_message.h"
#include "proto/headers/packet_headers.h"
#include "sluice/v1/decision.pb.h"
#include "tests/bench/programs/allocations.h"
#include "tests/bench/programs/queued_packet.h"

namespace sluice::agent {
namespace {

using bench::PerPacket;

class Taker final : public QueueMessages {
 public:
  void OnPacket(const QueuedPacket& taken) override { packet = taken; }
  void OnKernelError(uint32_t, int) override {}
  void OnUnreadable() override {}
  QueuedPacket packet;
};

void DecodeKernelMessage(benchmark::State& state) {
  const std::vector<uint8_t> datagram = bench::QueuedMessage(4);
  Taker taker;
  PerPacket per_packet(state);
  for (auto _ : state) {
    DecodeQueueDatagram(datagram, taker);
    benchmark::DoNotOptimize(taker.packet);
  }
  per_packet.Report(1);
}

void EncodeVerdicts(benchmark::State& state) {
  constexpr uint32_t kVerdicts = 64;
  VerdictBuffer verdicts(0);
  PerPacket per_packet(state);
  for (auto _ : state) {
    for (uint32_t id = 0; id < kVerdicts; ++id) {
      verdicts.Add(id, KernelVerdict::kAccept, 0x01000000);
    }
    benchmark::DoNotOptimize(verdicts.bytes().data());
    verdicts.Clear();
  }
  per_packet.Report(kVerdicts);
}

// A packet from the kernel as the decider sees it.
class Shown {
 public:
  explicit Shown(int64_t version)
      : datagram_(bench::QueuedMessage(static_cast<int>(version))),
        family_(version == 4 ? v1::FAMILY_IPV4 : v1::FAMILY_IPV6) {
    DecodeQueueDatagram(datagram_, taker_);
  }
  std::unique_ptr<v1::Packet> Make() {
    PacketHeaders headers;
    headers.family = family_;
    ParseHeaders(family_, taker_.packet.payload, taker_.packet.original_length, headers);
    return messages_.Make(taker_.packet, headers, kLargestCopyRange, 0xff000000, 1);
  }
  void Recycle(std::unique_ptr<v1::Packet> message) { messages_.Recycle(std::move(message)); }

 private:
  const std::vector<uint8_t> datagram_;
  const v1::Family family_;
  Taker taker_;
  PacketMessages messages_{nullptr, nullptr};
};

// Reads the headers and fills the message, which held another packet before.
void MakeMessage(benchmark::State& state) {
  Shown shown(state.range(0));
  shown.Recycle(shown.Make());
  PerPacket per_packet(state);
  for (auto _ : state) {
    auto message = shown.Make();
    benchmark::DoNotOptimize(message.get());
    shown.Recycle(std::move(message));
  }
  per_packet.Report(1);
}

// As gRPC does, but into memory that exists already.
void SerializeBatch(benchmark::State& state) {
  Shown shown(4);
  v1::DecideRequest request;
  for (int64_t i = 0; i < state.range(0); ++i) {
    auto message = shown.Make();
    message->set_transaction_id(static_cast<uint64_t>(i));
    request.mutable_packets()->mutable_packets()->AddAllocated(message.release());
  }
  std::string bytes;
  request.SerializeToString(&bytes);
  PerPacket per_packet(state);
  for (auto _ : state) {
    request.SerializeToString(&bytes);
    benchmark::DoNotOptimize(bytes.data());
  }
  state.counters["bytes/packet"] =
      static_cast<double>(bytes.size()) / static_cast<double>(state.range(0));
  per_packet.Report(state.range(0));
}

std::string Answers(int64_t packets) {
  v1::DecideResponse response;
  for (int64_t i = 0; i < packets; ++i) {
    v1::Verdict& verdict = *response.mutable_verdicts()->add_verdicts();
    verdict.set_transaction_id(static_cast<uint64_t>(i));
    verdict.set_action(v1::ACTION_ACCEPT);
    verdict.set_reason("rule 99, line 99");
  }
  return response.SerializeAsString();
}

// As gRPC does for each message, but into one that held other verdicts before.
void ParseVerdicts(benchmark::State& state) {
  const std::string bytes = Answers(state.range(0));
  ArenaMessage<v1::DecideResponse> response;
  PerPacket per_packet(state);
  for (auto _ : state) {
    response.Clear();
    response.get()->ParseFromString(bytes);
    benchmark::DoNotOptimize(response.get());
  }
  per_packet.Report(state.range(0));
}

BENCHMARK(DecodeKernelMessage);
BENCHMARK(EncodeVerdicts);
BENCHMARK(MakeMessage)->Arg(4)->Arg(6);
BENCHMARK(SerializeBatch)->Arg(1)->Arg(20);
BENCHMARK(ParseVerdicts)->Arg(1)->Arg(20);

}  // namespace
}  // namespace sluice::agent

BENCHMARK_MAIN();
