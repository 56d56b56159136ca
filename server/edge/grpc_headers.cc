#include "server/edge/grpc_headers.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/charconv.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sluice/v1/status.pb.h"

namespace sluice::server {
namespace {

// PROTOCOL-HTTP2, Percent-Encoded: bytes other than printable ASCII, and the percent sign itself.
std::string PercentEncode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      encoded += c;
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<uint8_t>(c));
    }
  }
  return encoded;
}

}  // namespace

std::string_view Find(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::optional<GrpcWire> WireOf(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  if (type == "application/grpc" || type == "application/grpc+proto") return GrpcWire::kGrpc;
  if (type == "application/grpc-web" || type == "application/grpc-web+proto") {
    return GrpcWire::kGrpcWeb;
  }
  return std::nullopt;
}

std::optional<std::chrono::nanoseconds> ParseTimeout(std::string_view value) {
  constexpr size_t kMostDigits = 8;
  if (value.size() < 2 || value.size() > kMostDigits + 1) return std::nullopt;
  int64_t number = 0;
  for (const char c : value.substr(0, value.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  switch (value.back()) {
    case 'H':
      // More hours than nanoseconds can count are as good as a year.
      return std::chrono::hours(std::min<int64_t>(number, 24 * 365));
    case 'M':
      return std::chrono::minutes(number);
    case 'S':
      return std::chrono::seconds(number);
    case 'm':
      return std::chrono::milliseconds(number);
    case 'u':
      return std::chrono::microseconds(number);
    case 'n':
      return std::chrono::nanoseconds(number);
    default:
      return std::nullopt;
  }
}

Headers StatusFields(const absl::Status& status) {
  Headers fields = {{"grpc-status", absl::StrCat(static_cast<int>(status.code()))}};
  const std::string_view message(status.message().data(), status.message().size());
  if (!message.empty()) fields.emplace_back("grpc-message", PercentEncode(message));
  v1::StatusDetails details;
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    google::protobuf::Any* const detail = details.add_details();
    detail->set_type_url(std::string(type_url));
    detail->set_value(std::string(payload));
  });
  if (details.details_size() > 0) {
    details.set_code(static_cast<int>(status.code()));
    details.set_message(std::string(message));
    std::string encoded = absl::Base64Escape(details.SerializeAsString());
    // Without padding, as gRPC asks of senders.
    encoded.erase(encoded.find_last_not_of('=') + 1);
    fields.emplace_back("grpc-status-details-bin", std::move(encoded));
  }
  return fields;
}

std::string WebTrailers(const Headers& fields) {
  std::string text;
  for (const auto& [name, value] : fields) absl::StrAppend(&text, name, ": ", value, "\r\n");
  return text;
}

}  // namespace sluice::server
