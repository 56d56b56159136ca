#pragma once

#include <string_view>

#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// Collects answers that could not be carried out until their decider can be told. One thread.
class VerdictErrorList final {
 public:
  void Add(uint64_t transaction_id, v1::VerdictError error, std::string_view text,
           int system_errno = 0) {
    if (errors_.entries_size() == kAtMost) {
      errors_.set_suppressed(errors_.suppressed() + 1);
      return;
    }
    v1::VerdictErrors::Entry& entry = *errors_.add_entries();
    entry.set_transaction_id(transaction_id);
    entry.set_error(error);
    entry.set_system_errno(system_errno);
    entry.set_text(text.data(), text.size());
  }

  // Moves them to `errors`; false if there are none.
  bool Take(v1::VerdictErrors& errors) {
    if (errors_.entries_size() == 0) return false;
    errors.Swap(&errors_);
    errors_.Clear();
    return true;
  }

  void Clear() { errors_.Clear(); }

 private:
  // decision.proto, VerdictErrors.
  static constexpr int kAtMost = 16;

  v1::VerdictErrors errors_;
};

}  // namespace sluice::agent
