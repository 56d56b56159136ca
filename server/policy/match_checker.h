#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "server/policy/bpf_program.h"
#include "server/policy/checked_policy.h"
#include "server/policy/problems.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// Characters the expressions of one policy may have in all, those of equal ones counted once.
// libpcap takes up to half a millisecond a character to make a program of a long one.
inline constexpr size_t kMostMatchText = 65'536;

// Makes the expressions behind `match` ready, each once however many rules have it. Lives as long
// as one check; one thread.
class MatchChecker final {
 public:
  explicit MatchChecker(Problems* problems /* Not owned. */) : problems_(problems) {}

  MatchTerm Read(const Word& expression);

 private:
  Problems* const problems_;
  std::map<std::string, std::shared_ptr<const BpfProgram>, std::less<>> programs_;
  size_t text_ = 0;
};

}  // namespace sluice::server::policy
