#include "server/policies/compiler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <set>
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

constexpr auto kChange = CompilePurpose::kChange;
constexpr auto kQuestion = CompilePurpose::kQuestion;
constexpr size_t kShare = Compiler::kQuestions.most / 4;  // of one peer

class CompilerTest : public testing::Test {
 protected:
  // Posts a job that wants these hosts and then says what was wanted.
  std::future<std::string> Post(
      const std::set<std::string>& hosts, const std::string& peer = "me",
      CompilePurpose purpose = kQuestion,
      const std::shared_ptr<std::atomic<bool>>& gone = std::make_shared<std::atomic<bool>>(false)) {
    auto done = std::make_shared<std::promise<std::string>>();
    compiler_.Post(
        {.purpose = purpose,
         .peer = peer,
         .run =
             [hosts, done, gone](JobNames* names) {
               if (*gone) return done->set_value("gone");
               for (const std::string& host : hosts) {
                 if (!names->known.hosts.contains(host)) names->wanted.hosts.insert(host);
               }
               if (!names->wanted.empty()) return;
               std::string text = "done";
               for (const auto& [host, answer] : names->known.hosts) text += " " + host;
               done->set_value(text);
             },
         .busy = [done](const absl::Status& why) { done->set_value(std::string(why.message())); },
         .gone = [gone]() -> bool { return *gone; }});
    return done->get_future();
  }
  SlowNames names_;
  Compiler compiler_{[this](const policy::NameSet& wanted) { return names_.LookUp(wanted); }};
};

TEST_F(CompilerTest, PoliciesWithoutNamesNeverWaitForThoseWith) {
  std::vector<std::future<std::string>> slow;
  for (size_t i = 0; i < kShare - 1; ++i) slow.push_back(Post({"a", "b"}));
  names_.WaitForAsking(Compiler::kQuestions.each);
  EXPECT_EQ(Post({}).get(), "done");
  names_.Release();
  for (auto& job : slow) EXPECT_EQ(job.get(), "done a b");
}

TEST_F(CompilerTest, APeerHasItsShareOfQuestions) {
  std::vector<std::future<std::string>> slow;
  for (size_t i = 0; i < kShare; ++i) slow.push_back(Post({"a"}, "greedy"));
  const std::string refused = Post({"a"}, "greedy").get();
  EXPECT_EQ(refused,
            "this server has 16 policies to check, try, test or explain from your address already, "
            "its share of 64; end one of them or try again later");
  EXPECT_EQ(Post({}, "greedy").get(), refused);
  EXPECT_EQ(Post({}, "other").get(), "done");
  names_.Release();
  for (auto& job : slow) EXPECT_EQ(job.get(), "done a");
}

TEST_F(CompilerTest, OtherPeersAreAskedForAtOnce) {
  std::vector<std::future<std::string>> slow;
  for (size_t i = 0; i < kShare; ++i) slow.push_back(Post({"a"}, "greedy"));
  names_.WaitForAsking(Compiler::kQuestions.each);
  for (const char* peer : {"p", "q", "r"}) slow.push_back(Post({"b"}, peer));
  names_.WaitForAsking(Compiler::kQuestions.each + 3);
  EXPECT_EQ(names_.asked(), Compiler::kQuestions.each + 3);
  names_.Release();
  for (auto& job : slow) EXPECT_EQ(job.get().substr(0, 5), "done ");
}

TEST_F(CompilerTest, QuestionsKeepNoChangeFromItsNames) {
  std::vector<std::future<std::string>> slow;
  for (const char* peer : {"p", "q", "r", "me"}) {
    for (size_t i = 0; i < kShare; ++i) slow.push_back(Post({"a"}, peer));
  }
  names_.WaitForAsking(Compiler::kQuestions.askers);
  EXPECT_EQ(Post({}, "late").get(),
            "this server has 64 policies to check, try, test or explain already; try again later");
  EXPECT_EQ(Post({}, "me", kChange).get(), "done");
  auto change = Post({"b"}, "me", kChange);
  names_.WaitForAsking(Compiler::kQuestions.askers + 1);
  names_.Release();
  EXPECT_EQ(change.get(), "done b");
  for (auto& job : slow) EXPECT_EQ(job.get(), "done a");
}

