#include "agent/netfilter/remembered/remembered_sets.h"

#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/nftables/table_rule.h"

namespace sluice::agent {
namespace {

// The parts that people look for come first: nft(8) prints only five parts of a key.
constexpr KeyPart kSourceParts[] = {KeyPart::kSource, KeyPart::kInput, KeyPart::kZone};
constexpr KeyPart kPeerParts[] = {
    KeyPart::kSource, KeyPart::kDestination, KeyPart::kProtocol, KeyPart::kDestinationPort,
    KeyPart::kInput,  KeyPart::kOutput,      KeyPart::kZone};
constexpr KeyPart kConnectionParts[] = {
    KeyPart::kSource,          KeyPart::kDestination, KeyPart::kProtocol, KeyPart::kSourcePort,
    KeyPart::kDestinationPort, KeyPart::kInput,       KeyPart::kOutput,   KeyPart::kZone};
constexpr KeyPart kSavedParts[] = {KeyPart::kConnectionId};
constexpr KeyPart kMarkParts[] = {KeyPart::kConnectionMark, KeyPart::kInput, KeyPart::kOutput};

// nft's numbers for the types of keys and data. It stores them with a set, to print the set by. The
// kernel keeps the numbers but does not interpret them.
constexpr uint32_t kIpv4Address = 7;
constexpr uint32_t kIpv6Address = 8;
constexpr uint32_t kProtocol = 12;
constexpr uint32_t kService = 13;
constexpr uint32_t kMark = 19;
constexpr uint32_t kInterface = 20;

uint32_t TypeOf(KeyPart part, bool ipv6) {
  switch (part) {
    case KeyPart::kSource:
    case KeyPart::kDestination:
      return ipv6 ? kIpv6Address : kIpv4Address;
    case KeyPart::kProtocol:
      return kProtocol;
    case KeyPart::kSourcePort:
    case KeyPart::kDestinationPort:
      return kService;
    case KeyPart::kInput:
    case KeyPart::kOutput:
      return kInterface;
    case KeyPart::kZone:  // Numbers in host order; nft has no name for these.
    case KeyPart::kConnectionId:
    case KeyPart::kConnectionMark:
      return kMark;
  }
  return 0;
}

// Six bits a part.
uint32_t KeyType(const RememberedSet& set) {
  constexpr size_t kPrinted = 5;
  uint32_t type = 0;
  for (const KeyPart part : set.parts.first(std::min(kPrinted, set.parts.size()))) {
    type = type << 6 | TypeOf(part, set.ipv6);
  }
  return type;
}

struct Free {
  void operator()(nftnl_set* set) const { nftnl_set_free(set); }
};
using SetPtr = std::unique_ptr<nftnl_set, Free>;

SetPtr NewSet(const RememberedSet& made) {
  SetPtr set(nftnl_set_alloc());
  nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTableName);
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, made.name);
  return set;
}

void Add(const RememberedSet& made, uint16_t type, uint16_t flags, nftnl_set* set,
         TableTransaction& transaction) {
  transaction.Add(absl::StrCat("set ", made.name), type, flags,
                  [set](nlmsghdr* message) { nftnl_set_nlmsg_build_payload(message, set); });
}

}  // namespace

uint32_t RememberedSet::SizeOf(KeyPart part) const {
  const bool address = part == KeyPart::kSource || part == KeyPart::kDestination;
  return address && ipv6 ? 16 : 4;
}

uint32_t RememberedSet::key_length() const {
  uint32_t length = 0;
  for (const KeyPart part : parts) length += SizeOf(part);
  return length;
}

const std::array<RememberedSet, 6> kRememberedSets = {{
    {"sources4", RememberedScope::kSource, false, kSourceParts},
    {"sources6", RememberedScope::kSource, true, kSourceParts},
    {"peers4", RememberedScope::kPeer, false, kPeerParts},
    {"peers6", RememberedScope::kPeer, true, kPeerParts},
    {"connections4", RememberedScope::kConnection, false, kConnectionParts},
    {"connections6", RememberedScope::kConnection, true, kConnectionParts},
}};

const RememberedSet kSavedConnections = {"saved", RememberedScope::kConnection, false, kSavedParts};

const RememberedSet kConnectionMarks = {"marks", RememberedScope::kConnection, false, kMarkParts};

const RememberedSet& RememberedSetOf(RememberedScope scope, bool ipv6) {
  for (const RememberedSet& set : kRememberedSets) {
    if (set.scope == scope && set.ipv6 == ipv6) return set;
  }
  return kRememberedSets[0];  // Not reached: there is one of each.
}

void AddSet(const RememberedSet& made, uint32_t limit, TableTransaction& transaction) {
  const SetPtr set = NewSet(made);
  nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, NFT_SET_MAP | NFT_SET_TIMEOUT | NFT_SET_EVAL);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, KeyType(made));
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, made.key_length());
  nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_TYPE, kMark);
  nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_LEN, sizeof(uint32_t));
  nftnl_set_set_u32(set.get(), NFTNL_SET_DESC_SIZE, limit);
  // Rules of the same transaction may refer to a set by this number. Ours refer to it by name, but
  // the kernel requires a number.
  nftnl_set_set_u32(set.get(), NFTNL_SET_ID, 1);
  Add(made, NFT_MSG_NEWSET, NLM_F_CREATE, set.get(), transaction);
}

void AddRememberedSets(uint32_t limit, TableTransaction& transaction) {
  static_assert(kRememberedSetCount == kRememberedSets.size() + 2);
  for (const RememberedSet& set : kRememberedSets) AddSet(set, limit, transaction);
  AddSet(kSavedConnections, limit, transaction);
  AddSet(kConnectionMarks, 2 * kConnectionMarkCount, transaction);
}

void DeleteRememberedSets(TableTransaction& transaction) {
  const auto remove = [&](const RememberedSet& made) {
    Add(made, NFT_MSG_DELSET, 0, NewSet(made).get(), transaction);
  };
  for (const RememberedSet& set : kRememberedSets) remove(set);
  remove(kSavedConnections);
  remove(kConnectionMarks);
}

void AddConnectionMarks(const std::vector<std::array<uint32_t, 3>>& keys, uint32_t value,
                        TableTransaction& transaction) {
  const SetPtr set = NewSet(kConnectionMarks);
  for (const std::array<uint32_t, 3>& key : keys) {
    nftnl_set_elem* element = nftnl_set_elem_alloc();
    nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key.data(), sizeof(key));
    nftnl_set_elem_set(element, NFTNL_SET_ELEM_DATA, &value, sizeof(value));
    nftnl_set_elem_add(set.get(), element);
  }
  transaction.Add(
      absl::StrCat("set ", kConnectionMarks.name), NFT_MSG_NEWSETELEM, NLM_F_CREATE,
      [&](nlmsghdr* message) { nftnl_set_elems_nlmsg_build_payload(message, set.get()); });
}

}  // namespace sluice::agent
