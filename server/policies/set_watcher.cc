#include "server/policies/set_watcher.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

// Events of a folder. A file is complete when its writer closes it or renames it into place; one
// that was just created is not.
constexpr uint32_t kFolderEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                   IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// Events of a file. The folder does not report them if the file is written under another name.
constexpr uint32_t kFileEvents = IN_MODIFY | IN_CLOSE_WRITE;

// Wait this long for quiet: tools replace several files one after the other.
constexpr std::chrono::milliseconds kQuiet{100};
// The longest wait, for a folder that is never quiet.
constexpr std::chrono::milliseconds kLongest{1000};
// How often to look for changes that the kernel does not report.
constexpr std::chrono::milliseconds kLookEach{1000};

bool Readable(int fd, std::chrono::milliseconds within) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, static_cast<int>(within.count())) == 1;
}

}  // namespace

SetWatcher::SetWatcher(PolicyStore* policies, Ticker* ticker)
    : policies_(policies),
      ticker_(ticker),
      inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      seen_(policies->Current()),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {
  ticker_->Add(this);
}

SetWatcher::~SetWatcher() {
  ticker_->Remove(this);
  thread_.request_stop();
  eventfd_write(wake_, 1);
  thread_.join();
  close(wake_);
  if (inotify_ >= 0) close(inotify_);
}

void SetWatcher::Tick(Time) {
  std::shared_ptr<const Policy> current = policies_->Current();
  if (current == seen_) return;
  seen_ = std::move(current);
  eventfd_write(wake_, 1);
}

void SetWatcher::Run(const std::stop_token& stop) {
  std::shared_ptr<const RuleSet> rules;  // The rules whose files were looked at.
  std::vector<FileState> read;           // Their states when they were read.
  std::vector<FileState> last;           // Their states when last looked at.
  Reason reason = Reason::kPolicy;
  while (!stop.stop_requested()) {
    const std::shared_ptr<const Policy> policy = policies_->Current();
    const Paths files = policy->rules->SetFiles();
    // The files are watched before they are looked at, so that no change in between is missed.
    Watch(files);
    std::vector<FileState> now = Look(files);
    const bool settled = reason == Reason::kTold ||
                         (reason == Reason::kTime && now == last && being_written_.empty());
    if (policy->rules != rules || (now != read && settled)) {
      rules = Reload(*policy);
      read = now;
    }
    if (reason != Reason::kPolicy) last = std::move(now);
    reason = Wait(!files.empty());
  }
}

void SetWatcher::Watch(const Paths& files) {
  std::map<std::string, int> wanted;
  const auto want = [&](const fs::path& path, uint32_t events) {
    if (path.empty() || wanted.contains(path.string())) return;
    // For a path that is watched already, this returns the same descriptor.
    const int watch = inotify_add_watch(inotify_, path.c_str(), events);
    if (watch >= 0) wanted.emplace(path.string(), watch);
  };
  for (const std::string& file : files) {
    // For a symbolic link, watch both the link's folder and its target.
    std::error_code error;
    const fs::path real = fs::canonical(file, error);
    want(fs::path(file).parent_path(), kFolderEvents);
    want(real.parent_path(), kFolderEvents);
    want(real, kFileEvents);
  }
  for (const auto& [path, watch] : watches_) {
    bool kept = false;
    for (const auto& [other, descriptor] : wanted) kept = kept || descriptor == watch;
    if (kept) continue;
    inotify_rm_watch(inotify_, watch);
    being_written_.erase(watch);
  }
  watches_ = std::move(wanted);
}

std::vector<SetWatcher::FileState> SetWatcher::Look(const Paths& files) {
  const auto ns = [](const timespec& time) {
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  std::vector<FileState> states;
  for (const std::string& file : files) {
    struct stat found {};
    if (stat(file.c_str(), &found) != 0) {
      states.emplace_back();
    } else {
      states.push_back(
          {found.st_dev, found.st_ino, found.st_size, ns(found.st_mtim), ns(found.st_ctim)});
    }
  }
  return states;
}

SetWatcher::Reason SetWatcher::Wait(bool any_files) {
  const Clock::time_point look = Clock::now() + kLookEach;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(look - Clock::now());
    if (any_files && left.count() <= 0) return Reason::kTime;
    pollfd entries[] = {{wake_, POLLIN, 0}, {inotify_, POLLIN, 0}};
    const int ready = poll(entries, 2, any_files ? static_cast<int>(left.count()) : -1);
    if (ready == 0) return Reason::kTime;
    eventfd_t count;
    if (eventfd_read(wake_, &count) == 0) return Reason::kPolicy;
    if (!TakeEvents()) continue;
    const Clock::time_point latest = Clock::now() + kLongest;
    while (Clock::now() < latest && Readable(inotify_, kQuiet)) TakeEvents();
    return Reason::kTold;
  }
}

bool SetWatcher::TakeEvents() {
  bool changed = false;
  alignas(inotify_event) std::array<char, 16384> buffer;
  for (ssize_t size; (size = read(inotify_, buffer.data(), buffer.size())) > 0;) {
    for (size_t at = 0; at + sizeof(inotify_event) <= static_cast<size_t>(size);) {
      inotify_event event;
      std::memcpy(&event, &buffer[at], sizeof(event));
      const char* const name = &buffer[at] + sizeof(event);
      at += sizeof(event) + event.len;
      if ((event.mask & IN_MODIFY) != 0) {
        being_written_.insert(event.wd);
        continue;
      }
      if ((event.mask & (IN_CLOSE_WRITE | IN_IGNORED)) != 0) being_written_.erase(event.wd);
      if ((event.mask & IN_Q_OVERFLOW) != 0) being_written_.clear();
      if ((event.mask & IN_IGNORED) != 0) continue;  // The watch is gone; the reason came before.
      if ((event.mask & IN_CREATE) == 0) {
        changed = true;
        continue;
      }
      // A symbolic link is complete at once.
      for (const auto& [path, watch] : watches_) {
        std::error_code error;
        changed = changed || (watch == event.wd && event.len > 0 &&
                              fs::is_symlink(fs::path(path) / name, error));
      }
    }
  }
  return changed;
}

std::shared_ptr<const RuleSet> SetWatcher::Reload(const Policy& policy) {
  const RuleSet::Reloaded reloaded = policies_->ReloadSets();
  std::set<std::string> wrong;
  for (const std::string& why : reloaded.stale) {
    wrong.insert(
        absl::StrCat(why, ": the addresses its set had stay in force; put the file right"));
  }
  for (const v1::PolicyProblem& problem : reloaded.problems) {
    wrong.insert(absl::StrCat(
        "with its set files as they are now, the policy has a problem in line ", problem.line(),
        ": ", problem.message(), ": the sets stay as they were; put the files right"));
  }
  for (const std::string& message : wrong) {
    if (!told_.contains(message)) spdlog::error("{}", message);
  }
  if (wrong.empty() && !told_.empty()) spdlog::info("the policy's set files are in order again");
  told_ = std::move(wrong);
  if (reloaded.rules == nullptr) return policy.rules;
  spdlog::info("policy {}: set files were read again", policy.version);
  return reloaded.rules;
}

}  // namespace sluice::server
