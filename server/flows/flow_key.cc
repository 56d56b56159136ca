#include "server/flows/flow_key.h"

#include <algorithm>

namespace sluice::server {

std::optional<FlowKey> FlowKey::Of(const v1::Flow& flow) {
  const v1::FlowTuple& tuple = flow.original();
  const size_t bytes = tuple.source().size();
  if ((bytes != 4 && bytes != 16) || tuple.destination().size() != bytes) return std::nullopt;
  const v1::Family family = bytes == 4 ? v1::FAMILY_IPV4 : v1::FAMILY_IPV6;
  if (flow.family() != family && flow.family() != v1::FAMILY_UNSPECIFIED) return std::nullopt;
  if (tuple.protocol() > 255 || tuple.source_port() > 65535 || tuple.destination_port() > 65535 ||
      tuple.icmp_id() > 65535 || tuple.icmp_type() > 255 || tuple.icmp_code() > 255 ||
      tuple.zone() > 65535 || flow.zone() > 65535) {
    return std::nullopt;
  }
  FlowKey key;
  key.family = static_cast<uint8_t>(family);
  key.protocol = static_cast<uint8_t>(tuple.protocol());
  std::copy_n(tuple.source().data(), bytes, key.source.data());
  std::copy_n(tuple.destination().data(), bytes, key.destination.data());
  key.zone = static_cast<uint16_t>(flow.zone());
  key.direction_zone = static_cast<uint16_t>(tuple.zone());
  if (tuple.has_source_port()) key.present |= 1;
  if (tuple.has_destination_port()) key.present |= 2;
  key.source_port = static_cast<uint16_t>(tuple.source_port());
  key.destination_port = static_cast<uint16_t>(tuple.destination_port());
  if (key.present == 0 && tuple.has_icmp_type()) {
    key.present = 4;
    key.source_port = static_cast<uint16_t>(tuple.icmp_id());
    key.destination_port = static_cast<uint16_t>(tuple.icmp_type() << 8 | tuple.icmp_code());
  }
  return key;
}

Traits FlowKey::traits() const {
  const size_t bytes = family == v1::FAMILY_IPV4 ? 4 : 16;
  Traits traits;
  traits.family = static_cast<v1::Family>(family);
  traits.protocol = protocol;
  traits.source = std::string_view(source.data(), bytes);
  traits.destination = std::string_view(destination.data(), bytes);
  if ((present & 1) != 0) traits.source_port = source_port;
  if ((present & 2) != 0) traits.destination_port = destination_port;
  return traits;
}

}  // namespace sluice::server
