#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/language/syntax.h"
#include "server/policy/terms/bpf_program.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Most characters that the expressions of one policy may have in all; equal expressions count once.
// libpcap takes up to half a millisecond a character to compile a long one.
inline constexpr size_t kMostMatchText = 65'536;

// Compiles the expressions of `match`, each once however many rules have it. Lives as long as one
// check; one thread.
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
