#pragma once

#include <cstdint>
#include <optional>

#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// Whether the gateway is to go back to an earlier mode, and when: a mode that has to be confirmed
// reverts to the last one that was set for good. A value; times are nanoseconds of one clock.
class ModeConfirmation final {
 public:
  // `mode` was set after `before`: to be confirmed if `within_ns` says in what time, else for good,
  // which also confirms a mode that waited for that.
  void Set(v1::Mode before, v1::Mode mode, std::optional<int64_t> within_ns, int64_t now) {
    const v1::Mode confirmed = reverts_at_ ? revert_to_ : before;
    reverts_at_.reset();
    if (!within_ns || mode == confirmed) return;
    reverts_at_ = now + *within_ns;
    revert_to_ = confirmed;
  }

  // Going back has failed: it is tried again at `until`.
  void Postpone(int64_t until) { reverts_at_ = until; }

  // Nothing: the mode stays.
  std::optional<int64_t> reverts_at() const { return reverts_at_; }
  // Only while reverts_at() is something.
  v1::Mode revert_to() const { return revert_to_; }

 private:
  std::optional<int64_t> reverts_at_;
  v1::Mode revert_to_ = v1::MODE_UNSPECIFIED;
};

}  // namespace sluice::agent
