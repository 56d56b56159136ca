#include "clients/cli/capture/capture_reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>

#include "clients/cli/capture/test_capture.h"

namespace sluice::cli {
namespace {

constexpr uint32_t kEthernet = 1;

std::string File(const std::string& bytes) {
  const std::string path = testing::TempDir() + "/capture_reader_test.pcap";
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::unique_ptr<CaptureReader> Open(const std::string& bytes) {
  auto reader = CaptureReader::Open(File(bytes));
  EXPECT_TRUE(reader.ok()) << reader.status();
  return reader.ok() ? *std::move(reader) : nullptr;
}

TEST(CaptureReaderTest, PacketsAndWhatIsBetweenThem) {
  const std::string arp = std::string(12, '\x02') + std::string("\x08\x06", 2) + "who has";
  const auto reader =
      Open(CaptureHeader(kEthernet) + CaptureFrame(EthernetFrame(IpPacket(7))) + CaptureFrame(arp) +
           CaptureFrame(EthernetFrame(IpPacket().substr(0, 20)), 1514));
  ASSERT_NE(reader, nullptr);
  CapturedPacket packet;
  ASSERT_TRUE(reader->Next(&packet).value());
  EXPECT_EQ(packet.bytes, IpPacket(7));
  EXPECT_EQ(packet.length, 24u);
  EXPECT_EQ(packet.time.seconds(), 1'700'000'000);
  EXPECT_EQ(packet.time.nanos(), 123'456'789);
  ASSERT_TRUE(reader->Next(&packet).value());
  EXPECT_EQ(packet.bytes.size(), 20u);
  EXPECT_EQ(packet.length, 1500u);
  EXPECT_FALSE(reader->Next(&packet).value());
  EXPECT_EQ(reader->others(), 1u);
}

// mergecap makes such files of captures with different link types: each interface has its own.
TEST(CaptureReaderTest, InterfacesOfDifferentKinds) {
  std::string cooked(20, '\0');
  cooked[0] = 8;  // LINKTYPE_LINUX_SLL2: the EtherType comes first.
  const auto reader =
      Open(SectionBlock() + InterfaceBlock(101, 96) + InterfaceBlock(1, 262144) +
           FrameBlock(0, IpPacket(1)) + FrameBlock(1, EthernetFrame(IpPacket(2))) +
           InterfaceBlock(276, 65535) + FrameBlock(2, cooked + IpPacket(3)) + InterfaceBlock(105) +
           FrameBlock(3, std::string(40, 'w')) + FrameBlock(0, IpPacket(4), 1400));
  ASSERT_NE(reader, nullptr);
  CapturedPacket packet;
  for (const char i : {1, 2, 3, 4}) {
    ASSERT_TRUE(reader->Next(&packet).value()) << int{i};
    EXPECT_EQ(packet.bytes, IpPacket(i));
    EXPECT_EQ(packet.length, i == 4 ? 1400u : 24u);
    EXPECT_EQ(packet.time.seconds(), 1'700'000'000);
    EXPECT_EQ(packet.time.nanos(), 500'000'000);
  }
  EXPECT_FALSE(reader->Next(&packet).value());
  EXPECT_EQ(reader->others(), 1u);
  EXPECT_EQ(reader->unknown_links(), 1u);
  EXPECT_EQ(reader->unknown_link(), "IEEE802_11");
}

TEST(CaptureReaderTest, OnlyInterfacesOfUnknownKinds) {
  const auto reader = Open(SectionBlock() + InterfaceBlock(105) + FrameBlock(0, "wireless"));
  ASSERT_NE(reader, nullptr);
  CapturedPacket packet;
  const absl::Status status = reader->Next(&packet).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find("a link of type IEEE802_11; Ethernet, "),
            std::string::npos)
      << status;
}

// Segments that the sender's card would cut: the frame says how long the packet is.
TEST(CaptureReaderTest, ALengthLeftToTheCard) {
  std::string segments = IpPacket() + std::string(3000, 'x');
  segments[2] = segments[3] = 0;
  segments[9] = 6;
  std::string huge = segments;
  std::string tunnel = segments;
  tunnel[9] = 47;
  const auto reader =
      Open(CaptureHeader(kEthernet) + CaptureFrame(EthernetFrame(segments)) +
           CaptureFrame(EthernetFrame(segments.substr(0, 100)), 14 + 3024) +
           CaptureFrame(EthernetFrame(huge), 14 + 100'000) + CaptureFrame(EthernetFrame(tunnel)));
  ASSERT_NE(reader, nullptr);
  CapturedPacket packet;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(reader->Next(&packet).value());
    EXPECT_EQ(packet.length, 3024u);
    EXPECT_EQ(packet.bytes.substr(2, 2), "\x0b\xd0");
  }
  // The first does not fit the field. The second is of a protocol that cards do not cut.
  for (const uint32_t length : {100'000u, 3024u}) {
    ASSERT_TRUE(reader->Next(&packet).value());
    EXPECT_EQ(packet.length, length);
    EXPECT_EQ(packet.bytes.substr(2, 2), std::string(2, '\0'));
  }
}

TEST(CaptureReaderTest, ADamagedFileIsReadAsFarAsItGoes) {
  const std::string good = CaptureHeader(kEthernet) + CaptureFrame(EthernetFrame(IpPacket()));
  for (const std::string& rest :
       {std::string("x"), CaptureFrame(EthernetFrame(IpPacket())).substr(0, 30),
        std::string(16, '\xff') + std::string(100, 'x')}) {
    const auto reader = Open(good + rest);
    ASSERT_NE(reader, nullptr);
    CapturedPacket packet;
    ASSERT_TRUE(reader->Next(&packet).value());
    const absl::Status status = reader->Next(&packet).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_NE(std::string(status.message()).find("damaged or cut off behind 1 frame: "),
              std::string::npos)
        << status;
  }
}

TEST(CaptureReaderTest, WhatIsNoCapture) {
  const auto why = [](const std::string& path) {
    return std::string(CaptureReader::Open(path).status().message());
  };
  EXPECT_NE(why("/nonexistent/file").find("cannot read the capture /nonexistent/file: No such"),
            std::string::npos);
  EXPECT_NE(why("/").find("/ is not a capture: "), std::string::npos) << why("/");
  EXPECT_NE(why(File("")).find(" is not a capture: "), std::string::npos);
  EXPECT_NE(
      why(File("from any to any accept;\n" + std::string(100, ' '))).find("is not a capture: "),
      std::string::npos);
  EXPECT_NE(why(File(CaptureHeader(105))).find("a link of type IEEE802_11; Ethernet, "),
            std::string::npos)
      << why(File(CaptureHeader(105)));
}

}  // namespace
}  // namespace sluice::cli
