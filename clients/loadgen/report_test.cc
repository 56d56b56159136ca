#include "clients/loadgen/report.h"

#include <gtest/gtest.h>

namespace sluice::loadgen {
namespace {

Report Idle() {
  Report report;
  report.server = "192.0.2.1:7654";
  report.agents = report.connected = 100;
  report.batch = 8;
  report.connect_seconds = 0.25;
  report.idle = {.seconds = 10,
                 .server = Cost{.cpu_seconds = 0.5, .memory_bytes = 20'000'000},
                 .own_cpu_seconds = 2};
  return report;
}

Report Busy() {
  Report report = Idle();
  report.in_flight = 2;
  report.busy = Phase{.seconds = 10,
                      .server = Cost{.cpu_seconds = 8, .memory_bytes = 30'000'000},
                      .own_cpu_seconds = 9};
  report.answered = 4'000'000;
  report.sent = 4'001'600;
  report.accepted = 3'000'000;
  report.p50_us = 512;
  report.p99_us = 2048;
  report.max_us = 9999;
  report.fewest = 35'000;
  report.most = 45'000;
  return report;
}

TEST(ReportTest, IdleAgents) {
  EXPECT_EQ(ToText(Idle()),
            "agents     100 connected in 0.25 s, 0 refused, 0 lost\n"
            "idle       200.0 kB of memory an agent; 500 us of CPU an agent and second "
            "(0.05 processors for all)\n"
            "(sluice-loadgen itself: 0.20 processors)\n");
  EXPECT_TRUE(Idle().ok());
}

TEST(ReportTest, BusyAgents) {
  EXPECT_EQ(ToText(Busy()),
            "agents     100 connected in 0.25 s, 0 refused, 0 lost\n"
            "idle       200.0 kB of memory an agent; 500 us of CPU an agent and second "
            "(0.05 processors for all)\n"
            "busy       300.0 kB of memory an agent; 2.00 us of CPU a decision "
            "(0.80 processors for all)\n"
            "decisions  400000 a second; an agent 4000, the slowest 3500, the fastest 4500\n"
            "           of 4001600 packets 3000000 accepted, 0 stale; 0 answers to no packet "
            "that waited\n"
            "round trip p50 512 us, p99 2048 us, max 9999 us\n"
            "(sluice-loadgen itself: 0.90 processors)\n");
}

TEST(ReportTest, WhatWentWrongIsSaid) {
  Report report = Idle();
  report.connected = 97;
  report.refused = 3;
  report.lost = 1;
  report.reasons = {{"Decide: \"full\"\n", 3}, {"Serve: it ended the stream", 1}};
  report.only_deciding = 2;
  EXPECT_FALSE(report.ok());
  const std::string text = ToText(report);
  EXPECT_NE(text.find("97 connected in 0.25 s, 3 refused, 1 lost\n"), std::string::npos) << text;
  EXPECT_NE(text.find("           1: Serve: it ended the stream\n"), std::string::npos) << text;
  EXPECT_NE(text.find("2 on a server without Report and Serve"), std::string::npos) << text;
  EXPECT_EQ(Shortcomings(report),
            "of 100 agents 3 were refused and 1 lost; 0 packets stale, 0 answers unknown; "
            "Decide: \"full\"\n; Serve: it ended the stream");
  EXPECT_NE(ToJson(report).find(
                R"("reasons": {"Decide: \"full\" ": 3, "Serve: it ended the stream": 1})"),
            std::string::npos)
      << ToJson(report);
}

TEST(ReportTest, AServerThatDoesNotSayWhatItCosts) {
  Report report = Busy();
  report.idle.server.reset();
  report.busy->server.reset();
  report.no_usage = "no such service";
  EXPECT_NE(ToText(report).find("does not say what it costs: no such service\n"),
            std::string::npos);
  EXPECT_NE(ToJson(report).find(R"("idle_bytes_per_agent": null)"), std::string::npos);
  EXPECT_NE(ToJson(report).find(R"("cpu_us_per_decision": null)"), std::string::npos);
}

TEST(ReportTest, NobodyConnected) {
  Report report = Busy();
  report.connected = 0;
  report.refused = 100;
  report.answered = 0;
  report.busy->seconds = 0;
  EXPECT_EQ(ToText(report).find("nan"), std::string::npos) << ToText(report);
  EXPECT_EQ(ToJson(report).find("inf"), std::string::npos) << ToJson(report);
}

TEST(ReportTest, AnswersThatAreMissingOrTooMany) {
  Report report = Busy();
  EXPECT_TRUE(report.ok());
  report.stale = 1;
  EXPECT_FALSE(report.ok());
  report.stale = 0;
  report.unknown = 1;
  EXPECT_FALSE(report.ok());
}

TEST(ReportTest, Json) {
  EXPECT_EQ(
      ToJson(Busy()),
      R"({"server": "192.0.2.1:7654", "agents": 100, "batch": 8, "in_flight": 2, "rate": 0, )"
      R"("connected": 100, "refused": 0, "lost": 0, "reasons": {}, "only_deciding": 0, )"
      R"("connect_seconds": 0.25, "idle_bytes_per_agent": 200000, )"
      R"("idle_cpu_us_per_agent_second": 500, "idle_processors": 0.05, )"
      R"("busy_bytes_per_agent": 300000, "cpu_us_per_decision": 2, "busy_processors": 0.8, )"
      R"("idle_seconds": 10, "idle_own_processors": 0.2, "busy_seconds": 10, )"
      R"("busy_own_processors": 0.9, "decisions_per_second": 400000, )"
      R"("slowest_agent_per_second": 3500, "fastest_agent_per_second": 4500, )"
      R"("sent": 4001600, "answered": 4000000, "accepted": 3000000, "stale": 0, "unknown": 0, )"
      R"("p50_us": 512, "p99_us": 2048, "max_us": 9999})");
  EXPECT_NE(ToJson(Idle()).find(R"("decisions_per_second": null)"), std::string::npos);
}

}  // namespace
}  // namespace sluice::loadgen
