#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::bench {

// Counts the gRPC messages in one direction of an HTTP/2 connection (RFC 9113) that carries one
// call, however the bytes are cut. Bytes that are not HTTP/2 only give a meaningless count.
class MessageCounter final {
 public:
  // `preface`: this is the client's direction, which begins with 24 bytes that are not a frame.
  explicit MessageCounter(bool preface) : skip_(preface ? kPreface : 0) {}

  void Feed(std::span<const uint8_t> bytes);
  uint64_t messages() const { return messages_; }

 private:
  static constexpr size_t kPreface = 24;

  // Collects bytes into `header` until it is full; true once it is.
  template <size_t kSize>
  static bool Collect(std::span<const uint8_t>& bytes, std::array<uint8_t, kSize>& header,
                      size_t& collected);
  void FeedData(std::span<const uint8_t> bytes);

  size_t skip_;                        // bytes to ignore
  std::array<uint8_t, 9> frame_ = {};  // length 24 bits, type, flags, stream
  size_t frame_collected_ = 0;
  size_t data_left_ = 0;                // of a DATA frame
  std::array<uint8_t, 5> prefix_ = {};  // gRPC's: compressed or not, length 32 bits
  size_t prefix_collected_ = 0;
  size_t message_left_ = 0;
  uint64_t messages_ = 0;
};

}  // namespace sluice::bench
