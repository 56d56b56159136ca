#include "clients/cli/capture_reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>

#include "clients/cli/test_capture.h"

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

TEST(CaptureReaderTest, Pcapng) {
  const auto block = [](uint32_t type, std::string body) {
    body.resize((body.size() + 3) / 4 * 4);
    const auto size = static_cast<uint32_t>(body.size() + 12);
    return Raw(type) + Raw(size) + body + Raw(size);
  };
  const std::string section = block(0x0a0d0d0a, Raw(uint32_t{0x1a2b3c4d}) + Raw(uint16_t{1}) +
                                                    Raw(uint16_t{0}) + Raw(int64_t{-1}));
  const std::string interface =
      block(1, Raw(uint16_t{101}) + Raw(uint16_t{0}) + Raw(uint32_t{262144}));  // Raw IP.
  const uint64_t us = 1'700'000'000'500'000;
  const std::string packet_block = block(
      6, Raw(uint32_t{0}) + Raw(static_cast<uint32_t>(us >> 32)) + Raw(static_cast<uint32_t>(us)) +
             Raw(uint32_t{24}) + Raw(uint32_t{24}) + IpPacket());
  const auto reader = Open(section + interface + packet_block);
  ASSERT_NE(reader, nullptr);
  CapturedPacket packet;
  ASSERT_TRUE(reader->Next(&packet).value());
  EXPECT_EQ(packet.bytes, IpPacket());
  EXPECT_EQ(packet.time.seconds(), 1'700'000'000);
  EXPECT_EQ(packet.time.nanos(), 500'000'000);
  EXPECT_FALSE(reader->Next(&packet).value());
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
  EXPECT_NE(why("/").find("/ is no capture: "), std::string::npos) << why("/");
  EXPECT_NE(why(File("")).find(" is no capture: "), std::string::npos);
  EXPECT_NE(why(File("from any to any accept;\n" + std::string(100, ' '))).find("is no capture: "),
            std::string::npos);
  EXPECT_NE(why(File(CaptureHeader(105))).find("a link of type IEEE802_11; Ethernet, "),
            std::string::npos)
      << why(File(CaptureHeader(105)));
}

}  // namespace
}  // namespace sluice::cli
