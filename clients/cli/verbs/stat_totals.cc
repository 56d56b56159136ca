#include "clients/cli/verbs/stat_totals.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

namespace sluice::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Adds all 64-bit counters, including those in Settled.
void AddCounters(const Message& from, Message* to) {
  const google::protobuf::Descriptor& type = *from.GetDescriptor();
  const Reflection& reflection = *from.GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* const field = type.field(i);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
      reflection.SetUInt64(to, field,
                           reflection.GetUInt64(*to, field) + reflection.GetUInt64(from, field));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
               field->message_type() == v1::Settled::descriptor()) {
      AddCounters(reflection.GetMessage(from, field), reflection.MutableMessage(to, field));
    }
  }
}

uint64_t Both(const v1::Settled& settled) { return settled.dropped() + settled.accepted(); }

}  // namespace

v1::QueueStats Sum(const v1::GatewayStats& stats) {
  v1::QueueStats sum;
  for (const v1::QueueStats& queue : stats.queues()) AddCounters(queue, &sum);
  return sum;
}

std::vector<CauseTotals> CausesOf(const v1::QueueStats& queue) {
  std::vector<CauseTotals> causes = {{"verdict", queue.dropped(), queue.accepted()}};
  const google::protobuf::Descriptor& type = *v1::QueueStats::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* const field = type.field(i);
    if (field->message_type() != v1::Settled::descriptor()) continue;
    const Message& settled = queue.GetReflection()->GetMessage(queue, field);
    const auto* const totals = google::protobuf::DynamicCastToGenerated<v1::Settled>(&settled);
    causes.push_back({field->name().c_str(), totals->dropped(), totals->accepted()});
  }
  return causes;
}

ScreenTotals ScreenOf(const v1::QueueStats& queue) {
  ScreenTotals screen;
  screen.packets = queue.received() + queue.kernel_queue_full();
  screen.nobuffer = queue.kernel_queue_full() + Both(queue.table_full());
  screen.accept = queue.accepted();
  screen.reject = queue.dropped();
  screen.badsync = Both(queue.badsync());
  screen.stale = Both(queue.stale());
  screen.queued = queue.pending();
  screen.other = AccountedFor(queue) - screen.accept - screen.reject - screen.badsync -
                 screen.stale - screen.queued - Both(queue.table_full());
  return screen;
}

std::optional<uint64_t> Unheard(const v1::GatewayStats& stats) {
  if (!stats.has_unheard()) return std::nullopt;
  return Both(stats.unheard());
}

std::optional<uint64_t> LostByKernel(const v1::GatewayStats& stats) {
  if (!stats.has_unheard()) return std::nullopt;
  uint64_t found = Both(stats.unheard()) - Both(stats.unheard_before());
  const bool let_pass = stats.unheard().accepted() > stats.unheard_before().accepted();
  for (const v1::QueueStats& queue : stats.queues()) {
    if (queue.segmented() || queue.requeued() > 0 || !queue.has_kernel()) return std::nullopt;
    if (let_pass && queue.numbered() > queue.received()) return std::nullopt;
    found += queue.numbered() + queue.kernel_queue_full();
  }
  const uint64_t handed = stats.asked() - stats.asked_before();
  // The queues are read last and may have counted more packets by then.
  return handed > found ? handed - found : 0;
}

uint64_t AccountedFor(const v1::QueueStats& queue) {
  uint64_t sum = queue.requeued() + queue.repeated() + queue.pending();
  for (const CauseTotals& cause : CausesOf(queue)) sum += cause.dropped + cause.accepted;
  return sum;
}

}  // namespace sluice::cli
