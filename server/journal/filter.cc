#include "server/journal/filter.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

absl::Status CheckPort(const char* field, bool present, uint32_t port) {
  if (!present || port <= 65535) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("filter.", field, ": ", port, " is not a port; 0 to 65535 are allowed"));
}

}  // namespace

absl::StatusOr<Filter> Filter::Create(const v1::ObserveFilter& filter) {
  Filter made;
  if (filter.gateways_size() > kMostGateways) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter.gateways: ", filter.gateways_size(), " gateways; at most ",
                     kMostGateways, " are allowed; none at all means every gateway"));
  }
  made.gateways_.insert(filter.gateways().begin(), filter.gateways().end());
  made.family_ = filter.family();
  if (!v1::Family_IsValid(filter.family())) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter.family: ", static_cast<int>(filter.family()), " is not a family"));
  }
  for (const uint32_t protocol : filter.protocols()) {
    if (protocol > NumberSet::kMost) {
      return absl::InvalidArgumentError(
          absl::StrCat("filter.protocols: ", protocol, " is not a protocol; 0 to 255 are allowed"));
    }
    made.protocols_.Add(protocol);
  }
  for (auto [field, present, prefix, out] :
       {std::tuple{"source", filter.has_source(), &filter.source(), &made.source_},
        std::tuple{"destination", filter.has_destination(), &filter.destination(),
                   &made.destination_},
        std::tuple{"address", filter.has_address(), &filter.address(), &made.address_}}) {
    auto converted = ToPrefix(field, present, *prefix, filter.family());
    if (!converted.ok()) return converted.status();
    *out = *std::move(converted);
  }
  for (const absl::Status& status :
       {CheckPort("source_port", filter.has_source_port(), filter.source_port()),
        CheckPort("destination_port", filter.has_destination_port(), filter.destination_port()),
        CheckPort("port", filter.has_port(), filter.port())}) {
    if (!status.ok()) return status;
  }
  if (filter.has_source_port()) made.source_port_ = filter.source_port();
  if (filter.has_destination_port()) made.destination_port_ = filter.destination_port();
  if (filter.has_port()) made.port_ = filter.port();
  return made;
}

bool Filter::MatchesGateway(const std::string& gateway) const {
  return gateways_.empty() || gateways_.contains(gateway);
}

bool Filter::Matches(const Traits& traits) const {
  if (family_ != v1::FAMILY_UNSPECIFIED && traits.family != family_) return false;
  if (!protocols_.all() && !(traits.protocol && protocols_.Has(*traits.protocol))) return false;
  if (source_port_ && traits.source_port != source_port_) return false;
  if (destination_port_ && traits.destination_port != destination_port_) return false;
  if (port_ && traits.source_port != port_ && traits.destination_port != port_) return false;
  if (source_ && !source_->Contains(traits.source)) return false;
  if (destination_ && !destination_->Contains(traits.destination)) return false;
  return !address_ || address_->Contains(traits.source) || address_->Contains(traits.destination);
}

absl::StatusOr<std::optional<Filter::Prefix>> Filter::ToPrefix(const char* field, bool present,
                                                               const v1::Prefix& prefix,
                                                               v1::Family family) {
  if (!present) return std::nullopt;
  const size_t bytes = prefix.address().size();
  if (bytes != 4 && bytes != 16) {
    return absl::InvalidArgumentError(absl::StrCat("filter.", field, ".address: ", bytes,
                                                   " bytes; IPv4 addresses have 4, IPv6 16"));
  }
  if (prefix.length() > bytes * 8) {
    return absl::InvalidArgumentError(absl::StrCat("filter.", field, ".length: ", prefix.length(),
                                                   " bits; this address has ", bytes * 8));
  }
  if (family != v1::FAMILY_UNSPECIFIED && (family == v1::FAMILY_IPV4) != (bytes == 4)) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter.", field, ".address: of another family than filter.family"));
  }
  return Prefix{prefix.address(), prefix.length()};
}

bool Filter::Prefix::Contains(std::string_view other) const {
  if (other.size() != address.size()) return false;
  const size_t whole = length / 8;
  if (other.compare(0, whole, address, 0, whole) != 0) return false;
  const uint32_t rest = length % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return ((static_cast<uint8_t>(other[whole]) ^ static_cast<uint8_t>(address[whole])) & mask) == 0;
}

}  // namespace sluice::server
