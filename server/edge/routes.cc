#include "server/edge/routes.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/edge/reply.h"

namespace sluice::server {
namespace {

// What a page of another origin asks before it calls (the Fetch standard's CORS preflight). It may
// send whatever metadata it names.
Headers Preflight(std::string_view origin, std::string_view fields) {
  return {{"access-control-allow-origin", std::string(origin)},
          {"access-control-allow-methods", "POST"},
          {"access-control-allow-headers", std::string(fields)},
          {"access-control-max-age", "7200"},
          {"vary", "origin, access-control-request-headers"}};
}

}  // namespace

Routes::Routes(const Methods* methods, std::vector<std::string> origins)
    : methods_(methods), origins_(std::move(origins)) {}

bool Routes::Allowed(const RequestHead& head) const {
  const std::string_view origin = Find(head.headers, "origin");
  if (origin.empty()) return true;
  // Another scheme on the same host and port cannot be: a listener has TLS or has not.
  const size_t host = origin.find("://");
  if (host != std::string_view::npos && origin.substr(host + 3) == head.authority) return true;
  return std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
}

std::shared_ptr<HttpHandler> Routes::Route(const RequestHead& head, HttpStream* stream,
                                           const GrpcCall::Parts& parts) const {
  const auto reply = [&](int status, Headers headers, std::string body) {
    return Reply::Make(parts.thread, stream, status, std::move(headers), std::move(body));
  };
  const auto text = [&](int status, const std::string& line) {
    return reply(status, {{"content-type", "text/plain; charset=utf-8"}}, line + "\n");
  };
  const std::string_view origin = Find(head.headers, "origin");
  if (!Allowed(head)) {
    return text(403, "pages of this origin may not call; sluice-server --allow-origin lets them");
  }
  if (head.method == "OPTIONS" && !origin.empty()) {
    return reply(204, Preflight(origin, Find(head.headers, "access-control-request-headers")), "");
  }
  const std::optional<GrpcWire> wire = WireOf(Find(head.headers, "content-type"));
  if (!wire) {
    if (head.method != "GET" && head.method != "HEAD") {
      return text(415,
                  "this server takes calls of gRPC or gRPC-Web with protobuf: the content "
                  "types application/grpc and application/grpc-web+proto");
    }
    if (head.path == "/healthz") return text(200, "ok");
    return text(404, "there is no such page");
  }
  if (head.method != "POST") return text(405, "calls of gRPC are POST requests");
  if (*wire == GrpcWire::kGrpc && !head.http2) return text(426, "gRPC needs HTTP/2");
  const auto refuse = [&](const absl::Status& why) {
    Headers headers = GrpcCall::ResponseHead(*wire, std::string(origin));
    const Headers status = StatusFields(why);
    headers.insert(headers.end(), status.begin(), status.end());
    return reply(200, std::move(headers), "");
  };
  const Method* const method = methods_->Find(head.path);
  if (method == nullptr) {
    return refuse(absl::UnimplementedError(
        absl::StrCat("this server has no method ", head.path.substr(0, 256))));
  }
  const std::string_view encoding = Find(head.headers, "grpc-encoding");
  if (!encoding.empty() && encoding != "identity") {
    parts.peer->Count(EdgeCause::kMessage);
    return refuse(absl::UnimplementedError("this server takes no compressed messages"));
  }
  if (method->lane == Lane::kBulk && parts.peer->Full()) {
    parts.peer->Count(EdgeCause::kBudget);
    return refuse(absl::ResourceExhaustedError(
        "too many answers to this caller's address are not read: read them first"));
  }
  std::optional<std::chrono::nanoseconds> timeout;
  if (const std::string_view value = Find(head.headers, "grpc-timeout"); !value.empty()) {
    timeout = ParseTimeout(value);
    if (!timeout) return refuse(absl::InvalidArgumentError("grpc-timeout is malformed"));
  }
  auto call =
      std::make_shared<GrpcCall>(parts, method, *wire, stream, timeout, std::string(origin));
  parts.thread->Defer(call);
  return call;
}

}  // namespace sluice::server
