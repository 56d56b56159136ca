// sluicectl screen.

#include <gtest/gtest.h>
#include <unistd.h>

#include "clients/cli/run_fixture.h"

namespace sluice::cli {
namespace {

class RunScreenTest : public RunTest {
 protected:
  RunScreenTest() {
    server_.screen = {Parse<v1::ScreenResponse>("welcome {}"), Parse<v1::ScreenResponse>(R"pb(
                        packets {
                          batch: 1
                          packets {
                            transaction_id: 72057594037927937
                            headers {
                              source: "\x0a\x00\x01\x02"
                              destination: "\x0a\x00\x02\x02"
                              protocol: 6
                              source_port: 40000
                              destination_port: 80
                              tcp_flags: 2
                            }
                            original_length: 60
                            input_interface: "client"
                            output_interface: "server"
                          }
                          packets { transaction_id: 12 }
                          packets { transaction_id: 13 }
                        })pb")};
  }

  // Runs `screen` with `lines` as its whole input, as if typed or piped in.
  int Say(const std::string& lines, std::vector<std::string> arguments = {"screen", "gw1"}) {
    int fds[2];
    EXPECT_EQ(pipe(fds), 0);
    EXPECT_EQ(write(fds[1], lines.data(), lines.size()), static_cast<ssize_t>(lines.size()));
    close(fds[1]);
    context_.in_fd = fds[0];
    const int code = Ctl(arguments);
    close(fds[0]);
    return code;
  }

  // "12 accept" for each verdict.
  std::vector<std::string> Verdicts() const {
    std::vector<std::string> words;
    for (const v1::Verdict& verdict : server_.verdicts) {
      words.push_back(std::to_string(verdict.transaction_id()) + " " +
                      v1::Action_Name(verdict.action()).substr(7));
    }
    return words;
  }
};

using Words = std::vector<std::string>;

TEST_F(RunScreenTest, DecidesTheOldestOneAfterTheOther) {
  EXPECT_EQ(Say("accept\n# next\ndrop tcp-reset because I say so\naccept\n"), 0) << err();
  EXPECT_EQ(server_.screen_hello.hello().gateway(), "gw1");
  EXPECT_EQ(Verdicts(), (Words{"72057594037927937 ACCEPT", "12 DROP", "13 ACCEPT"}));
  EXPECT_EQ(server_.verdicts[1].notify(), v1::NOTIFY_TCP_RESET);
  EXPECT_EQ(server_.verdicts[1].reason(), "I say so");
  EXPECT_TRUE(Contains(out(), "NUMBER  PROTO   SOURCE")) << out();
  EXPECT_TRUE(Contains(out(), "     1  tcp     10.0.1.2:40000        10.0.2.2:80")) << out();
  EXPECT_TRUE(Contains(out(), "client>server")) << out();
  EXPECT_TRUE(Contains(out(), "-- 2: drop+tcp_reset --")) << out();
  EXPECT_EQ(err(), "");
}

TEST_F(RunScreenTest, DecidesByNumberAndAll) {
  EXPECT_EQ(Say("accept 3\naccept 3\ndrop all\nquit\naccept\n"), 0) << err();
  EXPECT_EQ(Verdicts(), (Words{"13 ACCEPT", "72057594037927937 DROP", "12 DROP"}));
  EXPECT_TRUE(Contains(out(), "-- 3: no longer undecided --")) << out();
}

TEST_F(RunScreenTest, HoldsEachPacketAsItComes) {
  EXPECT_EQ(Say("accept 2\n", {"screen", "gw1", "--hold", "1.5"}), 0) << err();
  EXPECT_EQ(Verdicts(), (Words{"72057594037927937 HOLD", "12 HOLD", "13 HOLD", "12 ACCEPT"}));
  EXPECT_EQ(server_.verdicts[0].hold_for().seconds(), 1);
  EXPECT_EQ(server_.verdicts[0].hold_for().nanos(), 500'000'000);
}

TEST_F(RunScreenTest, AHeldPacketIsStillUndecided) {
  EXPECT_EQ(Say("hold 2\naccept\n"), 0) << err();
  EXPECT_EQ(Verdicts(), (Words{"72057594037927937 HOLD", "72057594037927937 ACCEPT"}));
}

TEST_F(RunScreenTest, PassesOverWhatIsGone) {
  server_.screen.push_back(
      Parse<v1::ScreenResponse>("gone { transaction_ids: 72057594037927937 }"));
  server_.screen.push_back(
      Parse<v1::ScreenResponse>("errors { entries { transaction_id: 12 text: 'no\\n' } }"));
  server_.screen.push_back(Parse<v1::ScreenResponse>("packets { packets { transaction_id: 14 } }"));
  EXPECT_EQ(Say("accept 4\naccept\naccept 1\n"), 0) << err();
  EXPECT_EQ(Verdicts(), (Words{"14 ACCEPT", "13 ACCEPT"}));
  EXPECT_TRUE(Contains(out(), "-- 1: gone, its time ran out --")) << out();
  EXPECT_TRUE(Contains(out(), "-- 2: could not be carried out: no\\x0a --")) << out();
}

TEST_F(RunScreenTest, APacketPresentedAgainKeepsItsNumber) {
  server_.screen.push_back(Parse<v1::ScreenResponse>(
      "packets { packets { transaction_id: 12 } packets { transaction_id: 14 } }"));
  EXPECT_EQ(Say("accept 4\ndrop 2\n"), 0) << err();
  EXPECT_EQ(Verdicts(), (Words{"14 ACCEPT", "12 DROP"}));
}

TEST_F(RunScreenTest, WaitsForPacketsUntilInterrupted) {
  server_.on_verdict = [this](const v1::Verdict& verdict) {
    if (verdict.transaction_id() == 13) interrupt_.request_stop();
  };
  EXPECT_EQ(Say("accept\naccept\naccept\naccept\n"), 0) << err();
  EXPECT_EQ(Verdicts().size(), 3u);
}

TEST_F(RunScreenTest, InterruptEndsTheWaitForALine) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  context_.in_fd = fds[0];
  server_.on_verdict = [this](const v1::Verdict&) { interrupt_.request_stop(); };
  EXPECT_EQ(Ctl({"screen", "gw1", "--hold", "1"}), 0) << err();
  close(fds[0]);
  close(fds[1]);
}

TEST_F(RunScreenTest, ReadsAScript) {
  EXPECT_EQ(Ctl({"screen", "gw1", "--script", File("drop all because of the script\n")}), 0);
  EXPECT_EQ(Verdicts().size(), 3u);
  EXPECT_EQ(server_.verdicts[0].reason(), "of the script");
}

TEST_F(RunScreenTest, AMistakeEndsAScriptButNotASession) {
  const std::string script = File("accept\naccpet\naccept\n");
  EXPECT_EQ(Ctl({"screen", "gw1", "--script", script}), 1);
  EXPECT_TRUE(Contains(err(), script + ":2: 'accpet' is not understood")) << err();
  EXPECT_EQ(Verdicts().size(), 1u);
  EXPECT_EQ(Say("accpet\nhelp\naccept\n"), 0);
  EXPECT_TRUE(Contains(err(), "'accpet' is not understood")) << err();
  EXPECT_TRUE(Contains(err(), "hold SECONDS")) << err();
  EXPECT_EQ(Verdicts().size(), 2u);
}

TEST_F(RunScreenTest, SaysWhyItCannotScreen) {
  server_.screen_failure = {grpc::StatusCode::ALREADY_EXISTS, "screened by 192.0.2.1:7 already"};
  EXPECT_EQ(Say("accept\n"), 1);
  EXPECT_EQ(err(), "sluicectl: gw1: screened by 192.0.2.1:7 already\n");
  server_.screen_failure = {grpc::StatusCode::NOT_FOUND, "?"};
  EXPECT_EQ(Say("accept\n"), 1);
  EXPECT_TRUE(Contains(err(), "Known gateways: gw1, gw2")) << err();
  EXPECT_EQ(Ctl({"screen", "gw1", "--script", "/nowhere/script"}), 1);
  EXPECT_TRUE(Contains(err(), "cannot read the script /nowhere/script: No such file")) << err();
  EXPECT_EQ(Ctl({"screen", "gw1", "--hold", "61"}), 2);
  EXPECT_EQ(Ctl({"screen"}), 2);
}

TEST_F(RunScreenTest, SaysNothingMoreOnceItHasLeft) {
  server_.slow_to_end = true;
  EXPECT_EQ(Say("accept\nquit\n"), 0) << err();
  EXPECT_EQ(Verdicts().size(), 1u);
}

TEST_F(RunScreenTest, LeavesASilentServer) {
  server_.mute = true;
  EXPECT_EQ(Say("accept all\naccept\n"), 1);
  EXPECT_TRUE(Contains(err(), "silent for 600 ms")) << err();
}

}  // namespace
}  // namespace sluice::cli
