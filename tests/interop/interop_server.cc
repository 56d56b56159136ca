// interop_server: serves the interop cases (interop.proto) on the server's edge.
//
//   interop_server --listen ADDRESS [--certificate FILE --key FILE] [--allow-origin ORIGIN]
//
// ADDRESS is IPV4:PORT, [IPV6]:PORT or unix:/PATH; port 0 picks one. Prints "listening on ADDRESS",
// and stops at SIGTERM or when its Stop is called. Its last line says how many calls begun and
// ended and how often something was refused to a peer.

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "server/edge/edge.h"
#include "server/edge/listen_address.h"
#include "tests/interop/case_service.h"

namespace sluice::interop {
namespace {

int Fail(const absl::Status& why) {
  std::fprintf(stderr, "interop_server: %s\n", std::string(why.message()).c_str());
  return 1;
}

uint64_t Refused(const server::Ledger& ledger) {
  uint64_t refused = 0;
  for (size_t cause = 0; cause < server::kEdgeCauses; ++cause) {
    refused += ledger.refused(static_cast<server::EdgeCause>(cause));
  }
  return refused;
}

int Serve(const std::string& listen, const std::string& certificate, const std::string& key,
          const server::EdgeOptions& options) {
  // Waited for below; threads inherit that they do not get them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  std::unique_ptr<server::TlsContext> tls;
  if (!certificate.empty()) {
    absl::StatusOr<std::unique_ptr<server::TlsContext>> created =
        server::TlsContext::Create(certificate, key);
    if (!created.ok()) return Fail(created.status());
    tls = std::move(*created);
  }
  const absl::StatusOr<server::ListenAddress> address = server::ListenAddress::Parse(listen);
  if (!address.ok()) return Fail(address.status());
  const absl::StatusOr<server::ListeningSocket> socket = server::Listen(*address);
  if (!socket.ok()) return Fail(socket.status());

  std::atomic<std::chrono::milliseconds> grace{std::chrono::milliseconds(0)};
  CaseService service([&grace](std::chrono::milliseconds wanted) {
    grace = wanted;
    kill(getpid(), SIGTERM);
  });
  server::Methods methods;
  service.AddTo(&methods);
  server::Edge edge(options, &methods);
  edge.Serve(socket->fd, tls.get());
  std::printf("listening on %s\n", address->WithPort(socket->port).c_str());
  std::fflush(stdout);

  int number = 0;
  sigwait(&signals, &number);
  edge.Stop(grace);
  std::printf("begun %jd, ended %jd, refused %ju\n", intmax_t{service.counts().begun},
              intmax_t{service.counts().ended}, uintmax_t{Refused(edge.ledger())});
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Serves the interop cases on the server's edge");
  std::string listen;
  std::string certificate;
  std::string key;
  app.add_option("--listen", listen, "IPV4:PORT, [IPV6]:PORT or unix:/PATH")->required();
  CLI::Option* const certificate_option =
      app.add_option("--certificate", certificate, "PEM file: listen with TLS");
  CLI::Option* const key_option = app.add_option("--key", key, "PEM file of the certificate's key");
  certificate_option->needs(key_option);
  key_option->needs(certificate_option);
  server::EdgeOptions options;
  app.add_option("--allow-origin", options.allowed_origins, "origin of pages that may call");
  CLI11_PARSE(app, argc, argv);
  return Serve(listen, certificate, key, options);
}

}  // namespace
}  // namespace sluice::interop

int main(int argc, char** argv) { return sluice::interop::Main(argc, argv); }
