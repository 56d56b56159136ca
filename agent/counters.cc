#include "agent/counters.h"

namespace sluice::agent {

void Counters::Fill(v1::QueueStats& stats) const {
  const auto fill = [this](v1::Cause cause, v1::Settled& settled) {
    settled.set_dropped(settled_[cause][Index(Passed::kDropped)]);
    settled.set_accepted(settled_[cause][Index(Passed::kAccepted)]);
  };
  stats.set_received(received_);
  stats.set_accepted(settled_[v1::CAUSE_VERDICT][Index(Passed::kAccepted)]);
  stats.set_dropped(settled_[v1::CAUSE_VERDICT][Index(Passed::kDropped)]);
  stats.set_requeued(settled_[v1::CAUSE_VERDICT][Index(Passed::kRequeued)]);
  stats.set_repeated_hook(settled_[v1::CAUSE_VERDICT][Index(Passed::kRepeated)]);
  fill(v1::CAUSE_STALE, *stats.mutable_stale());
  fill(v1::CAUSE_TABLE_FULL, *stats.mutable_table_full());
  fill(v1::CAUSE_NO_DECIDER, *stats.mutable_no_decider());
  fill(v1::CAUSE_FAMILY_UNASKED, *stats.mutable_family_unasked());
  fill(v1::CAUSE_BADSYNC, *stats.mutable_badsync());
  fill(v1::CAUSE_MALFORMED, *stats.mutable_malformed());
  fill(v1::CAUSE_INVALID_VERDICT, *stats.mutable_invalid_verdict());
  fill(v1::CAUSE_SEND_FAILED, *stats.mutable_send_failed());
  fill(v1::CAUSE_FLUSHED, *stats.mutable_flushed());
  fill(v1::CAUSE_MODE_OFF, *stats.mutable_mode_off());
  stats.set_late(late);
  stats.set_duplicate(duplicate);
  stats.set_unknown(unknown);
  stats.set_wrong_owner(wrong_owner);
  stats.set_held(held);
  stats.set_asked_again(asked_again);
  stats.set_shadow_refused(shadow_refused);
  stats.set_unnotified(unnotified);
}

}  // namespace sluice::agent
