#include "agent/netfilter/survey/datapath_survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace sluice::agent {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Kind = DatapathFinding::Kind;

class DatapathSurveyTest : public ::testing::Test {
 protected:
  // Each test has its own network namespace, which ends with the process or when the next test
  // begins.
  void SetUp() override {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "this test must be run as root";
    Run("ip link add left type veth peer name right && ip link set left up");
  }

  static void Run(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

  static std::vector<DatapathFinding> Survey() {
    const auto findings = SurveyDatapaths();
    EXPECT_TRUE(findings.ok()) << findings.status();
    return findings.value_or(std::vector<DatapathFinding>());
  }
};

int Bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof(attributes)));
}

// Attaches the program `return XDP_PASS` to an interface until the returned descriptor is closed.
int AttachXdp(const char* interface) {
  const std::array<bpf_insn, 2> pass = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K,
               .dst_reg = 0,
               .src_reg = 0,
               .off = 0,
               .imm = XDP_PASS},
      bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_XDP;
  load.insns = reinterpret_cast<uintptr_t>(pass.data());
  load.insn_cnt = pass.size();
  load.license = reinterpret_cast<uintptr_t>("GPL");
  const int program = Bpf(BPF_PROG_LOAD, load);
  if (program < 0) return program;
  bpf_attr link{};
  link.link_create.prog_fd = static_cast<uint32_t>(program);
  link.link_create.target_ifindex = if_nametoindex(interface);
  link.link_create.attach_type = BPF_XDP;
  link.link_create.flags = XDP_FLAGS_SKB_MODE;
  const int attached = Bpf(BPF_LINK_CREATE, link);
  close(program);
  return attached;
}

TEST_F(DatapathSurveyTest, NoPrograms) {
  EXPECT_THAT(Survey(), IsEmpty());
  Run("tc qdisc add dev left clsact");
  EXPECT_THAT(Survey(), IsEmpty());
}

TEST_F(DatapathSurveyTest, FindsXdp) {
  const int link = AttachXdp("left");
  ASSERT_GE(link, 0) << strerror(errno);
  EXPECT_THAT(Survey(), UnorderedElementsAre(DatapathFinding{Kind::kXdp, "left"}));
  close(link);
  EXPECT_THAT(Survey(), IsEmpty());
}

TEST_F(DatapathSurveyTest, FindsTcFilters) {
  Run("tc qdisc add dev left clsact && tc qdisc add dev right clsact && "
      "tc filter add dev left ingress bpf bytecode '1,6 0 0 4294967295' && "
      "tc filter add dev left ingress bpf bytecode '1,6 0 0 0' && "
      "tc filter add dev right egress bpf bytecode '1,6 0 0 4294967295'");
  EXPECT_THAT(Survey(), UnorderedElementsAre(DatapathFinding{Kind::kTcIngress, "left"},
                                             DatapathFinding{Kind::kTcEgress, "right"}));
}

}  // namespace
}  // namespace sluice::agent
