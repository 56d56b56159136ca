#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sluice::server {

// Bytes before each message (gRPC's PROTOCOL-HTTP2, Length-Prefixed-Message): a byte that says
// whether it is compressed, and its length in big-endian order.
inline constexpr size_t kMessagePrefix = 5;

// Writes the prefix of an uncompressed message. `first` is 0, or 0x80 for gRPC-Web's trailers.
void WriteMessagePrefix(uint8_t first, size_t length, char* to);

// Puts messages together that arrive in pieces of any size, and takes pieces apart that hold
// several messages. Total: any bytes are taken or refused. Keeps what was appended and not yet
// taken.
class MessageReader final {
 public:
  // Messages of more than `largest` bytes are refused before they are kept.
  explicit MessageReader(size_t largest) : largest_(largest) {}

  void Append(std::string_view bytes);

  // The next whole message, valid until the next Append, Next or Clear; nullopt if there is none
  // yet. Errors: INTERNAL, it is compressed (gRPC's compression.md; a call that announces
  // compression does not come so far); RESOURCE_EXHAUSTED, it is too large; INVALID_ARGUMENT, its
  // prefix is none of gRPC's. After an error nothing further can be read.
  struct Result {
    absl::Status status;
    std::optional<std::string_view> message;
  };
  Result Next();

  // Whether Next has a message or an error.
  bool HasNext() const;

  // Forgets what is kept.
  void Clear() {
    buffer_ = {};
    taken_ = 0;
  }

  // Bytes that are kept.
  size_t size() const { return buffer_.size() - taken_; }

 private:
  // What the whole prefix at taken_ says.
  size_t Length() const;

  const size_t largest_;
  std::string buffer_;
  size_t taken_ = 0;  // bytes at the start of buffer_ that were taken
};

}  // namespace sluice::server
