#include "agent/netfilter/queue/links.h"

#include <utility>

#include "agent/netfilter/queue/links_socket.h"

namespace sluice::agent {
namespace {

// The time between a failure of the socket itself (such as no memory) and the next attempt.
constexpr std::chrono::milliseconds kRetry{1000};

}  // namespace

absl::StatusOr<std::unique_ptr<Links>> Links::Open() {
  absl::StatusOr<std::unique_ptr<LinkSocket>> socket = LinkSocket::Open();
  if (!socket.ok()) return socket.status();
  auto links = std::unique_ptr<Links>(new Links(*std::move(socket)));
  if (absl::Status status = links->socket_->Dump(links->current_); !status.ok()) return status;
  links->Publish(links->current_);
  links->thread_ = std::thread(&Links::Run, links.get());
  return links;
}

Links::Links(std::unique_ptr<LinkSocket> socket)
    : socket_(std::move(socket)), snapshot_(std::make_shared<const LinkMap>()) {}

Links::~Links() {
  socket_->Stop();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<const LinkMap> Links::Snapshot() const {
  MutexLock lock(mutex_);
  return snapshot_;
}

bool Links::WaitPast(uint64_t seen, std::chrono::milliseconds timeout) const {
  MutexLock lock(mutex_);
  return lock.WaitFor(published_, timeout, [&] { return generation() > seen; });
}

void Links::Run() {
  while (true) {
    absl::Status status = socket_->Follow(current_);
    // After any failure current_ may lack something, so ask for all interfaces.
    while (!status.ok() && !absl::IsCancelled(status)) {
      status = socket_->Dump(current_);
      if (!status.ok() && socket_->StoppedWithin(kRetry)) return;
    }
    if (absl::IsCancelled(status)) return;
    Publish(current_);
  }
}

void Links::Publish(const LinkMap& links) {
  MutexLock lock(mutex_);
  // Most events are about traffic counters, carriers and addresses.
  if (*snapshot_ == links) return;
  snapshot_ = std::make_shared<const LinkMap>(links);
  generation_.fetch_add(1, std::memory_order_release);
  published_.notify_all();
}

}  // namespace sluice::agent
