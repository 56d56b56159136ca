#include "clients/cli/completion.h"

#include <absl/strings/str_join.h>
#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

// A tree like sluicectl's, with one of each kind of argument.
class CompletionTest : public testing::Test {
 protected:
  CompletionTest() {
    app_.fallthrough();
    app_.add_option("-s,--server", text_);
    CLI::App* const mode = app_.add_subcommand("mode", "Set it");
    mode->add_option("GATEWAY", text_);
    mode->add_option("MODE", text_)->type_name("on|off");
    CLI::App* const policy = app_.add_subcommand("policy", "Policies");
    policy->add_subcommand("check", "Check one")->add_option("FILE", text_);
    policy->add_subcommand("show", "Show it");
    CLI::App* const stat = app_.add_subcommand("stat", "Count");
    stat->add_option("GATEWAY", text_);
    stat->add_option("-w,--watch", text_)->expected(0, 1)->type_name("SECONDS");
    stat->add_option("-o,--output", text_)->type_name("table|json");
    stat->add_option("--cause", many_)->type_name("CAUSE")->delimiter(',');
    stat->add_flag("-f,--follow", flag_, "Go on");
  }

  std::string Words(const std::vector<std::string>& words) {
    const Completion completion = Complete(app_, words, [this](const std::string& server) {
      asked_ = server.empty() ? "(default)" : server;
      return std::vector<std::string>{"gw1", "gw2", "other"};
    });
    if (completion.files) return "(files)";
    return absl::StrJoin(
        completion.candidates, " ",
        [](std::string* out, const Candidate& candidate) { out->append(candidate.word); });
  }

  CLI::App app_{"", "sluicectl"};
  std::string text_;
  bool flag_ = false;
  std::vector<std::string> many_;
  std::string asked_;
};

TEST_F(CompletionTest, Verbs) {
  EXPECT_EQ(Words({""}), "mode policy stat");
  EXPECT_EQ(Words({}), "mode policy stat");
  EXPECT_EQ(Words({"p"}), "policy");
  EXPECT_EQ(Words({"policy", ""}), "check show");
  EXPECT_EQ(Words({"nonsense", ""}), "mode policy stat");
}

TEST_F(CompletionTest, Arguments) {
  EXPECT_EQ(Words({"mode", "g"}), "gw1 gw2");
  EXPECT_EQ(asked_, "(default)");
  EXPECT_EQ(Words({"mode", "gw1", ""}), "on off");
  EXPECT_EQ(Words({"mode", "gw1", "on", ""}), "");
  EXPECT_EQ(Words({"policy", "check", ""}), "(files)");
  // A gateway may be called like a verb.
  EXPECT_EQ(Words({"mode", "stat", "o"}), "on off");
}

TEST_F(CompletionTest, GatewaysAreThoseOfTheServerTyped) {
  Words({"--server", "10.0.2.2:1", "mode", ""});
  EXPECT_EQ(asked_, "10.0.2.2:1");
  Words({"mode", "--server=unix:/x", ""});
  EXPECT_EQ(asked_, "unix:/x");
}

TEST_F(CompletionTest, Options) {
  EXPECT_EQ(Words({"stat", "--"}), "--help --watch --output --cause --follow --server");
  EXPECT_EQ(Words({"stat", "--o"}), "--output");
  EXPECT_EQ(Words({"-"}), "--help --server");
}

TEST_F(CompletionTest, ValuesOfOptions) {
  EXPECT_EQ(Words({"stat", "-o", ""}), "table json");
  EXPECT_EQ(Words({"stat", "--output", "j"}), "json");
  EXPECT_EQ(Words({"stat", "--output=j"}), "--output=json");
  EXPECT_EQ(Words({"stat", "--cause", "table_full,st"}), "table_full,stale");
  EXPECT_EQ(Words({"stat", "--server", ""}), "");
}

TEST_F(CompletionTest, AnOptionsValueIsNoArgument) {
  EXPECT_EQ(Words({"stat", "-o", "json", "o"}), "other");
  EXPECT_EQ(Words({"stat", "--follow", "o"}), "other");
  EXPECT_EQ(Words({"stat", "--watch", "2", "o"}), "other");
  EXPECT_EQ(Words({"stat", "--watch", "o"}), "other");
  EXPECT_EQ(Words({"stat", "gw1", "--watch", ""}), "");
}

}  // namespace
}  // namespace sluice::cli
