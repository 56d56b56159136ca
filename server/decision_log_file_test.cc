// The log of decisions as written by a whole server.

#include <filesystem>
#include <fstream>
#include <iterator>

#include "server/server_fixture.h"

namespace sluice::server {
namespace {

constexpr char kPolicy[] =
    "from any to any tcp port 80 accept log;\nfrom any to any tcp port 81 reject;\n";

class DecisionLogFileTest : public ServerFixture {
 protected:
  DecisionLogFileTest() {
    std::string made = testing::TempDir() + "/decision_log_XXXXXX";
    logs_ = mkdtemp(made.data());
    path_ = logs_ + "/log";
  }
  ~DecisionLogFileTest() override {
    server_.reset();
    std::filesystem::remove_all(logs_);
  }

  // The text of a whole file.
  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  // Waits until the file exists and has `part`.
  static void WaitFor(const std::string& path, const std::string& part) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (Read(path).find(part) == std::string::npos && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
  }

  static size_t Lines(const std::string& text, const std::string& part) {
    size_t count = 0;
    for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
    return count;
  }

  void Ask(DecideClient& agent, uint64_t batch, const std::vector<uint64_t>& ids, uint32_t port) {
    ASSERT_TRUE(agent.Write(Packets(batch, ids, port)));
    v1::DecideResponse response;
    ASSERT_TRUE(ReadVerdicts(agent, &response));
  }

  std::string logs_;
  std::string path_;
};

TEST_F(DecisionLogFileTest, HasWhatRulesLogAndTheReport) {
  ServerOptions options;
  options.decision_log = {path_};
  Start(options, kPolicy);
  {
    const auto report = Report("gw");
    v1::ReportRequest stats;
    stats.mutable_stats()->set_mode(v1::MODE_ON);
    stats.mutable_stats()->add_queues()->set_received(42);
    ASSERT_TRUE(report->Write(stats));
    const auto agent = Decide("gw");
    Ask(*agent, 1, {1, 2}, 80);
    Ask(*agent, 2, {3}, 81);
    Ask(*agent, 3, {4}, 80);
    report->WritesDone();
    report->Finish();
  }
  server_.reset();
  const std::string text = Read(path_);
  EXPECT_EQ(Lines(text, "gateway=gw action=accept proto=tcp src=10.0.0.1 sport="), 3u) << text;
  EXPECT_EQ(Lines(text, "rule=1 policy=1 "), 3u) << text;
  EXPECT_EQ(Lines(text, "dport=81"), 0u) << text;
  EXPECT_EQ(Lines(text, "report=server packets=4 accepted=3 dropped=1 lines=3 left_out=0"), 1u)
      << text;
  EXPECT_EQ(Lines(text, "report=gateway gateway=gw mode=on asked=42 "), 1u) << text;
}

TEST_F(DecisionLogFileTest, HasAllIfAskedAndCanBeRotated) {
  ServerOptions options;
  options.decision_log = {path_};
  options.log_all = true;
  Start(options, kPolicy);
  const auto agent = Decide("gw");
  Ask(*agent, 1, {1}, 81);
  WaitFor(path_, "sport=1 ");
  std::filesystem::rename(path_, path_ + ".1");
  Ask(*agent, 2, {2}, 81);
  WaitFor(path_ + ".1", "sport=2 ");
  server_->ReopenLogs();
  // Lines that come until then go to the old file.
  while (!std::filesystem::exists(path_)) std::this_thread::yield();
  Ask(*agent, 3, {3}, 81);
  Ask(*agent, 4, {4}, 81);
  server_.reset();
  EXPECT_EQ(Lines(Read(path_ + ".1") + Read(path_), " action=drop "), 4u);
  EXPECT_NE(Read(path_).find("sport=4 "), std::string::npos);
}

TEST_F(DecisionLogFileTest, AFileThatCannotBeOpenedIsSaid) {
  ServerOptions options;
  options.decision_log = {logs_};
  PolicyStore policies(std::chrono::system_clock::now());
  const auto server = Server::Create(options, &policies);
  EXPECT_NE(server.status().message().find("cannot be written"), absl::string_view::npos);
}

}  // namespace
}  // namespace sluice::server
