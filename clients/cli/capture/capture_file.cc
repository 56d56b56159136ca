#include "clients/cli/capture/capture_file.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace sluice::cli {
namespace {

constexpr uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr uint32_t kNanoseconds = 0xa1b23c4d;
constexpr uint32_t kModified = 0xa1b2cd34;  // Kuznetzov's libpcap: 8 more bytes a frame.

// Block types of pcapng.
constexpr uint32_t kSection = 0x0a0d0d0a;  // The same in either byte order.
constexpr uint32_t kInterface = 1;
constexpr uint32_t kObsoletePacket = 2;
constexpr uint32_t kSimplePacket = 3;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kByteOrder = 0x1a2b3c4d;

// A frame with its options. Blocks of other kinds, such as TLS secrets, may be longer.
constexpr uint32_t kLongestBlock = CaptureFile::kLongestFrame + (1u << 20);
// For one section: far more than a host has, and little memory.
constexpr size_t kMostInterfaces = 65'536;

absl::Status Damaged(const std::string& what) { return absl::DataLossError(what); }
absl::Status CutOff() { return Damaged("the file ends in the middle of a frame"); }

}  // namespace

bool CaptureFile::Read(size_t size, std::string* bytes) {
  bytes->resize(size);
  in_->read(bytes->data(), static_cast<std::streamsize>(size));
  bytes->resize(static_cast<size_t>(in_->gcount()));
  return bytes->size() == size;
}

uint32_t CaptureFile::Word(const std::string& bytes, size_t at) const {
  uint8_t b[4];
  std::memcpy(b, bytes.data() + at, sizeof b);
  if (!big_endian_) std::reverse(b, b + 4);
  return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
}

uint32_t CaptureFile::Half(const std::string& bytes, size_t at) const {
  const auto first = static_cast<uint8_t>(bytes[at]);
  const auto second = static_cast<uint8_t>(bytes[at + 1]);
  return big_endian_ ? uint32_t{first} << 8 | second : uint32_t{second} << 8 | first;
}

absl::StatusOr<CaptureFile> CaptureFile::Open(std::istream* in) {
  CaptureFile file(in);
  std::string begin;
  if (!file.Read(8, &begin)) return absl::InvalidArgumentError("it is too short");
  if (file.Word(begin, 0) == kSection) {
    file.pcapng_ = true;
    if (absl::Status status = file.BeginSection(begin); !status.ok()) {
      return absl::InvalidArgumentError(status.message());
    }
    return file;
  }
  for (const bool big_endian : {false, true}) {
    file.big_endian_ = big_endian;
    const uint32_t magic = file.Word(begin, 0);
    if (magic != kMicroseconds && magic != kNanoseconds && magic != kModified) continue;
    std::string rest;
    if (!file.Read(16, &rest)) return absl::InvalidArgumentError("its header is cut off");
    file.fraction_ns_ = magic == kNanoseconds ? 1 : 1000;
    file.more_header_ = magic == kModified ? 8 : 0;
    // The upper bits describe frame check sequences.
    file.link_type_ = file.Word(rest, 12) & 0xffff;
    return file;
  }
  return absl::InvalidArgumentError("it begins neither like pcap nor like pcapng");
}

absl::StatusOr<bool> CaptureFile::Next(CapturedFrame* frame) {
  return pcapng_ ? NextOfPcapng(frame) : NextOfPcap(frame);
}

absl::StatusOr<bool> CaptureFile::NextOfPcap(CapturedFrame* frame) {
  std::string header;
  const size_t size = 16 + more_header_;
  if (!Read(size, &header)) {
    if (header.empty()) return false;
    return CutOff();
  }
  const uint32_t captured = Word(header, 8);
  if (captured > kLongestFrame) return Damaged(absl::StrCat("a frame of ", captured, " bytes"));
  frame->time.set_seconds(Word(header, 0));
  const uint64_t nanos = uint64_t{Word(header, 4)} * fraction_ns_;
  frame->time.set_nanos(static_cast<int32_t>(std::min<uint64_t>(nanos, 999'999'999)));
  frame->link_type = link_type_;
  if (!Read(captured, &frame->bytes)) return CutOff();
  frame->length = std::max(Word(header, 12), captured);
  return true;
}

absl::Status CaptureFile::BeginSection(const std::string& begin) {
  std::string magic;
  if (!Read(4, &magic)) return CutOff();
  big_endian_ = false;
  if (Word(magic, 0) != kByteOrder) big_endian_ = true;
  if (Word(magic, 0) != kByteOrder) return Damaged("a section of no known byte order");
  const uint32_t length = Word(begin, 4);
  if (length < 28 || length % 4 != 0 || length > kLongestBlock) {
    return Damaged(absl::StrCat("a section's first block of ", length, " bytes"));
  }
  std::string rest;
  if (!Read(length - 12, &rest)) return CutOff();
  if (Half(rest, 0) != 1) {
    return Damaged(absl::StrCat("version ", Half(rest, 0), " of pcapng, which is not known"));
  }
  interfaces_.clear();
  return absl::OkStatus();
}

