#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "agent/mode_switch.h"
#include "agent/netfilter/table_monitor.h"
#include "agent/restore_pace.h"
#include "agent/wakeup.h"

namespace sluice::agent {

// Watches over the agent's rules: when others alter them or flush the ruleset, where the kernel
// lets them (table_hold.h), it puts them back and counts. Meanwhile, in closed mode, the guard
// holds, or where that is gone too nothing does: so it acts at once, up to RestorePace's limit.
// Owns a thread.
class HookGuard final {
 public:
  // `mode` is not owned.
  HookGuard(std::unique_ptr<TableMonitor> monitor, uint32_t our_port_id, ModeSwitch* mode);
  // Stops and joins.
  ~HookGuard();

  // Times the rules were found altered or gone, and put back.
  uint64_t lost() const { return lost_.load(); }

 private:
  void Run();
  // Puts them back; false: to be tried again.
  bool Restore(const std::string& by);

  const std::unique_ptr<TableMonitor> monitor_;
  const uint32_t our_port_id_;
  ModeSwitch* const mode_;  // Not owned.
  Wakeup wakeup_;
  // The thread's.
  RestorePace pace_;
  bool refused_ = false;  // The kernel refused to take them back, and that was logged.
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> lost_ = 0;
  std::thread thread_;  // The last member: it uses the others.
};

}  // namespace sluice::agent
