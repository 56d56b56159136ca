// Netlink datagrams from the kernel's queue, and the verdicts on the packets in them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "agent/netfilter/queue/queue_codec.h"
#include "tests/fuzz/require.h"

namespace sluice::agent {
namespace {

class Checker final : public QueueMessages {
 public:
  explicit Checker(std::span<const uint8_t> datagram) : datagram_(datagram) {}

  void OnPacket(const QueuedPacket& packet) override {
    RequireInside(packet.payload);
    RequireInside(packet.hw_address);
    RequireInside(packet.l2_header);
    const auto& context = packet.security_context;
    RequireInside({reinterpret_cast<const uint8_t*>(context.data()), context.size()});
    Require(packet.has_payload || packet.payload.empty());
    Require(packet.original_length >= packet.payload.size());

    const size_t before = verdicts_.bytes().size();
    const auto mark = packet.mark == 0 ? std::nullopt : std::optional(packet.mark);
    verdicts_.Add(packet.packet_id, KernelVerdict::kAccept, mark, packet.payload);
    const auto verdict = verdicts_.bytes().subspan(before);
    // The payload comes last, padded to a multiple of four bytes.
    const size_t filled = (packet.payload.size() + 3) & ~size_t{3};
    Require(verdict.size() % 4 == 0 && verdict.size() >= filled);
    const auto payload = verdict.last(filled).first(packet.payload.size());
    Require(std::equal(payload.begin(), payload.end(), packet.payload.begin()));
    if (verdicts_.full()) verdicts_.Clear();
  }
  void OnKernelError(uint32_t, int error) override { Require(error > 0); }
  void OnUnreadable() override {}

 private:
  void RequireInside(std::span<const uint8_t> bytes) const {
    if (bytes.empty()) return;
    Require(bytes.data() >= datagram_.data());
    Require(bytes.data() + bytes.size() <= datagram_.data() + datagram_.size());
  }

  const std::span<const uint8_t> datagram_;
  VerdictBuffer verdicts_{7};
};

}  // namespace
}  // namespace sluice::agent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::agent::Checker checker({data, size});
  sluice::agent::DecodeQueueDatagram({data, size}, checker);
  return 0;
}