absl::Status CaptureFile::AddInterface(const std::string& body) {
  constexpr uint32_t kResolution = 9;
  constexpr uint32_t kOffset = 14;
  if (body.size() < 8) return Damaged("an interface without a link type");
  if (interfaces_.size() == kMostInterfaces) return Damaged("too many interfaces");
  Interface interface { Half(body, 0), Word(body, 4), 1'000'000, 0 };
  for (size_t at = 8; at + 4 <= body.size();) {
    const uint32_t code = Half(body, at);
    const uint32_t size = Half(body, at + 2);
    at += 4;
    if (code == 0 || at + size > body.size()) break;
    if (code == kResolution && size == 1) {
      // A power of ten or, if the top bit is set, of two.
      const auto exponent = static_cast<uint8_t>(body[at]);
      const int power = exponent & 0x7f;
      uint64_t units = 1;
      if (power > (exponent & 0x80 ? 63 : 19)) return Damaged("times of no known resolution");
      for (int i = 0; i < power; ++i) units *= exponent & 0x80 ? 2 : 10;
      interface.units_in_second = units;
    } else if (code == kOffset && size == 8) {
      const uint64_t low = Word(body, at + (big_endian_ ? 4 : 0));
      const uint64_t high = Word(body, at + (big_endian_ ? 0 : 4));
      interface.offset_seconds = static_cast<int64_t>(high << 32 | low);
    }
    at += (size + 3) / 4 * 4;
  }
  interfaces_.push_back(interface);
  return absl::OkStatus();
}

void CaptureFile::SetTime(uint64_t units, const Interface& interface, CapturedFrame* frame) const {
  const uint64_t second = interface.units_in_second;
  const auto seconds = static_cast<int64_t>(units / second);
  // Unsigned, so that the sum is defined whatever the file says.
  frame->time.set_seconds(static_cast<int64_t>(static_cast<uint64_t>(seconds) +
                                               static_cast<uint64_t>(interface.offset_seconds)));
  const double fraction = static_cast<double>(units % second) / static_cast<double>(second);
  const bool exact = second <= 1'000'000'000 && 1'000'000'000 % second == 0;
  const auto nanos = exact ? static_cast<int64_t>(units % second * (1'000'000'000 / second))
                           : static_cast<int64_t>(fraction * 1e9);
  frame->time.set_nanos(static_cast<int32_t>(std::min<int64_t>(nanos, 999'999'999)));
}

absl::StatusOr<bool> CaptureFile::Packet(uint32_t type, const std::string& body,
                                         CapturedFrame* frame) const {
  size_t at = 20;
  uint32_t interface = 0;
  uint64_t units = 0;
  uint32_t captured = 0;
  if (type == kSimplePacket) {
    at = 4;
    if (body.size() < at) return Damaged("a frame without a length");
    frame->length = Word(body, 0);
    captured = frame->length;
  } else if (type == kEnhancedPacket || type == kObsoletePacket) {
    if (body.size() < at) return Damaged("a frame without a length");
    interface = type == kEnhancedPacket ? Word(body, 0) : Half(body, 0);
    units = uint64_t{Word(body, 4)} << 32 | Word(body, 8);
    captured = Word(body, 12);
    frame->length = Word(body, 16);
  } else {
    return false;
  }
  if (interface >= interfaces_.size()) {
    return Damaged(absl::StrCat("a frame of interface ", interface, ", which was not announced"));
  }
  const Interface& from = interfaces_[interface];
  if (type == kSimplePacket) {
    // For simple packet blocks, only the interface says how much was captured.
    if (from.snap_length != 0) captured = std::min(captured, from.snap_length);
    captured = std::min(captured, static_cast<uint32_t>(body.size() - at));
    frame->time.Clear();
  } else {
    SetTime(units, from, frame);
  }
  if (captured > kLongestFrame || captured > body.size() - at) {
    return Damaged(absl::StrCat("a frame of ", captured, " bytes"));
  }
  frame->link_type = from.link_type;
  frame->bytes = body.substr(at, captured);
  frame->length = std::max(frame->length, captured);
  return true;
}

absl::StatusOr<bool> CaptureFile::NextOfPcapng(CapturedFrame* frame) {
  std::string begin;
  std::string body;
  for (;;) {
    if (!Read(8, &begin)) {
      if (begin.empty()) return false;
      return CutOff();
    }
    const uint32_t type = Word(begin, 0);
    if (type == kSection) {
      if (absl::Status status = BeginSection(begin); !status.ok()) return status;
      continue;
    }
    const uint32_t length = Word(begin, 4);
    if (length < 12 || length % 4 != 0) {
      return Damaged(absl::StrCat("a block of ", length, " bytes"));
    }
    const bool wanted = type == kInterface || type == kEnhancedPacket || type == kSimplePacket ||
                        type == kObsoletePacket;
    if (!wanted) {
      in_->ignore(length - 8);
      if (in_->gcount() != static_cast<std::streamsize>(length - 8)) return CutOff();
      continue;
    }
    if (length > kLongestBlock) return Damaged(absl::StrCat("a block of ", length, " bytes"));
    if (!Read(length - 8, &body)) return CutOff();
    if (Word(body, body.size() - 4) != length) return Damaged("a block with two lengths");
    body.resize(body.size() - 4);
    if (type == kInterface) {
      if (absl::Status status = AddInterface(body); !status.ok()) return status;
      continue;
    }
    return Packet(type, body, frame);
  }
}

}  // namespace sluice::cli
