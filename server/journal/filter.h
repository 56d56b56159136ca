#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

// A v1::ObserveFilter made ready to match. Immutable; any thread may call.
class Filter final {
 public:
  // INVALID_ARGUMENT, naming the field, for a filter that can never match.
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
  std::vector<uint32_t> protocols_;
  std::optional<Prefix> source_;
  std::optional<Prefix> destination_;
  std::optional<Prefix> address_;
  std::optional<uint32_t> source_port_;
  std::optional<uint32_t> destination_port_;
  std::optional<uint32_t> port_;
};

}  // namespace sluice::server
