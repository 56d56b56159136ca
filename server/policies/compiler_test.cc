#include "server/policies/compiler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace sluice::server {
namespace {

const auto kAddress = policy::Address::IpV4(0xc0000201);

// A DNS that answers when the test lets it.
class SlowNames final {
 public:
  policy::LookedUp LookUp(const policy::NameSet& wanted) {
    asking_.Arrive();
    released_.wait();
    policy::LookedUp answers;
    for (const std::string& host : wanted.hosts) {
      answers.hosts.emplace(host, std::vector<policy::Address>{kAddress});
    }
    return answers;
  }
  void Release() { release_.set_value(); }
  // Waits until so many ask at once.
  void WaitForAsking(size_t count) { asking_.Wait(count); }
  size_t asked() { return asking_.count(); }

 private:
  class Counter final {
   public:
    void Arrive() {
      MutexLock lock(mutex_);
      ++count_;
      changed_.notify_all();
    }
    size_t count() {
      MutexLock lock(mutex_);
      return count_;
    }
    void Wait(size_t count) {
      MutexLock lock(mutex_);
      lock.Wait(changed_, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return count_ >= count; });
    }

   private:
    Mutex mutex_;
    std::condition_variable changed_;
    size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  };

  Counter asking_;
  std::promise<void> release_;
  const std::shared_future<void> released_ = release_.get_future().share();
};

class CompilerTest : public testing::Test {
 protected:
  // Posts a job that wants these hosts and then says what was wanted.
  std::future<std::string> Post(
      const std::set<std::string>& hosts,
      const std::shared_ptr<std::atomic<bool>>& gone = std::make_shared<std::atomic<bool>>(false)) {
    auto done = std::make_shared<std::promise<std::string>>();
    compiler_.Post({.run =
                        [hosts, done, gone](JobNames* names) {
                          if (*gone) return done->set_value("gone");
                          for (const std::string& host : hosts) {
                            if (!names->known.hosts.contains(host))
                              names->wanted.hosts.insert(host);
                          }
                          if (!names->wanted.empty()) return;
                          std::string text = "done";
                          for (const auto& [host, answer] : names->known.hosts) text += " " + host;
                          done->set_value(text);
                        },
                    .busy = [done] { done->set_value("busy"); },
                    .gone = [gone]() -> bool { return *gone; }});
    return done->get_future();
  }

  SlowNames names_;
  Compiler compiler_{[this](const policy::NameSet& wanted) { return names_.LookUp(wanted); }};
};

TEST_F(CompilerTest, PoliciesWithoutNamesNeverWaitForThoseWith) {
  std::vector<std::future<std::string>> slow;
  for (size_t i = 0; i < Compiler::kAskers + 3; ++i) slow.push_back(Post({"a", "b"}));
  names_.WaitForAsking(Compiler::kAskers);
  EXPECT_EQ(Post({}).get(), "done");
  names_.Release();
  for (auto& job : slow) EXPECT_EQ(job.get(), "done a b");
}

TEST_F(CompilerTest, WhereTooManyWaitForDnsOnlyThoseWithNamesAreRefused) {
  std::vector<std::future<std::string>> slow;
  for (size_t i = 0; i < Compiler::kAskers; ++i) slow.push_back(Post({"a"}));
  names_.WaitForAsking(Compiler::kAskers);
  for (size_t i = 0; i < Compiler::kBacklog; ++i) {
    slow.push_back(Post({"a"}));
    EXPECT_EQ(Post({}).get(), "done");  // By now the other job waits in its place.
  }
  EXPECT_EQ(Post({"a"}).get(), "busy");
  EXPECT_EQ(Post({}).get(), "done");
  names_.Release();
  for (auto& job : slow) EXPECT_EQ(job.get(), "done a");
}

TEST_F(CompilerTest, NothingIsLookedUpForWhoIsGone) {
  std::vector<std::future<std::string>> slow;
  for (size_t i = 0; i < Compiler::kAskers; ++i) slow.push_back(Post({"a"}));
  names_.WaitForAsking(Compiler::kAskers);
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  auto job = Post({"b"}, gone);
  EXPECT_EQ(Post({}).get(), "done");
  *gone = true;
  names_.Release();
  EXPECT_EQ(job.get(), "gone");
  for (auto& one : slow) EXPECT_EQ(one.get(), "done a");
  EXPECT_EQ(names_.asked(), Compiler::kAskers);
}

TEST_F(CompilerTest, AJobMayComeToWantMore) {
  names_.Release();
  std::promise<std::string> done;
  compiler_.Post({.run =
                      [&done](JobNames* names) {
                        if (names->known.hosts.empty()) {
                          names->wanted.hosts.insert("first");
                        } else if (names->known.hosts.size() == 1) {
                          names->wanted.hosts.insert("second");
                        } else {
                          done.set_value("done");
                        }
                      },
                  .busy = [&done] { done.set_value("busy"); },
                  .gone = [] { return false; }});
  EXPECT_EQ(done.get_future().get(), "done");
}

}  // namespace
}  // namespace sluice::server
