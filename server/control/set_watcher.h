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

// Has the files of the policy's sets read again when they change. It watches the files and the
// folders they are in, since a file is best replaced by renaming another over it, and waits until
// they have been quiet for a moment. There is much the kernel does not tell: of a file that is
// mounted by itself, of folders that are not there, of what other machines write on a network file
// system. So it also looks each second, and what has changed untold is read once it looks the same
// twice and nobody here is known to be writing it. A file that has gone, or says no set any more,
// is told of once, and its addresses stay. Has a thread of its own: a large file, or a file server
// that is gone, takes its time. Owned by the Server.
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
    int64_t changed_ns = 0;  // Which `cp -p` and `touch` do not set back.
    bool operator==(const FileState& other) const = default;
  };

  void Run(const std::stop_token& stop);
  // Watches these files and the folders they are in, and no others.
  void Watch(const Paths& files);
  static std::vector<FileState> Look(const Paths& files);
  // Why it looks.
  enum class Reason {
    kTold,    // The kernel says a file may have another content, and then nothing for a moment.
    kTime,    // It is time to.
    kPolicy,  // The policy may be another, or it is to stop.
  };
  Reason Wait(bool any_files);
  // Takes what the kernel has to say; whether a file may have another content.
  bool TakeEvents();
  // The rules there are now.
  std::shared_ptr<const RuleSet> Reload(const Policy& policy);

  PolicyStore* const policies_;
  Ticker* const ticker_;
  const int inotify_;  // -1 where there is none.
  const int wake_;     // An eventfd.
  // Of its own thread.
  std::map<std::string, int> watches_;  // Watch descriptors, by path of a folder or file.
  std::set<int> being_written_;         // Watch descriptors of files.
  std::set<std::string> told_;          // What is wrong, as was said already.
  // Of the ticker's.
  std::shared_ptr<const Policy> seen_;
  std::jthread thread_;
};

}  // namespace sluice::server
