#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "agent/mode/mode_switch.h"
#include "agent/mode/restore_pace.h"
#include "agent/netfilter/table/table_monitor.h"
#include "agent/streams/wakeup.h"

namespace sluice::agent {

// Watches over the agent's rules: when others alter them or flush the ruleset, where the kernel
// lets them (table_hold.h), it puts the rules back and counts. Until then, with fail_mode closed,
// the guard drops packets, unless it is gone too: so it acts at once, up to RestorePace's limit.
// Owns a thread.
class TableRestorer final {
 public:
  // `mode` is not owned.
  TableRestorer(std::unique_ptr<TableMonitor> monitor, uint32_t our_port_id, ModeSwitch* mode);
  // Stops.
  ~TableRestorer();

  // Joins: the rules stay as they are from here on.
  void Stop();

  // Times the rules were found altered or gone, and put back.
  uint64_t lost() const { return lost_.load(); }

 private:
  void Run();
  // Puts the rules back; false: to be tried again.
  bool Restore(const std::string& by);

  const std::unique_ptr<TableMonitor> monitor_;
  const uint32_t our_port_id_;
  ModeSwitch* const mode_;  // Not owned.
  Wakeup wakeup_;
  // Used by the thread only.
  RestorePace pace_;
  bool refused_ = false;  // The kernel refused to take the rules back, and that was logged.
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> lost_ = 0;
  std::thread thread_;  // The last member: it uses the others.
};

}  // namespace sluice::agent
