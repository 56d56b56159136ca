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

#include "absl/status/status.h"
#include "server/policies/policy_store.h"
#include "server/streams/ticker.h"

namespace sluice::server {

// Has the files of the policy's sets read again when they change. It watches the files and their
// folders, because a file is best replaced by renaming another over it, and waits until they have
// been quiet for a moment. inotify reports no events for a file that is itself a mount point, for
// missing folders, or for what other machines write on a network file system. So the watcher also
// looks at the files each second. A change without an event is read once the file looks the same
// twice and no process here is known to be writing it. A file that is gone, or is not a valid set
// any more, is logged once, and the set keeps its addresses. Has a thread of its own, because a
// large file, or a file server that is gone, takes time. Owned by the Server.
class SetWatcher final : public Ticked {
 public:
  // Neither pointer is owned.
  SetWatcher(PolicyStore* policies, Ticker* ticker);
  ~SetWatcher();
  SetWatcher(const SetWatcher&) = delete;
  SetWatcher& operator=(const SetWatcher&) = delete;

  // Notices a new policy.
  void Tick(Time now) override;
  void End(const absl::Status&) override {}

 private:
  using Paths = std::vector<std::string>;
  // Tells whether a file's content has changed, without reading it. All zeros: there is no file.
  struct FileState {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t modified_ns = 0;
    int64_t changed_ns = 0;  // ctime, which `cp -p` and `touch` do not set back.
    bool operator==(const FileState& other) const = default;
  };

  void Run(const std::stop_token& stop);
  // Watches exactly these files and the folders they are in.
  void Watch(const Paths& files);
  static std::vector<FileState> Look(const Paths& files);
  // Why the thread looks at the files.
  enum class Reason {
    kTold,    // The kernel reported that a file may have changed, and then a moment of quiet.
    kTime,    // kLookEach has passed.
    kPolicy,  // There may be a new policy, or the thread must stop.
  };
  Reason Wait(bool any_files);
  // Reads the inotify events; returns whether a file may have changed.
  bool TakeEvents();
  // Reads the set files again; returns the rules in force then.
  std::shared_ptr<const RuleSet> Reload(const Policy& policy);

  PolicyStore* const policies_;
  Ticker* const ticker_;
  const int inotify_;  // -1 if inotify is not available.
  const int wake_;     // An eventfd.
  // Used by this class's own thread.
  std::map<std::string, int> watches_;  // Watch descriptors, by path of a folder or file.
  std::set<int> being_written_;         // Watch descriptors of files.
  std::set<std::string> told_;          // Problems that were logged already.
  // Used by the ticker's thread.
  std::shared_ptr<const Policy> seen_;
  std::jthread thread_;
};

}  // namespace sluice::server
