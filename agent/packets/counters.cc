#include "agent/packets/counters.h"

namespace sluice::agent {

namespace {

// Where a cause is counted; null for CAUSE_VERDICT, which has fields of its own. A new cause does
// not compile until it is named here.
v1::Settled* SettledOf(v1::Cause cause, v1::QueueStats& stats) {
  switch (cause) {
    case v1::CAUSE_STALE:
      return stats.mutable_stale();
    case v1::CAUSE_TABLE_FULL:
      return stats.mutable_table_full();
    case v1::CAUSE_NO_DECIDER:
      return stats.mutable_no_decider();
    case v1::CAUSE_FAMILY_UNASKED:
      return stats.mutable_family_unasked();
    case v1::CAUSE_BADSYNC:
      return stats.mutable_badsync();
    case v1::CAUSE_MALFORMED:
      return stats.mutable_malformed();
    case v1::CAUSE_INVALID_VERDICT:
      return stats.mutable_invalid_verdict();
    case v1::CAUSE_SEND_FAILED:
      return stats.mutable_send_failed();
    case v1::CAUSE_FLUSHED:
      return stats.mutable_flushed();
    case v1::CAUSE_MODE_OFF:
      return stats.mutable_mode_off();
    case v1::CAUSE_UNSPECIFIED:
    case v1::CAUSE_VERDICT:
    case v1::Cause_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Cause_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return nullptr;
}

}  // namespace

void Counters::Fill(v1::QueueStats& stats) const {
  stats.set_received(received_);
  stats.set_accepted(settled_[v1::CAUSE_VERDICT][Index(Disposition::kAccepted)]);
  stats.set_dropped(settled_[v1::CAUSE_VERDICT][Index(Disposition::kDropped)]);
  stats.set_requeued(settled_[v1::CAUSE_VERDICT][Index(Disposition::kRequeued)]);
  stats.set_repeated(settled_[v1::CAUSE_VERDICT][Index(Disposition::kRepeated)]);
  for (size_t cause = 0; cause < settled_.size(); ++cause) {
    if (v1::Settled* const settled = SettledOf(static_cast<v1::Cause>(cause), stats)) {
      settled->set_dropped(settled_[cause][Index(Disposition::kDropped)]);
      settled->set_accepted(settled_[cause][Index(Disposition::kAccepted)]);
    }
  }
  stats.set_late(late);
  stats.set_duplicate(duplicate);
  stats.set_unknown(unknown);
  stats.set_wrong_owner(wrong_owner);
  stats.set_held(held);
  stats.set_asked_again(asked_again);
  stats.set_shadow_dropped(shadow_dropped);
  stats.set_unnotified(unnotified);
}

}  // namespace sluice::agent
