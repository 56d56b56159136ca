#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <stop_token>
#include <string>
#include <vector>

#include "clients/cli/fake_server.h"
#include "clients/cli/run.h"

namespace sluice::cli {

// Parses the text format.
template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

inline bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Output that calls `on_flush` each time it is flushed: that is when a reader sees it.
class Screen final : public std::stringbuf {
 public:
  std::function<void(const std::string& all)> on_flush = [](const std::string&) {};

 private:
  int sync() override {
    on_flush(str());
    return 0;
  }
};

// Drives sluicectl as its main does, against a server in this process.
class RunTest : public testing::Test {
 protected:
  RunTest() {
    context_.in = &in_;
    context_.out = &out_;
    context_.err = &err_;
    context_.default_server = server_.address();
    context_.user = "me@here";
    context_.until_interrupt = [this] { return interrupt_.get_token(); };
    server_.gateways = Parse<v1::ListGatewaysResponse>(R"pb(
      gateways {
        name: "gw1"
        connected: true
        decide_streams: 2
        mode: MODE_ON
        agent_version: "0.1"
        address: "10.0.1.1"
        reporting: true
      }
      gateways { name: "gw2" mode: MODE_OFF })pb");
    server_.stats = Parse<v1::GatewayStats>(
        "gateway: 'gw1' mode: MODE_ON queues { received: 3 accepted: 2 stale { dropped: 1 } }");
  }

  // Presses ^C as soon as `text` can be read.
  void InterruptAt(const std::string& text) {
    screen_.on_flush = [this, text](const std::string& all) {
      if (Contains(all, text)) interrupt_.request_stop();
    };
  }

  int Ctl(const std::vector<std::string>& arguments) {
    screen_.str("");
    err_.str("");
    server_.HandOver();
    context_.done = 0;
    context_.failed = 1;
    const int code = sluice::cli::Run(arguments, context_);
    server_.HandOver();
    return code;
  }

  std::string File(const std::string& text) {
    const std::string path = testing::TempDir() + "/run_test.policy";
    std::ofstream(path) << text;
    return path;
  }

  std::string out() const { return screen_.str(); }
  std::string err() const { return err_.str(); }

  FakeServer server_;
  std::istringstream in_;
  Screen screen_;
  std::ostream out_{&screen_};
  std::ostringstream err_;
  std::stop_source interrupt_;
  Context context_;
};

}  // namespace sluice::cli
