#include "third_party/grpc_watch/channel_sockets.h"

#include <grpc/support/atm.h>
#include <grpc/support/sync.h>
#include <grpcpp/version_info.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>

// gRPC's, of which it installs no header: src/core/lib/iomgr/socket_mutator.h.
static_assert(GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR == 51,
              "compare what follows with socket_mutator.h of this gRPC");
struct grpc_mutate_socket_info;
struct grpc_socket_mutator;
struct grpc_socket_mutator_vtable {
  bool (*mutate_fd)(int fd, grpc_socket_mutator* mutator);
  int (*compare)(grpc_socket_mutator* a, grpc_socket_mutator* b);
  void (*destroy)(grpc_socket_mutator* mutator);
  bool (*mutate_fd_2)(const grpc_mutate_socket_info* info, grpc_socket_mutator* mutator);
};
struct grpc_socket_mutator {
  const grpc_socket_mutator_vtable* vtable;
  gpr_refcount refcount;
};
void grpc_socket_mutator_init(grpc_socket_mutator* mutator,
                              const grpc_socket_mutator_vtable* vtable);

namespace sluice {
namespace {

struct Mutator : grpc_socket_mutator {
  std::shared_ptr<ChannelSockets> sockets;
  // gRPC's count of references orders making and destroying it; ThreadSanitizer does not see that.
  std::atomic<bool> made = false;
};

constexpr grpc_socket_mutator_vtable kMutations = {
    .mutate_fd =
        [](int fd, grpc_socket_mutator* mutator) {
          static_cast<Mutator*>(mutator)->sockets->Add(fd);
          return true;
        },
    .compare = [](grpc_socket_mutator* a,
                  grpc_socket_mutator* b) { return a == b                ? 0
                                                   : std::less<>()(a, b) ? -1
                                                                         : 1; },
    .destroy =
        [](grpc_socket_mutator* mutator) {
          auto* const ours = static_cast<Mutator*>(mutator);
          if (ours->made.load(std::memory_order_acquire)) delete ours;
        },
    .mutate_fd_2 = nullptr,
};

std::optional<ino_t> InodeOf(int fd) {
  struct stat found {};
  if (fstat(fd, &found) != 0 || !S_ISSOCK(found.st_mode)) return std::nullopt;
  return found.st_ino;
}

}  // namespace

bool ChannelSockets::Socket::open() const { return InodeOf(fd) == inode; }

std::shared_ptr<ChannelSockets> ChannelSockets::Of(grpc::ChannelArguments& arguments) {
  auto* const mutator = new Mutator;  // Owned by gRPC, with one reference.
  mutator->sockets = std::make_shared<ChannelSockets>();
  mutator->made.store(true, std::memory_order_release);
  grpc_socket_mutator_init(mutator, &kMutations);
  auto sockets = mutator->sockets;
  arguments.SetSocketMutator(mutator);
  return sockets;
}

void ChannelSockets::Add(int fd) {
  const std::optional<ino_t> inode = InodeOf(fd);
  if (!inode) return;
  MutexLock lock(mutex_);
  std::erase_if(sockets_, [](const Socket& socket) { return !socket.open(); });
  if (sockets_.size() == kMost) sockets_.erase(sockets_.begin());
  sockets_.push_back({fd, *inode});
}

int ChannelSockets::MostUnread() const {
  MutexLock lock(mutex_);
  int most = 0;
  for (const Socket& socket : sockets_) {
    int unread = 0;
    if (socket.open() && ioctl(socket.fd, SIOCINQ, &unread) == 0) most = std::max(most, unread);
  }
  return most;
}

void ChannelSockets::ShutDown() {
  MutexLock lock(mutex_);
  for (const Socket& socket : sockets_) {
    if (socket.open()) shutdown(socket.fd, SHUT_RDWR);
  }
}

}  // namespace sluice
