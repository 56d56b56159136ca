#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::agent {

// Runs a shell command in this thread's network namespace; its output, with what it says to
// stderr. The test fails if it does.
std::string Shell(const std::string& command);

// While there is one, the kernel of this process is as before Linux 6.9: it holds no tables
// (table_hold.h), so that others can change ours.
class OlderKernel final {
 public:
  OlderKernel();
  ~OlderKernel();
  OlderKernel(const OlderKernel&) = delete;
  OlderKernel& operator=(const OlderKernel&) = delete;
};

// A gateway in a network namespace of its own: whatever is Sent comes in by the interface
// `inside`, if not by `guests`, and what the gateway forwards goes out by `outside`, where Received
// takes it. The kernel forwards while Send runs, so there is nothing to wait for.
class TableTestbed : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Lets `inside` and `outside` come up; without it there are no interfaces but lo.
  void StartForwarding();
  // Sends a UDP datagram through the gateway, from address 198.51.100.`flow` or 2001:db8:1::flow.
  void SendIpv4(uint8_t flow = 1);
  void SendIpv6(uint8_t flow = 1);
  // The same with another transport header, or from the guests.
  struct Sent {
    bool ipv6 = false;
    uint8_t flow = 1;
    uint8_t protocol = 17;
    std::array<uint8_t, 8> transport = {0x30, 0x39, 0x00, 0x35, 0, 8, 0, 0};
    bool guests = false;
  };
  void Send(const Sent& sent);
  // How many of those came out since the last call; of UDP, or of that protocol.
  int Received(uint8_t protocol = 17);
  // Sends the answer to SendIpv4's datagram the other way.
  void AnswerIpv4(uint8_t flow = 1);
  // Sends an ICMP error about SendIpv4's datagram the other way.
  void ErrorAboutIpv4(uint8_t flow = 1);
  // How many answers came out since the last call.
  int Answered();
  // How many ICMP errors senders were told instead.
  int Errors();

  // The datagrams go from port 12345 to this one.
  static constexpr uint16_t kPort = 53;

  // Makes an interface of that name, with (IFF_TAP) or without (IFF_TUN) link layer: what is
  // written to the result comes in by it. Non-blocking; to be closed by the caller.
  static int OpenDevice(const char* name, short kind);

 private:
  int inside_ = -1;
  int guests_ = -1;
  int outside_ = -1;
};

}  // namespace sluice::agent
