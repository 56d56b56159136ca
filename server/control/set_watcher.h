#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "server/control/policy_store.h"
#include "server/streams/ticker.h"

namespace sluice::server {

// Has the files of the policy's sets read again when they change. It watches the folders they are
// in, since a file is best replaced by renaming another over it, and waits until they have been
// quiet for a moment. Where the kernel does not watch a folder, because it is not there for one, it
// looks each second. A file that has gone, or says no set any more, is told of once, and its
// addresses stay. Has a thread of its own: a large file takes its time. Owned by the Server.
class SetWatcher final : public Ticked {
 public:
  // Neither owned.
  SetWatcher(PolicyStore* policies, Ticker* ticker);
  ~SetWatcher();
  SetWatcher(const SetWatcher&) = delete;
  SetWatcher& operator=(const SetWatcher&) = delete;

  // Notices another policy.
  void Tick(Time now) override;
  void End(const grpc::Status&) override {}

 private:
  using Paths = std::vector<std::string>;
  // What tells one content of a file from another without reading it; all zeros for none.
  struct FileState {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t modified_ns = 0;
    bool operator==(const FileState& other) const = default;
  };

  void Run(const std::stop_token& stop);
  // Watches the folders of these files, and no others; false if one could not be.
  bool WatchFolders(const Paths& files);
  static std::vector<FileState> Look(const Paths& files);
  // Waits until something may have changed, and then for quiet.
  void Wait(bool all_watched);
  // Takes what the kernel has to say; whether a file may have another content.
  bool TakeEvents();
  // The rules there are now.
  std::shared_ptr<const RuleSet> Reload(const Policy& policy);

  PolicyStore* const policies_;
  Ticker* const ticker_;
  const int inotify_;  // -1 where there is none.
  const int wake_;     // An eventfd.
  // Of its own thread.
  std::map<std::string, int> folders_;  // Watch descriptors.
  std::set<std::string> told_;          // What is wrong, as was said already.
  // Of the ticker's.
  std::shared_ptr<const Policy> seen_;
  std::jthread thread_;
};

}  // namespace sluice::server
