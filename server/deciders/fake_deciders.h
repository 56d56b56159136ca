#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/deciders/decider_stream.h"
#include "server/deciders/question.h"

namespace sluice::server {

using Strings = std::vector<std::string>;

inline Question::Time At(int64_t ms) {
  return Question::Time(std::chrono::hours(1)) + std::chrono::milliseconds(ms);
}

// Deciders at any address. They send what the test has them send.
class FakeDeciders final : public DeciderDialer {
 public:
  std::unique_ptr<DeciderStream> Dial(const std::string& address,
                                      DeciderStream::Listener* listener) override {
    Call& call = calls_[address];
    EXPECT_EQ(call.listener, nullptr) << "dialled twice";
    call.listener = listener;
    ++call.dialled;
    return std::make_unique<Stream>(&call);
  }

  // Returns what was written since the last Read, and reports each write as gone out.
  std::vector<v1::DecideRequest> Read(const std::string& address, Question::Time now) {
    Call& call = calls_[address];
    std::vector<v1::DecideRequest> read;
    while (!call.written.empty()) {
      EXPECT_EQ(call.written.size(), 1u) << "a write began before the one before had ended";
      read.push_back(std::move(call.written.front()));
      call.written.clear();
      if (call.listener != nullptr) call.listener->OnWritten(now);
    }
    return read;
  }
  void Say(const std::string& address, const v1::DecideResponse& response, Question::Time now) {
    ASSERT_NE(calls_[address].listener, nullptr) << address << " is not connected";
    calls_[address].listener->OnMessage(response, now);
  }
  void Welcome(const std::string& address, Question::Time now, const std::string& version = "") {
    v1::DecideResponse response;
    response.mutable_welcome()->set_policy_token(version);
    Say(address, response, now);
  }
  void End(const std::string& address, const absl::Status& status, Question::Time now) {
    calls_[address].listener->OnEnded(status, now);
  }
  bool connected(const std::string& address) { return calls_[address].listener != nullptr; }
  int dialled(const std::string& address) { return calls_[address].dialled; }

 private:
  struct Call {
    DeciderStream::Listener* listener = nullptr;
    std::vector<v1::DecideRequest> written;
    int dialled = 0;
  };
  class Stream final : public DeciderStream {
   public:
    explicit Stream(Call* call) : call_(call) {}
    ~Stream() override {
      call_->listener = nullptr;
      call_->written.clear();
    }
    void Write(const v1::DecideRequest& message) override { call_->written.push_back(message); }

   private:
    Call* const call_;
  };

  std::map<std::string, Call> calls_;
};

// A gateway's Decide stream; records the answers on its packets.
class FakeGateway final : public DeferredVerdictSink {
 public:
  explicit FakeGateway(const std::string& name, int64_t hold_limit_ms = 0) {
    v1::DecideHello hello;
    hello.mutable_agent()->set_gateway(name);
    hello.mutable_hold_limit()->set_nanos(static_cast<int32_t>(hold_limit_ms * 1'000'000));
    asker = std::make_shared<AskingStream>(hello, this);
  }

  void Answer(const DeferredVerdict& deferred) override {
    EXPECT_EQ(deferred.packet.transaction_id(), deferred.verdict.transaction_id());
    answers.push_back(absl::StrCat(deferred.verdict.transaction_id(), " ",
                                   v1::Action_Name(deferred.verdict.action()).substr(7), " ",
                                   deferred.verdict.reason()));
    verdict = deferred.verdict;
  }
  void DecideByPolicy(const v1::Packet&, std::chrono::steady_clock::duration) override { FAIL(); }

  // A question to decider "d" about packet `id`, presented now, that expires in `left_ms`.
  Question Ask(uint64_t id, Question::Time now, int64_t left_ms = 20) const {
    static const policy::Ask kAsk{"d", std::chrono::milliseconds(20)};
    Question question;
    question.asker = asker;
    question.policy.version = 3;
    question.ruling = {};
    question.ruling.action = v1::ACTION_DROP;
    question.ruling.notify = v1::NOTIFY_TCP_RESET;
    question.ruling.rule = 1;
    question.ruling.reason = "rule 1, line 2";
    question.ruling.ask = &kAsk;
    question.packet = std::make_unique<v1::Packet>();
    question.packet->set_transaction_id(id);
    question.packet->set_payload("12345678");
    question.packet->set_original_length(8);
    question.packet->set_waited_us(100);
    question.transaction_id = id;
    question.presented = now;
    question.expires = now + std::chrono::milliseconds(left_ms);
    question.latest = now + std::chrono::milliseconds(100);
    return question;
  }

  std::shared_ptr<AskingStream> asker;
  Strings answers;
  v1::Verdict verdict;  // The last one.
};

}  // namespace sluice::server