TEST_F(CompilerTest, APeerHasItsShareOfChanges) {
  std::vector<std::future<std::string>> slow;
  for (size_t i = 0; i < Compiler::kChanges.most / 4; ++i) {
    slow.push_back(Post({"a"}, "greedy", kChange));
  }
  EXPECT_EQ(Post({}, "greedy", kChange).get(),
            "this server has 4 changes of the policy under way from your address already, its "
            "share of 16; end one of them or try again later");
  slow.push_back(Post({"a"}, "other", kChange));
  names_.WaitForAsking(2);
  EXPECT_EQ(Post({}, "other", kChange).get(), "done");
  names_.Release();
  for (auto& job : slow) EXPECT_EQ(job.get(), "done a");
}

TEST_F(CompilerTest, ChangesTakeTurnsWithQuestionsAndPeersWithEachOther) {
  std::promise<void> begun, release;
  compiler_.Post({.purpose = kQuestion,
                  .peer = "first",
                  .run =
                      [&](JobNames*) {
                        begun.set_value();
                        release.get_future().wait();
                      },
                  .busy = [](const absl::Status&) {},
                  .gone = [] { return false; }});
  begun.get_future().wait();
  std::vector<std::string> order;
  std::promise<void> done;
  const auto post = [&](CompilePurpose purpose, const std::string& peer, const std::string& name) {
    compiler_.Post({.purpose = purpose,
                    .peer = peer,
                    .run =
                        [&, name](JobNames*) {
                          order.push_back(name);
                          if (order.size() == 6) done.set_value();
                        },
                    .busy = [](const absl::Status&) {},
                    .gone = [] { return false; }});
  };
  for (const char* name : {"question 1", "question 2", "question 3"}) {
    post(kQuestion, "greedy", name);
  }
  post(kQuestion, "other", "other's question");
  post(kChange, "greedy", "change");
  post(kChange, "other", "other's change");
  release.set_value();
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<std::string>{"change", "question 1", "other's change",
                                             "other's question", "question 2", "question 3"}));
}

TEST_F(CompilerTest, NothingIsLookedUpForWhoIsGone) {
  std::vector<std::future<std::string>> slow;
  for (size_t i = 0; i < Compiler::kQuestions.each; ++i) slow.push_back(Post({"a"}));
  names_.WaitForAsking(Compiler::kQuestions.each);
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  auto job = Post({"b"}, "me", kQuestion, gone);
  EXPECT_EQ(Post({}).get(), "done");
  *gone = true;
  names_.Release();
  EXPECT_EQ(job.get(), "gone");
  for (auto& one : slow) EXPECT_EQ(one.get(), "done a");
  EXPECT_EQ(names_.asked(), Compiler::kQuestions.each);
}

TEST_F(CompilerTest, AJobMayComeToWantMore) {
  names_.Release();
  std::promise<std::string> done;
  compiler_.Post(
      {.purpose = kChange,
       .peer = "me",
       .run =
           [&done](JobNames* names) {
             if (names->known.hosts.empty()) {
               names->wanted.hosts.insert("first");
             } else if (names->known.hosts.size() == 1) {
               names->wanted.hosts.insert("second");
             } else {
               done.set_value("done");
             }
           },
       .busy = [&done](const absl::Status& why) { done.set_value(std::string(why.message())); },
       .gone = [] { return false; }});
  EXPECT_EQ(done.get_future().get(), "done");
}

TEST(CompilerEndTest, EndsOnceAllJobsAreDone) {
  std::atomic<int> done = 0;
  {
    Compiler compiler([](const policy::NameSet& wanted) {
      policy::LookedUp answers;
      for (const std::string& host : wanted.hosts) {
        answers.hosts.emplace(host, std::vector<policy::Address>{kAddress});
      }
      return answers;
    });
    for (int i = 0; i < 16; ++i) {
      compiler.Post({.purpose = i % 4 == 0 ? kChange : kQuestion,
                     .peer = "me",
                     .run =
                         [&done](JobNames* names) {
                           if (names->known.hosts.empty()) {
                             names->wanted.hosts.insert("a");
                           } else {
                             ++done;
                           }
                         },
                     .busy = [](const absl::Status&) { ADD_FAILURE(); },
                     .gone = [] { return false; }});
    }
  }
  EXPECT_EQ(done, 16);
}

}  // namespace
}  // namespace sluice::server
