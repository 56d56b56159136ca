#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/raw_agents/raw_agent.h"

namespace sluice::bench {

// Simulated agents on one thread and one epoll. Their heartbeats are spread evenly over the 200 ms,
// as those of agents that started at different times are.
class Fleet final {
 public:
  // Makes `agents` agents, at least one, that are not connected. `shared` is not owned.
  Fleet(uint32_t agents, const RawAgent::Shared* shared);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Connects all, a limited number at a time, until each is up or down.
  void Connect();
  // Every agent that is up keeps this many batches unanswered from now on.
  void Keep(uint32_t in_flight);
  // Lets the agents do what they do for this long, or until `done` is true or all are down.
  void RunFor(int64_t ns, const std::function<bool()>& done = nullptr);

  // Batches of all agents with an unanswered packet.
  size_t pending() const;
  // Packets answered, by agent.
  std::vector<uint64_t> AnsweredByAgent() const;

  uint32_t connected() const { return connected_; }  // Were up at some time.
  uint32_t refused() const { return refused_; }      // Were never up.
  uint32_t lost() const { return connected_ - up_; }
  // How many were refused or lost for each reason.
  const std::map<std::string, uint32_t>& reasons() const { return reasons_; }

 private:
  struct Member {
    std::unique_ptr<RawAgent> agent;
    uint32_t watched = 0;  // Events that epoll watches its socket for.
    bool settled = false;  // Up or down.
    bool counted = false;  // As lost or refused.
  };

  // Waits until something happens, but not beyond `until_ns`, and lets the agents act.
  void Turn(int64_t until_ns);
  void TickDue(int64_t now_ns);
  // Takes note of what an agent has become, and watches its socket for what it waits for.
  void Update(size_t index);

  const int epoll_;
  std::vector<Member> members_;
  uint32_t starting_ = 0;  // Agents that were started and have not settled.
  uint32_t up_ = 0;
  uint32_t connected_ = 0;
  uint32_t refused_ = 0;
  std::map<std::string, uint32_t> reasons_;
  size_t next_tick_ = 0;  // The agent that ticks next,
  int64_t tick_due_ns_;   // and when.
};

}  // namespace sluice::bench
