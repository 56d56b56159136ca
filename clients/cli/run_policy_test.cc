// The verbs about the versions of the policy.

#include <gtest/gtest.h>

#include "clients/cli/run_fixture.h"

namespace sluice::cli {
namespace {

class RunPolicyTest : public RunTest {
 protected:
  RunPolicyTest() {
    server_.policy = Parse<v1::GetPolicyResponse>(
        "policy { version: 3 text: 'default accept;\\n' source: 'my.policy' author: 'me@here' }");
    server_.policies = Parse<v1::ListPoliciesResponse>(R"pb(
      policies {
        version: 3
        source: "my.policy"
        author: "me@here"
        rules: 7
        reverts_in { seconds: 30 }
      }
      policies { version: 2 source: "other.policy" author: "alice@desk" unconfirmed: true }
      policies { source: "built-in" })pb");
    server_.versions[1] = Parse<v1::Policy>("version: 1 text: 'default reject;\\n'");
    server_.versions[2] = Parse<v1::Policy>(
        "version: 2 text: 'default reject;\\n' files { name: 'lists/a' text: 'one\\n' }");
    server_.versions[3] = server_.policy.policy();
  }
};

TEST_F(RunPolicyTest, ApplySaysWhoAndUnderWhichConditions) {
  server_.apply = Parse<v1::ApplyPolicyResponse>(
      "previous { version: 3 source: 'my.policy' } "
      "current { version: 4 source: 'stdin' reverts_in { seconds: 59 nanos: 1 } }");
  in_.str("default accept;");
  EXPECT_EQ(Ctl({"policy", "apply", "-", "--if-version", "3", "--confirm-within", "60s"}), 0)
      << err();
  EXPECT_TRUE(server_.check_policy.for_change());
  EXPECT_EQ(server_.apply_policy.author(), "me@here");
  EXPECT_EQ(server_.apply_policy.if_version(), 3u);
  EXPECT_EQ(server_.apply_policy.confirm_within().seconds(), 60);
  EXPECT_EQ(out(),
            "was version 3 (my.policy, 0 rules)\nnow version 4 (stdin, 0 rules)\n"
            "reverts in 1m00s unless confirmed by: sluicectl policy confirm 4\n");
  in_.clear();
  in_.str("default accept;");
  EXPECT_EQ(Ctl({"policy", "apply", "-", "--author", "CI"}), 0);
  EXPECT_EQ(server_.apply_policy.author(), "CI");
  EXPECT_FALSE(server_.apply_policy.has_if_version());
  EXPECT_FALSE(server_.apply_policy.has_confirm_within());
}

TEST_F(RunPolicyTest, AColleaguesPolicyIsNotOverwritten) {
  server_.failure = {grpc::StatusCode::ABORTED, "the policy now is version 4, applied by alice"};
  in_.str("default accept;");
  EXPECT_EQ(Ctl({"policy", "apply", "-", "--if-version", "3"}), 1);
  EXPECT_TRUE(Contains(err(), "the policy now is version 4, applied by alice")) << err();
}

TEST_F(RunPolicyTest, Rollback) {
  server_.rollback = Parse<v1::RollbackPolicyResponse>(
      "previous { version: 3 source: 'my.policy' } "
      "current { version: 4 source: 'other.policy' text: 'from any;' } restored_version: 2 "
      "warnings { line: 1 column: 6 length: 3 message: 'hardly meant' }");
  EXPECT_EQ(Ctl({"policy", "rollback", "2", "--if-version=3"}), 0);
  EXPECT_EQ(server_.rollback_policy.version(), 2u);
  EXPECT_EQ(server_.rollback_policy.if_version(), 3u);
  EXPECT_EQ(server_.rollback_policy.author(), "me@here");
  EXPECT_TRUE(Contains(out(), "hardly meant")) << out();
  EXPECT_TRUE(
      Contains(out(), "version 2 again\nwas version 3 (my.policy, 0 rules)\nnow version 4 ("))
      << out();
  EXPECT_EQ(Ctl({"policy", "rollback", "-o", "json"}), 0);
  EXPECT_FALSE(server_.rollback_policy.has_version());
  EXPECT_TRUE(Contains(out(), "\"previous\":{\"version\":\"3\"")) << out();
}

TEST_F(RunPolicyTest, Confirm) {
  server_.confirm = Parse<v1::ConfirmPolicyResponse>("current { version: 3 source: 'my.policy' }");
  EXPECT_EQ(Ctl({"policy", "confirm"}), 0);
  EXPECT_EQ(server_.confirm_policy.version(), 3u);
  EXPECT_EQ(out(), "version 3 (my.policy, 0 rules) stays\n");
  EXPECT_EQ(Ctl({"policy", "confirm", "2"}), 0);
  EXPECT_EQ(server_.confirm_policy.version(), 2u);
}

TEST_F(RunPolicyTest, History) {
  EXPECT_EQ(Ctl({"policy", "history", "--last", "5"}), 0);
  EXPECT_EQ(server_.list_policies.limit(), 5u);
  EXPECT_EQ(out(),
            "VERSION  APPLIED       BY          RULES  FROM          STATE\n"
            "      3  -             me@here         7  my.policy     now, reverts in 30s\n"
            "      2  -             alice@desk      0  other.policy  not confirmed\n"
            "      0  -             -               0  built-in\n");
  EXPECT_EQ(Ctl({"policy", "history", "-o", "json"}), 0);
  EXPECT_TRUE(Contains(out(), "\"author\":\"alice@desk\"")) << out();
}

TEST_F(RunPolicyTest, ShowsAnEarlierVersion) {
  EXPECT_EQ(Ctl({"policy", "show", "2"}), 0);
  EXPECT_EQ(out(), "default reject;\n");
  context_.terminal = true;
  EXPECT_EQ(Ctl({"policy", "show", "2"}), 0);
  EXPECT_EQ(out(), "# version 2 (, 0 rules)\n# includes lists/a\ndefault reject;\n");
  EXPECT_EQ(Ctl({"policy", "show", "9"}), 1);
}

// Text that others wrote must not look like the server's own, or hide a rule.
TEST_F(RunPolicyTest, ATerminalIsShownWhatDoesNotShow) {
  server_.versions[2].set_text("# \u202egnp\x1b[2K\ndefault\treject;\n");
  EXPECT_EQ(Ctl({"policy", "show", "2"}), 0);
  EXPECT_EQ(out(), "# \u202egnp\x1b[2K\ndefault\treject;\n");
  EXPECT_EQ(Ctl({"policy", "diff", "1", "2"}), 1);
  EXPECT_TRUE(Contains(out(), "+# \u202egnp\x1b[2K\n+default\treject;\n")) << out();
  context_.terminal = true;
  EXPECT_EQ(Ctl({"policy", "show", "2"}), 0);
  EXPECT_TRUE(Contains(out(), "# \\xe2\\x80\\xaegnp\\x1b[2K\ndefault\treject;\n")) << out();
  EXPECT_EQ(Ctl({"policy", "diff", "1", "2"}), 1);
  EXPECT_TRUE(Contains(out(), "+# \\xe2\\x80\\xaegnp\\x1b[2K\n+default\treject;\n")) << out();
}

TEST_F(RunPolicyTest, DiffOfTheLastChange) {
  EXPECT_EQ(Ctl({"policy", "diff"}), 1) << err();
  EXPECT_EQ(out(),
            "--- version 2\n+++ version 3\n@@ -1 +1 @@\n-default reject;\n+default accept;\n"
            "--- version 2, lists/a\n+++ version 3, without lists/a\n@@ -1 +0,0 @@\n-one\n");
  EXPECT_EQ(err(), "");
}

TEST_F(RunPolicyTest, DiffOfVersionsAndFiles) {
  EXPECT_EQ(Ctl({"policy", "diff", "3"}), 0);
  EXPECT_EQ(out(), "");
  EXPECT_EQ(Ctl({"policy", "diff", "1", "2"}), 1);
  EXPECT_TRUE(Contains(out(), "--- version 1, without lists/a\n+++ version 2, lists/a")) << out();
  EXPECT_EQ(Ctl({"policy", "diff", File("default accept;\n")}), 0) << out();
  EXPECT_EQ(Ctl({"policy", "diff", "1", File("default accept;\n")}), 1);
  EXPECT_TRUE(Contains(out(), "-default reject;\n+default accept;\n")) << out();
  context_.color = true;
  EXPECT_EQ(Ctl({"policy", "diff", "1", "3"}), 1);
  EXPECT_TRUE(Contains(out(), "\x1b[31m-default reject;")) << out();
}

TEST_F(RunPolicyTest, TroubleOfDiffIsTwo) {
  EXPECT_EQ(Ctl({"policy", "diff", "9"}), 2);
  EXPECT_TRUE(Contains(err(), "there is no such policy")) << err();
  EXPECT_EQ(Ctl({"policy", "diff", "1", "/nonexistent"}), 2);
  server_.policies.Clear();
  EXPECT_EQ(Ctl({"policy", "diff"}), 2);
  EXPECT_TRUE(Contains(err(), "there is no version before 3")) << err();
}

class RunTrialTest : public RunPolicyTest {
 protected:
  RunTrialTest() {
    server_.trial = {
        v1::TryPolicyResponse(), Parse<v1::TryPolicyResponse>(R"pb(
          packets: 10
          differing: 3
          policy_version: 3
          differences {
            packets: 2
            gateway: "gw1"
            live { action: ACTION_DROP notify: NOTIFY_TCP_RESET logged: true reason: "default" }
            tried {
              action: ACTION_ACCEPT
              scope: SCOPE_CONNECTION
              decider: "ids"
              rule: 4
              reason: "rule 4, line 9"
            }
            example {
              family: FAMILY_IPV4
              headers {
                source: "\012\000\000\001"
                destination: "\012\000\000\002"
                protocol: 6
                source_port: 4000
                destination_port: 80
              }
            }
          }
          differences {
            packets: 1
            gateway: "gw2"
            live { action: ACTION_ACCEPT reason: "rule 1, line 1" }
            tried { action: ACTION_DROP reason: "default" }
          })pb"),
        Parse<v1::TryPolicyResponse>(R"pb(
          packets: 20
          differing: 9
          others: 3
          policy_version: 3
          left_out: 7
          differences {
            packets: 3
            gateway: "gw2"
            live { action: ACTION_ACCEPT reason: "rule 1, line 1" }
            tried { action: ACTION_DROP reason: "default" }
          })pb")};
  }
};

TEST_F(RunTrialTest, EndsWithWhatDiffers) {
  in_.str("default accept;");
  EXPECT_EQ(Ctl({"policy", "trial", "-", "--count", "20", "-g", "gw1", "-g", "gw2"}), 0) << err();
  EXPECT_EQ(server_.try_policy.gateways_size(), 2);
  EXPECT_EQ(server_.try_policy.policy().text(), "default accept;");
  EXPECT_EQ(out(),
            "PACKETS  LIVE SAYS                     TRIAL SAYS                                     "
            "       "
            "FOR ONE\n"
            "      3  accept (rule 1, line 1)       drop (default)                                 "
            "       "
            "- - > - on gw2\n"
            "      2  drop tcp_reset log (default)  ask ids, else accept for connection (rule 4, "
            "line 9)  "
            "tcp 10.0.0.1:4000 > 10.0.0.2:80 on gw1\n"
            "and 3 packets beyond what is told apart\n"
            "20 packets put to both, 9 differ; 7 left out, as the server had no time for them\n");
}

TEST_F(RunTrialTest, AsJsonALineASecond) {
  in_.str("default accept;");
  EXPECT_EQ(Ctl({"policy", "trial", "-", "--count", "10", "-o", "json"}), 0);
  EXPECT_TRUE(out().starts_with("{}\n{\"packets\":\"10\",\"differing\":\"3\",")) << out();
}

TEST_F(RunTrialTest, OnAScreenItStaysCurrentUntilInterrupted) {
  context_.terminal = true;
  in_.str("default accept;");
  InterruptAt("20 packets put to both, 9 differ");
  EXPECT_EQ(Ctl({"policy", "trial", "-"}), 0);
  EXPECT_TRUE(out().starts_with("\x1b[2J\x1b[H0 packets put to both, 0 differ\x1b[K\n\x1b[J"))
      << out();
}

TEST_F(RunTrialTest, EndsAfterATime) {
  in_.str("default accept;");
  EXPECT_EQ(Ctl({"policy", "trial", "-", "--for", "10ms"}), 0) << err();
  EXPECT_TRUE(Contains(out(), " differ")) << out();
}

TEST_F(RunTrialTest, WhatTheServerEndsFails) {
  in_.str("default accept;");
  server_.hangs_up = true;
  EXPECT_EQ(Ctl({"policy", "trial", "-"}), 1);
  in_.clear();
  in_.str("default accept;");
  server_.failure = {grpc::StatusCode::RESOURCE_EXHAUSTED, "as many as it does at once"};
  EXPECT_EQ(Ctl({"policy", "trial", "-"}), 1);
  EXPECT_TRUE(Contains(err(), "as many as it does at once")) << err();
}

}  // namespace
}  // namespace sluice::cli
