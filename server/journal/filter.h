#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "sluice/v1/observe.pb.h"

namespace sluice::server {

// The properties a filter looks at. The views need to live only for the call.
struct Traits {
  v1::Family family = v1::FAMILY_UNSPECIFIED;
  std::optional<uint32_t> protocol;
  std::string_view source;       // 4 or 16 bytes, or empty if not known.
  std::string_view destination;  // The same.
  std::optional<uint32_t> source_port;
  std::optional<uint32_t> destination_port;
};

// Numbers an observer wants: protocols, or values of an enum. Matching costs the same however many
// there are, because it is done where packets wait.
class NumberSet final {
 public:
  static constexpr uint32_t kMost = 255;

  // `number` is at most kMost.
  void Add(uint32_t number) {
    numbers_.set(number);
    all_ = false;
  }
  // An empty set has every number.
  bool Has(uint32_t number) const { return all_ || (number <= kMost && numbers_[number]); }
  bool all() const { return all_; }

 private:
  std::bitset<kMost + 1> numbers_;
  bool all_ = true;
};

// A v1::ObserveFilter made ready to match. Immutable; any thread may call.
class Filter final {
 public:
  // More gateways than one server has; each takes memory for as long as the observer is there.
  static constexpr int kMostGateways = 4096;

  // INVALID_ARGUMENT, naming the field, for a filter that can never match, and for more than
  // kMostGateways.
  static absl::StatusOr<Filter> Create(const v1::ObserveFilter& filter);

  bool MatchesGateway(const std::string& gateway) const;
  bool Matches(const Traits& traits) const;

 private:
  struct Prefix {
    std::string address;
    uint32_t length;
    bool Contains(std::string_view other) const;
  };

  Filter() = default;
  static absl::StatusOr<std::optional<Prefix>> ToPrefix(const char* field, bool present,
                                                        const v1::Prefix& prefix,
                                                        v1::Family family);

  absl::flat_hash_set<std::string> gateways_;
  v1::Family family_ = v1::FAMILY_UNSPECIFIED;
  NumberSet protocols_;
  std::optional<Prefix> source_;
  std::optional<Prefix> destination_;
  std::optional<Prefix> address_;
  std::optional<uint32_t> source_port_;
  std::optional<uint32_t> destination_port_;
  std::optional<uint32_t> port_;
};

}  // namespace sluice::server
