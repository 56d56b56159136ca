// A caller's whole connection: HTTP/2 or HTTP/1.1, gRPC, gRPC-Web or none of them. The first byte
// says what happens beside, the second how the others are cut into pieces. Whatever the caller
// sends, each call must end and nothing may be kept of it.
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/calls/bidi_reactor.h"
#include "server/calls/methods.h"
#include "server/edge/connection.h"
#include "server/edge/io_thread.h"
#include "server/edge/ledger.h"
#include "server/edge/limits.h"
#include "server/edge/routes.h"
#include "server/edge/use_count.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/decision.pb.h"
#include "tests/fuzz/frame_mutator.h"
#include "tests/fuzz/pieces.h"
#include "tests/fuzz/require.h"

namespace sluice::server {
namespace {

// So small that short inputs reach them.
constexpr EdgeLimits kLimits = {.connections = 1,
                                .connections_a_peer = 1,
                                .streams = 4,
                                .header_bytes = 512,
                                .empty_frames_at_once = 8,
                                .window_updates_a_second = 8,
                                .stream_window = 1024,
                                .held_a_peer = 2048,
                                .held = 2048,
                                .free_a_call = 256};

// What the first byte says.
enum Beside : uint8_t {
  kReadsNothing = 1,  // The caller reads nothing of what it is sent, until the end.
  kDrains = 2,        // The server goes down after half of the pieces.
  kHalfCloses = 4,    // The caller says that there is no more.
  kSweeps = 8,        // All time-outs pass.
  kCloses = 16,       // The server closes the connection.
};

v1::DecideResponse Answer(const v1::DecideRequest& request) {
  v1::DecideResponse response;
  *response.mutable_heartbeat() = request.heartbeat();
  return response;
}

v1::TestPolicyResponse Answer(const v1::TestPolicyRequest& request) {
  v1::TestPolicyResponse response;
  for (int i = 0; i < request.packets_size(); ++i) response.add_results();
  return response;
}

// Reads on while it writes, like the services, and writes the latest answer only.
template <typename Request, typename Response>
class Echo final : public BidiReactor<Request, Response> {
 public:
  explicit Echo(std::shared_ptr<Call> call) : BidiReactor<Request, Response>(std::move(call)) {
    this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    Require(!std::exchange(read_all_, !ok));
    if (ok) {
      response_ = Answer(request_);
      Write();
      this->StartRead(&request_);
    }
    MayFinish();
  }
  void OnWriteDone(bool ok) override {
    Require(std::exchange(writing_, false));
    if (ok && std::exchange(again_, false)) Write();
    MayFinish();
  }
  void OnCancel() override { Require(!std::exchange(cancelled_, true) && !finished_); }
  void OnDone() override {
    Require(finished_);
    delete this;
  }

 private:
  ~Echo() override = default;

  void Write() {
    if (writing_) {
      again_ = true;
      return;
    }
    writing_ = true;
    this->StartWrite(&response_);
  }
  void MayFinish() {
    if (!read_all_ || writing_ || std::exchange(finished_, true)) return;
    this->Finish(this->unreadable() ? absl::InvalidArgumentError("unreadable") : absl::OkStatus());
  }

  Request request_;
  Response response_;
  bool writing_ = false;
  bool again_ = false;
  bool read_all_ = false;
  bool finished_ = false;
  bool cancelled_ = false;
};

// Writes as many messages as the interval has seconds.
class Count final : public WriteReactor<v1::WatchStatsRequest, v1::WatchStatsResponse> {
 public:
  explicit Count(WriteCall<v1::WatchStatsRequest>&& call)
      : WriteReactor(std::move(call)), left_(request().interval().seconds() % 50) {
    if (!request().gateway().empty()) StartSendInitialMetadata();
    Next();
  }

  void OnWriteDone(bool ok) override { ok ? Next() : Finish(absl::CancelledError()); }
  void OnDone() override { delete this; }

 private:
  ~Count() override = default;

  void Next() {
    if (left_-- <= 0) return Finish(absl::OutOfRangeError(request().gateway()));
    response_.mutable_stats()->set_gateway(request().gateway());
    StartWrite(&response_);
  }

