#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>

#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// What `policy test` counted: packets by rule. One thread.
class PolicyTestReport final {
 public:
  void Count(const v1::PolicyRuling& ruling);

  uint64_t packets() const { return packets_; }

  // "12 packets: 10 accepted, 2 dropped", then a line for each rule that decided, in rule order.
  void Print(std::ostream& out, bool color) const;
  // The same as one line of JSON; `others` counts frames without an IP packet, `incomplete`
  // datagrams that lack fragments.
  std::string ToJsonLine(uint64_t others, uint64_t incomplete) const;

 private:
  struct Rule {
    std::string reason;
    bool accepts = false;
    uint64_t packets = 0;
  };

  // By rule number; the default, which has no number, and malformed packets come last.
  std::map<std::pair<uint64_t, std::string>, Rule> rules_;
  uint64_t packets_ = 0;
  uint64_t accepted_ = 0;
};

}  // namespace sluice::cli
