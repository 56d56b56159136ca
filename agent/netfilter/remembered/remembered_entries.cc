#include "agent/netfilter/remembered/remembered_entries.h"

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/netlink_attributes.h"
#include "agent/netfilter/nftables/table_rule.h"

namespace sluice::agent {
namespace {

// Other programs change rules in bursts, and each change interrupts the dump of a set.
constexpr int kAttempts = 16;

// NFTA_SET_COUNT of linux/netfilter/nf_tables.h, from Linux 6.16 on.
constexpr uint16_t kSetCount = 20;
static_assert(kSetCount < NetlinkAttributes::kMax);

std::optional<SetElement> ElementOf(const nlattr* nest) {
  const NetlinkAttributes attributes(nest);
  SetElement element;
  element.key =
      std::string(NetlinkAttributes(attributes.Nest(NFTA_SET_ELEM_KEY)).Bytes(NFTA_DATA_VALUE));
  const absl::string_view value =
      NetlinkAttributes(attributes.Nest(NFTA_SET_ELEM_DATA)).Bytes(NFTA_DATA_VALUE);
  if (element.key.empty() || value.size() != sizeof(element.value)) return std::nullopt;
  std::memcpy(&element.value, value.data(), sizeof(element.value));
  element.expires_in_ms = attributes.U64(NFTA_SET_ELEM_EXPIRATION);
  return element;
}

bool MayHold(const RememberedSet& set, const std::vector<RememberedSlot>& slots) {
  return std::any_of(slots.begin(), slots.end(),
                     [&](const RememberedSlot& slot) { return slot.kind.scope == set.scope; });
}

uint16_t Port(absl::string_view part) {
  return static_cast<uint16_t>(static_cast<uint8_t>(part[0]) << 8 | static_cast<uint8_t>(part[1]));
}

// In host order, from the whole part or from its first two bytes.
template <typename Number>
Number NumberIn(absl::string_view part) {
  Number number = 0;
  std::memcpy(&number, part.data(), sizeof(number));
  return number;
}

void Take(KeyPart part, absl::string_view bytes, RememberedEntry& entry) {
  switch (part) {
    case KeyPart::kSource:
      entry.source = std::string(bytes);
      return;
    case KeyPart::kDestination:
      entry.destination = std::string(bytes);
      return;
    case KeyPart::kProtocol:
      entry.protocol = static_cast<uint8_t>(bytes[0]);
      return;
    case KeyPart::kSourcePort:
      entry.source_port = Port(bytes);
      return;
    case KeyPart::kDestinationPort:
      entry.destination_port = Port(bytes);
      return;
    case KeyPart::kInput:
      entry.input_ifindex = NumberIn<uint32_t>(bytes);
      return;
    case KeyPart::kOutput:
      entry.output_ifindex = NumberIn<uint32_t>(bytes);
      return;
    case KeyPart::kZone:
      entry.zone = NumberIn<uint16_t>(bytes);
      return;
    case KeyPart::kConnectionId:  // Entries with these parts are not shown.
    case KeyPart::kConnectionMark:
      return;
  }
}

}  // namespace

void ForEachElement(const nlmsghdr* message, absl::FunctionRef<void(const SetElement&)> take) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg)) return;
  if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM)) return;
  const NetlinkAttributes list(message);
  const nlattr* elements = list.Nest(NFTA_SET_ELEM_LIST_ELEMENTS);
  if (elements == nullptr) return;
  mnl_attr_parse_nested(
      elements,
      [](const nlattr* nest, void* data) {
        const std::optional<SetElement> element = ElementOf(nest);
        if (element) (*static_cast<decltype(take)*>(data))(*element);
        return MNL_CB_OK;
      },
      &take);
}