  int64_t left_;
  v1::WatchStatsResponse response_;
};

// What all inputs share.
struct Server {
  Server() {
    spdlog::set_level(spdlog::level::off);
    methods.AddBidi<v1::DecideRequest, v1::DecideResponse>(
        "sluice.v1.DecisionService", "Decide", Lane::kPackets,
        [](std::shared_ptr<Call> call) {
          new Echo<v1::DecideRequest, v1::DecideResponse>(std::move(call));
        },
        /*largest_request=*/1500);
    methods.AddBidi<v1::TestPolicyRequest, v1::TestPolicyResponse>(
        "sluice.v1.ControlService", "TestPolicy", Lane::kBulk, [](std::shared_ptr<Call> call) {
          new Echo<v1::TestPolicyRequest, v1::TestPolicyResponse>(std::move(call));
        });
    methods.AddWriting<v1::WatchStatsRequest, v1::WatchStatsResponse>(
        "sluice.v1.ControlService", "WatchStats",
        [](WriteCall<v1::WatchStatsRequest>&& call) { new Count(std::move(call)); });
    methods.AddUnary<v1::GetPolicyRequest, v1::GetPolicyResponse>(
        "sluice.v1.ControlService", "GetPolicy",
        [](UnaryCall<v1::GetPolicyRequest, v1::GetPolicyResponse>* call) {
          const uint64_t version = call->request.version();
          call->response.mutable_policy()->set_text(std::string(version % 5000, 'x'));
          call->Finish(version % 3 == 0 ? absl::NotFoundError("\n") : absl::OkStatus());
        });
  }

  Methods methods;
  Routes routes{&methods, {"https://page"}};
  IoThread thread{std::chrono::nanoseconds(0)};
  boost::asio::thread_pool bulk{1};
};

// One input, on the connection's thread.
class Caller final {
 public:
  explicit Caller(Server* server) : server_(server) {
    int sockets[2];
    Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0);
    socket_ = sockets[0];
    std::shared_ptr<Ledger::Peer> peer = ledger_.Enter("unix:", std::chrono::steady_clock::now());
    connection_ = std::make_shared<Connection>(
        Connection::Socket(server->thread.context(),
                           boost::asio::generic::stream_protocol(AF_UNIX, 0), sockets[1]),
        Connection::Parts{.routes = &server->routes,
                          .tls = nullptr,
                          .count = &connections_,
                          .calls = {.limits = &kLimits,
                                    .thread = &server->thread,
                                    .bulk = &server->bulk,
                                    .count = &calls_,
                                    .peer = std::move(peer),
                                    .address = "unix:"}});
    connection_->Start();
  }
  ~Caller() {
    close(socket_);
    Settle();
    Require(connection_->closed());
    connection_.reset();
    Settle();
    Require(Idle(&calls_) && Idle(&connections_));
    Require(ledger_.held() == 0);
    Require(ledger_.connections() == 0);
  }

  void Send(std::string_view bytes, uint8_t beside, uint8_t seed) {
    Pieces pieces(bytes, seed);
    size_t sent = 0;
    while (!pieces.empty()) {
      const std::string_view piece = pieces.Next();
      // When the server no longer reads, the rest is lost on it.
      if (send(socket_, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
      Settle();
      if ((beside & kReadsNothing) == 0) Receive();
      const bool half = sent < bytes.size() / 2;
      sent += piece.size();
      if ((beside & kDrains) != 0 && half && sent >= bytes.size() / 2) connection_->Drain();
    }
    if ((beside & kHalfCloses) != 0) shutdown(socket_, SHUT_WR);
    if ((beside & kSweeps) != 0) {
      connection_->Sweep(std::chrono::steady_clock::now() + std::chrono::hours(1));
    }
    if ((beside & kCloses) != 0) connection_->Close();
    Settle();
    Receive();
  }

 private:
  static bool Idle(UseCount* count) { return count->AwaitNone(std::chrono::nanoseconds(0)); }

  // Runs what is due, on this thread and on that of bulk, until nothing is.
  void Settle() {
    do {
      server_->thread.Settle();
      while (server_->thread.context().poll() > 0) server_->thread.Settle();
      if (Idle(&calls_)) return;
      std::promise<void> done;
      boost::asio::post(server_->bulk, [&] { done.set_value(); });
      done.get_future().wait();
    } while (server_->thread.context().poll() > 0);
  }

  // Takes what was sent, until nothing more comes.
  void Receive() {
    char bytes[4096];
    while (recv(socket_, bytes, sizeof bytes, 0) > 0) Settle();
  }

  Server* const server_;
  Ledger ledger_{kLimits};
  UseCount calls_;
  UseCount connections_;
  int socket_ = -1;
  std::shared_ptr<Connection> connection_;
};

}  // namespace
}  // namespace sluice::server

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most,
                                          unsigned int seed) {
  sluice::FrameMutator mutator(seed);
  if (size < 2 || mutator.Below(4) == 0) return LLVMFuzzerMutate(data, size, most);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::string mutated = mutator.Mutate(bytes);
  if (mutated.empty() && mutator.Below(2) == 0) mutated = mutator.InsertWord(std::string(bytes));
  if (mutated.empty() || mutated.size() + 2 > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data + 2, mutated.data(), mutated.size());
  return 2 + mutated.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::server;
  static auto* const server = new Server;
  if (size < 2) return 0;
  std::promise<void> done;
  server->thread.Post([&] {
    {
      Caller caller(server);
      caller.Send({reinterpret_cast<const char*>(data) + 2, size - 2}, data[0], data[1]);
    }
    done.set_value();
  });
  done.get_future().wait();
  return 0;
}
