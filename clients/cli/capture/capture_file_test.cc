#include "clients/cli/capture/capture_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "clients/cli/capture/test_capture.h"

namespace sluice::cli {
namespace {

// "link/length time bytes" for each frame, then how the file ended.
std::string Shown(const std::string& text) {
  std::istringstream in(text);
  absl::StatusOr<CaptureFile> file = CaptureFile::Open(&in);
  if (!file.ok()) return std::string(file.status().message());
  std::ostringstream shown;
  CapturedFrame frame;
  absl::StatusOr<bool> more = false;
  while ((more = file->Next(&frame)).ok() && *more) {
    shown << frame.link_type << "/" << frame.length << " " << frame.time.seconds() << "."
          << frame.time.nanos() << " " << frame.bytes << "\n";
  }
  if (!more.ok()) shown << more.status().message() << "\n";
  return shown.str();
}

// A number in the other byte order.
template <typename Number>
std::string Swapped(Number number) {
  std::string bytes = Raw(number);
  std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

TEST(CaptureFileTest, Pcap) {
  const std::string frame = CaptureFrame("abc", 100, 7, 999'999);
  EXPECT_EQ(Shown(CaptureHeader(1) + frame + CaptureFrame("", 0, 8, 5)),
            "1/100 7.999999 abc\n1/0 8.5 \n");
  std::string micro = CaptureHeader(0x20000001);  // Frames end with a check sequence.
  micro.replace(0, 4, Raw(uint32_t{0xa1b2c3d4}));
  EXPECT_EQ(Shown(micro + frame), "1/100 7.999999000 abc\n");
  std::string modified = CaptureHeader(1);
  modified.replace(0, 4, Raw(uint32_t{0xa1b2cd34}));
  EXPECT_EQ(Shown(modified + frame.substr(0, 16) + std::string(8, 'm') + "abc"),
            "1/100 7.999999000 abc\n");
  const std::string swapped = Swapped(uint32_t{0xa1b2c3d4}) + Swapped(uint16_t{2}) +
                              Swapped(uint16_t{4}) + std::string(8, '\0') +
                              Swapped(uint32_t{65535}) + Swapped(uint32_t{101});
  EXPECT_EQ(Shown(swapped + Swapped(uint32_t{7}) + Swapped(uint32_t{5}) + Swapped(uint32_t{3}) +
                  Swapped(uint32_t{9}) + "abc"),
            "101/9 7.5000 abc\n");
}

TEST(CaptureFileTest, PcapngOfSeveralInterfaces) {
  const std::string nano = Raw(uint16_t{9}) + Raw(uint16_t{1}) + std::string("\x09\0\0\0", 4);
  const std::string binary = Raw(uint16_t{9}) + Raw(uint16_t{1}) + std::string("\x81\0\0\0", 4);
  const std::string later = Raw(uint16_t{14}) + Raw(uint16_t{8}) + Raw(int64_t{1000});
  EXPECT_EQ(Shown(SectionBlock() + InterfaceBlock(1, 64) + InterfaceBlock(101, 0, nano) +
                  InterfaceBlock(113, 9, binary + later) + FrameBlock(0, "a", 7, 2'000'001) +
                  Block(5, std::string(20, 's')) +  // Statistics of an interface.
                  FrameBlock(1, "bcd", 0, 2'000'000'001) + FrameBlock(2, "e", 0, 5)),
            "1/7 2.1000 a\n101/3 2.1 bcd\n113/1 1002.500000000 e\n");
}

TEST(CaptureFileTest, PcapngInOtherWords) {
  // One file appended to another: the interface numbers start again.
  const std::string one = SectionBlock() + InterfaceBlock(1) + FrameBlock(0, "a", 0, 1);
  const std::string two = SectionBlock() + InterfaceBlock(101) + FrameBlock(0, "b", 0, 2);
  EXPECT_EQ(Shown(one + two), "1/1 0.1000 a\n101/1 0.2000 b\n");
  // Simple and obsolete packet blocks.
  EXPECT_EQ(Shown(SectionBlock() + InterfaceBlock(101, 2) + Block(3, Raw(uint32_t{5}) + "ab") +
                  Block(2, Raw(uint16_t{0}) + Raw(uint16_t{0}) + Raw(uint32_t{0}) +
                               Raw(uint32_t{3}) + Raw(uint32_t{1}) + Raw(uint32_t{8}) + "c")),
            "101/5 0.0 ab\n101/8 0.3000 c\n");
  const auto block = [](uint32_t type, const std::string& body) {
    const auto size = static_cast<uint32_t>(body.size() + 12);
    return Swapped(type) + Swapped(size) + body + Swapped(size);
  };
  EXPECT_EQ(Shown(block(0x0a0d0d0a, Swapped(uint32_t{0x1a2b3c4d}) + Swapped(uint16_t{1}) +
                                        Swapped(uint16_t{0}) + Swapped(int64_t{-1})) +
                  block(1, Swapped(uint16_t{1}) + Swapped(uint16_t{0}) + Swapped(uint32_t{64})) +
                  block(6, Swapped(uint32_t{0}) + Swapped(uint64_t{3}) + Swapped(uint32_t{4}) +
                               Swapped(uint32_t{6}) + "abcd")),
            "1/6 0.3000 abcd\n");
}

TEST(CaptureFileTest, WhatIsDamaged) {
  const std::string begin = SectionBlock() + InterfaceBlock(1);
  const struct {
    std::string text;
    std::string said;
  } cases[] = {
      {"", "it is too short"},
      {std::string(50, 'x'), "it begins neither like pcap nor like pcapng"},
      {CaptureHeader(1).substr(0, 20), "its header is cut off"},
      {CaptureHeader(1) + "x", "the file ends in the middle of a frame\n"},
      {CaptureHeader(1) + std::string(16, '\xff'), "a frame of 4294967295 bytes\n"},
      {SectionBlock().substr(0, 20), "the file ends in the middle of a frame"},
      {begin + "x", "the file ends in the middle of a frame\n"},
      {begin + FrameBlock(0, "abc").substr(0, 30), "the file ends in the middle of a frame\n"},
      {begin + FrameBlock(1, "abc"), "a frame of interface 1, which was not announced\n"},
      {begin + Raw(uint32_t{6}) + Raw(uint32_t{11}), "a block of 11 bytes\n"},
      {begin + Raw(uint32_t{6}) + Raw(uint32_t{0x7ffffffc}), "a block of 2147483644 bytes\n"},
      {begin + Raw(uint32_t{77}) + Raw(uint32_t{0x7ffffffc}),
       "the file ends in the middle of a frame\n"},
      {begin + Block(6, "short"), "a frame without a length\n"},
      {begin + Block(1, "abc"), "an interface without a link type\n"},
  };
  for (const auto& c : cases) EXPECT_EQ(Shown(c.text), c.said);
}

// Whatever a file says, the reader finds its end and reads nothing beyond it.
TEST(CaptureFileTest, EachByteWrong) {
  for (const std::string& good :
       {CaptureHeader(1) + CaptureFrame("abcdef") + CaptureFrame("gh"),
        SectionBlock() + InterfaceBlock(1, 64, std::string("\x09\0\1\0\x09\0\0\0", 8)) +
            FrameBlock(0, "abcdef") + Block(3, Raw(uint32_t{2}) + "gh")}) {
    for (size_t i = 0; i < good.size(); ++i) {
      for (const int value : {0, 1, 0x7f, 0xff}) {
        std::string wrong = good;
        wrong[i] = static_cast<char>(value);
        EXPECT_LT(Shown(wrong).size(), 1000u);
        EXPECT_LT(Shown(good.substr(0, i)).size(), 1000u);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::cli
