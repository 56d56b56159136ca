#pragma once

#include <grpcpp/support/channel_arguments.h>
#include <sys/types.h>

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice {

// The sockets that gRPC makes for a channel. gRPC closes them when it likes: each is known by its
// inode too, so that another one with the number of one that was closed is not taken for it (unless
// it takes it between the look and the deed; then that connection is lost and made anew). Any
// thread may call.
class ChannelSockets final {
 public:
  // gRPC's count of references orders this after Add; ThreadSanitizer sees the lock alone.
  ~ChannelSockets() { MutexLock lock(mutex_); }

  // The sockets of the channel that is made with `arguments`.
  static std::shared_ptr<ChannelSockets> Of(grpc::ChannelArguments& arguments);

  // A new socket of the channel.
  void Add(int fd);

  // The bytes that came and were not read yet, of the socket that has the most.
  int MostUnread() const;

  // Ends the connections, as if their peer had closed them. A cancelled call alone does not: gRPC
  // 1.51 does not come to it while the peer sends without end.
  void ShutDown();

 private:
  // A channel connects to all addresses of a name at once; those of earlier attempts are closed.
  static constexpr size_t kMost = 64;

  struct Socket {
    int fd;
    ino_t inode;
    bool open() const;
  };

  mutable Mutex mutex_;
  std::vector<Socket> sockets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice
