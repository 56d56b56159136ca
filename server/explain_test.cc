// ControlService.ExplainPolicy: what a packet would get, and why.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "server/server_fixture.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;

constexpr char kPolicy[] =
    "# Mail, and nothing else.\n"
    "rule \"mail\" between any and 10.0.0.2\n"
    "    tcp port 25 accept log;\n"
    "from 192.0.2.1 to any udp port 53 accept; from any to any\n"
    "  tcp port 80 reject notify;\n";

class ExplainTest : public ServerFixture {
 protected:
  void SetUp() override {
    Start({}, kPolicy);
    control_ = Control();
  }

  // TCP from 10.0.0.1 to 10.0.0.2.
  static v1::ExplainPolicyRequest About(uint32_t destination_port) {
    v1::ExplainPolicyRequest request;
    v1::Headers& headers = *request.mutable_packet()->mutable_headers();
    headers.set_source("\x0a\0\0\1", 4);
    headers.set_destination("\x0a\0\0\2", 4);
    headers.set_protocol(6);
    headers.set_source_port(49152);
    headers.set_destination_port(destination_port);
    return request;
  }

  grpc::Status Explain(const v1::ExplainPolicyRequest& request) {
    response_.Clear();
    return control_->ExplainPolicy(Context().get(), request, &response_);
  }

  // "3 line 4: text | mismatch; mismatch" for each rule considered.
  std::string Shown() const {
    std::string shown;
    for (const auto& rule : response_.considered()) {
      shown += std::to_string(rule.rule()) + " line " + std::to_string(rule.line()) + ": " +
               rule.text() + " |" + (rule.matches() ? " matches" : "");
      for (const std::string& mismatch : rule.mismatches()) shown += " " + mismatch + ";";
      shown += "\n";
    }
    return shown;
  }

  std::unique_ptr<v1::ControlService::Stub> control_;
  v1::ExplainPolicyResponse response_;
};

TEST_F(ExplainTest, TheRuleThatDecidesAndThoseThatNearlyDo) {
  ASSERT_TRUE(Explain(About(80)).ok());
  EXPECT_EQ(response_.ruling().action(), v1::ACTION_DROP);
  EXPECT_EQ(response_.ruling().notify(), v1::NOTIFY_HOST_UNREACHABLE);
  EXPECT_EQ(response_.ruling().reason(), "rule 4, line 4");
  EXPECT_EQ(Shown(),
            "1 line 2: rule \"mail\" between any and 10.0.0.2\n"
            "    tcp port 25 accept log; | destination port 80 is not 25;\n"
            "4 line 4: from any to any\n"
            "  tcp port 80 reject notify; | matches\n");
  EXPECT_EQ(response_.others(), 2u);
}

TEST_F(ExplainTest, AllOfThem) {
  v1::ExplainPolicyRequest request = About(443);
  request.set_all(true);
  ASSERT_TRUE(Explain(request).ok());
  EXPECT_EQ(response_.ruling().reason(), "default");
  EXPECT_EQ(response_.ruling().rule(), 0u);
  ASSERT_EQ(response_.considered_size(), 4);
  EXPECT_EQ(response_.others(), 0u);
  EXPECT_EQ(response_.considered(1).text(), response_.considered(0).text());
  EXPECT_EQ(response_.considered(1).mismatches_size(), 2);
  EXPECT_EQ(response_.considered(2).mismatches(1), "protocol tcp is not udp");
}

TEST_F(ExplainTest, AnotherPolicyThanTheOneNow) {
  v1::ExplainPolicyRequest request = About(80);
  request.mutable_policy()->set_text("from any to any tcp port 80 accept for connection;");
  ASSERT_TRUE(Explain(request).ok());
  EXPECT_EQ(response_.ruling().action(), v1::ACTION_ACCEPT);
  EXPECT_EQ(response_.ruling().scope(), v1::SCOPE_CONNECTION);
  request.mutable_policy()->set_text("from any to nobody;");
  const grpc::Status status = Explain(request);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message().substr(0, 6), "1:13: ");
}

TEST_F(ExplainTest, APacketMayBeGivenAsItIs) {
  v1::ExplainPolicyRequest request;
  ASSERT_TRUE(Explain(request).ok());
  // Nothing is known of an empty packet.
  EXPECT_EQ(response_.ruling().reason(), "rule 4, line 4");
  request.mutable_packet()->set_payload("\x45\0\0", 3);
  request.set_all(true);
  ASSERT_TRUE(Explain(request).ok());
  EXPECT_EQ(response_.ruling().action(), v1::ACTION_DROP);
  EXPECT_EQ(response_.ruling().reason().substr(0, 9), "malformed");
  EXPECT_EQ(response_.considered_size(), 0);
}

TEST_F(ExplainTest, RulesOfFilesThePolicyIncludes) {
  v1::ExplainPolicyRequest request = About(80);
  request.mutable_policy()->set_text("include \"web\"; from any to any reject;");
  v1::PolicyFile& file = *request.mutable_policy()->add_files();
  file.set_name("web");
  file.set_text("# Web.\nfrom any to any tcp port 443 accept;");
  ASSERT_TRUE(Explain(request).ok());
  EXPECT_EQ(Shown(),
            "1 line 2: from any to any tcp port 443 accept; | destination port 80 is not 443;\n"
            "2 line 1: from any to any reject; | matches\n");
  EXPECT_EQ(response_.considered(0).file(), "web");
  EXPECT_EQ(response_.considered(1).file(), "");
}

TEST_F(ExplainTest, ManyRulesFitIntoAnAnswer) {
  v1::ExplainPolicyRequest request = About(80);
  request.set_all(true);
  for (int i = 0; i < 4'000; ++i) {
    request.mutable_policy()->mutable_text()->append(
        "from {192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5, 192.0.2.6, 192.0.2.7} "
        "to {192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5, 192.0.2.6, 192.0.2.7} "
        "udp port {1, 2, 3, 4, 5} state related accept;\n");
  }
  request.mutable_policy()->mutable_text()->append("from any to any reject;");
  const grpc::Status status = Explain(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(response_.considered(response_.considered_size() - 1).matches());
  EXPECT_EQ(response_.considered_size() + response_.others(), 4'001u);
  EXPECT_GT(response_.considered_size(), 1000);
}

TEST_F(ExplainTest, NamesThatAreGoneAreSaid) {
  const std::string path = folder_ + "/set";
  std::ofstream(path) << "10.0.0.1\n";
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(file, 0);
  void* const mapped = mmap(nullptr, 9, PROT_WRITE, MAP_SHARED, file, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  close(file);
  policies_->Apply(PolicyOf("set s from \"" + path + "\"; from @s to any accept;", "test"),
                   std::chrono::system_clock::now());
  ASSERT_TRUE(Explain(About(80)).ok());
  EXPECT_EQ(response_.ruling().rule(), 1u);
  // The content changes without the server noticing: while the file is mapped, inotify(7) reports
  // nothing. Only unmapping counts as the end of a writer.
  std::memcpy(mapped, "10.0.0.9\n", 9);
  grpc::Status status = Explain(About(80));
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(status.error_message().find("have changed since it was applied"), std::string::npos);
  std::filesystem::remove(path);
  status = Explain(About(80));
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(status.error_message().find("cannot be read again: 1:12: "), std::string::npos)
      << status.error_message();
  munmap(mapped, 9);
}

}  // namespace
}  // namespace sluice::server
