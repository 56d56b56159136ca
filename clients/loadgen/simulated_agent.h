#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "clients/loadgen/decide_stream.h"
#include "clients/loadgen/quiet_streams.h"
#include "clients/loadgen/stream.h"

namespace sluice::loadgen {

class SimulatedAgent;

// The owner of agents.
class AgentOwner {
 public:
  // The agent's streams are up.
  virtual void OnUp(SimulatedAgent* agent) = 0;
  // The agent could not connect (`was_up` false) or was lost. Called once; its streams end.
  virtual void OnDown(SimulatedAgent* agent, bool was_up, const std::string& reason) = 0;

 protected:
  ~AgentOwner() = default;
};

// One agent: a gateway's name and its three streams. Used by its worker's thread.
class SimulatedAgent final {
 public:
  // `queue` is not owned, nor are `shared` and `owner`.
  SimulatedAgent(const std::string& gateway, uint64_t incarnation, const std::string& server,
                 grpc::CompletionQueue* queue, const DecideStream::Shared& shared,
                 AgentOwner* owner);
  SimulatedAgent(const SimulatedAgent&) = delete;
  SimulatedAgent& operator=(const SimulatedAgent&) = delete;

  void Start(int64_t now_ns);
  void Tick(int64_t now_ns, int64_t late_ns);
  // Ends all streams that have not ended.
  void Cancel();

  DecideStream& decide() { return decide_; }
  bool up() const { return state_ == State::kUp; }
  // All its streams have ended, or none was started.
  bool ended() const { return open_ == 0; }
  // The server lacks Report or Serve, or both.
  bool only_decides() const { return not_offered_ > 0; }

 private:
  enum class State { kNew, kConnecting, kUp, kDown };

  // Owns one of the streams, and so knows which one an event comes from.
  class Side final : public StreamOwner {
   public:
    Side(SimulatedAgent* agent, std::string call) : agent_(agent), call_(std::move(call)) {}
    void OnWelcome(int64_t now_ns) override;
    void OnEnd(const std::string& reason, int64_t now_ns) override;

   private:
    SimulatedAgent* const agent_;
    const std::string call_;
  };

  std::array<Stream*, 3> Streams() { return {&decide_, &report_, &serve_}; }
  void Settled();

  const v1::AgentIdentity identity_;
  AgentOwner* const owner_;
  Side decide_side_;
  Side report_side_;
  Side serve_side_;
  DecideStream decide_;
  ReportStream report_;
  ServeStream serve_;
  State state_ = State::kNew;
  int open_ = 0;       // Streams started and not ended.
  int unsettled_ = 0;  // Streams neither welcomed nor ended.
  int not_offered_ = 0;
};

}  // namespace sluice::loadgen
