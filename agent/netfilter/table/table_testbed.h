#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::agent {

// Runs a shell command in this thread's network namespace and returns its output, including stderr.
// If the command fails, so does the test.
std::string Shell(const std::string& command);

// While an object of this class exists, this process sees a kernel like those before Linux 6.9: it
// holds no tables (table_hold.h), so that others can change ours.
class OlderKernel final {
 public:
  OlderKernel();
  ~OlderKernel();
  OlderKernel(const OlderKernel&) = delete;
  OlderKernel& operator=(const OlderKernel&) = delete;
};

// A gateway in a network namespace of its own. What Send sends comes in by the interface `inside`
// or `guests`. What the gateway forwards goes out by `outside`, where Received reads it. The kernel
// forwards while Send runs, so there is nothing to wait for.
class TableTestbed : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Creates the three interfaces and brings them up; without this call there is only lo.
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
  // How many packets of that protocol came out since the last call.
  int Received(uint8_t protocol = 17);
  // Sends the answer to SendIpv4's datagram the other way.
  void AnswerIpv4(uint8_t flow = 1);
  // Sends an ICMP error about SendIpv4's datagram the other way.
  void ErrorAboutIpv4(uint8_t flow = 1);
  // How many answers came out since the last call.
  int Answered();
  // How many ICMP errors were sent back instead.
  int Errors();

  // The datagrams go from port 12345 to this one.
  static constexpr uint16_t kPort = 53;

  // Creates an interface of that name, with (IFF_TAP) or without (IFF_TUN) a link layer. What is
  // written to the returned descriptor comes in by the interface. Non-blocking; the caller closes
  // it.
  static int OpenDevice(const char* name, short kind);

 private:
  int inside_ = -1;
  int guests_ = -1;
  int outside_ = -1;
};

}  // namespace sluice::agent
