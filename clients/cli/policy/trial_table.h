#pragma once

#include <map>
#include <ostream>
#include <string>
#include <utility>

#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// What a ruling does, in a few words: "drop tcp_reset log".
std::string RulingWords(const v1::PolicyRuling& ruling);

// What a trial has found so far, from the server's report of each second. Used by one thread.
class TrialTable final {
 public:
  void Take(const v1::TryPolicyResponse& response);

  uint64_t packets() const { return last_.packets(); }

  // Prints at most `rows` differences, the most frequent first, and the number of packets.
  void Print(size_t rows, bool color, std::ostream& out) const;

 private:
  // What the policy in force and the policy on trial say, with their rules.
  using Key = std::pair<std::string, std::string>;

  v1::TryPolicyResponse last_;
  std::map<Key, v1::PolicyDifference> differences_;  // At most as many as the server tells apart.
};

}  // namespace sluice::cli