std::optional<RememberedEntry> EntryOf(const RememberedSet& set, const SetElement& element,
                                       uint32_t mark_mask,
                                       const std::vector<RememberedSlot>& slots) {
  if (element.key.size() != set.key_length()) return std::nullopt;
  RememberedEntry entry;
  entry.scope = set.scope;
  entry.expires_in_ms = element.expires_in_ms;
  absl::string_view rest = element.key;
  for (const KeyPart part : set.parts) {
    Take(part, rest.substr(0, set.SizeOf(part)), entry);
    rest.remove_prefix(set.SizeOf(part));
  }
  if (element.value == DecidedBit(mark_mask)) {
    entry.accept = true;
    return entry;
  }
  if (set.scope == RememberedScope::kConnection) {
    for (const RememberedSlot& slot : slots) {
      if (SlotMark(mark_mask, slot) != element.value) continue;
      entry.notice = slot.kind.notice;
      return entry;
    }
    return std::nullopt;
  }
  for (uint32_t code = 0; code < kFirstDropSlot; ++code) {
    if (DropMark(mark_mask, code) != element.value) continue;
    entry.notice = static_cast<Notice>(code);
    return entry;
  }
  return std::nullopt;
}

std::optional<uint32_t> CountIn(const nlmsghdr* message) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg)) return std::nullopt;
  if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET)) return std::nullopt;
  const NetlinkAttributes set(message);
  if (set.Nest(kSetCount) == nullptr) return std::nullopt;
  return set.U32(kSetCount);
}

absl::StatusOr<size_t> CountRememberedEntries(uint32_t mark_mask,
                                              const std::vector<RememberedSlot>& slots,
                                              TableSocket& socket) {
  size_t total = 0;
  for (const RememberedSet& set : kRememberedSets) {
    if (!MayHold(set, slots)) continue;
    alignas(nlmsghdr) std::array<char, 512> request;
    const uint32_t sequence = socket.ReserveSequence(1);
    nlmsghdr* message =
        nftnl_nlmsg_build_hdr(request.data(), NFT_MSG_GETSET, NFPROTO_INET, NLM_F_ACK, sequence);
    mnl_attr_put_strz(message, NFTA_SET_TABLE, kTableName);
    mnl_attr_put_strz(message, NFTA_SET_NAME, set.name);
    std::optional<uint32_t> count;
    const TableRefusal refusal =
        socket.Exchange(absl::string_view(request.data(), message->nlmsg_len), sequence, sequence,
                        [&](const nlmsghdr* answer) { count = CountIn(answer); });
    // ENOENT: somebody deleted the table.
    if (refusal.error == ENOENT) return 0;
    if (refusal.error != 0) return TableError(refusal.error, absl::StrCat("set ", set.name));
    if (!count) {
      const auto entries = ReadRememberedEntries(mark_mask, slots, /*limit=*/0, socket);
      if (!entries.ok()) return entries.status();
      return entries->size();
    }
    total += *count;
  }
  return total;
}

absl::StatusOr<std::vector<RememberedEntry>> ReadRememberedEntries(
    uint32_t mark_mask, const std::vector<RememberedSlot>& slots, size_t limit,
    TableSocket& socket) {
  std::vector<RememberedEntry> entries;
  for (const RememberedSet& set : kRememberedSets) {
    if (!MayHold(set, slots)) continue;
    const size_t before = entries.size();
    TableRefusal refusal;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      entries.resize(before);
      alignas(nlmsghdr) std::array<char, 512> request;
      const uint32_t sequence = socket.ReserveSequence(1);
      nlmsghdr* message = nftnl_nlmsg_build_hdr(request.data(), NFT_MSG_GETSETELEM, NFPROTO_INET,
                                                NLM_F_DUMP, sequence);
      mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, kTableName);
      mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.name);
      const auto take = [&](const SetElement& element) {
        if (limit != 0 && entries.size() >= limit) return;
        auto entry = EntryOf(set, element, mark_mask, slots);
        if (entry) entries.push_back(*std::move(entry));
      };
      refusal =
          socket.Exchange(absl::string_view(request.data(), message->nlmsg_len), sequence, sequence,
                          [&](const nlmsghdr* answer) { ForEachElement(answer, take); });
      if (refusal.error != EINTR) break;
    }
    // ENOENT: somebody deleted the table.
    if (refusal.error == ENOENT) return std::vector<RememberedEntry>();
    if (refusal.error != 0) return TableError(refusal.error, absl::StrCat("set ", set.name));
  }
  return entries;
}

}  // namespace sluice::agent
