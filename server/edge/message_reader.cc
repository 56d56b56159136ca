#include "server/edge/message_reader.h"

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

// A buffer up to this size is kept for the next messages; usual messages have a few KiB.
constexpr size_t kKeptBuffer = 32 << 10;

}  // namespace

void WriteMessagePrefix(uint8_t first, size_t length, char* to) {
  to[0] = static_cast<char>(first);
  for (size_t i = 0; i < 4; ++i) to[1 + i] = static_cast<char>(length >> (24 - 8 * i));
}

void MessageReader::Append(std::string_view bytes) {
  if (taken_ == buffer_.size()) {
    buffer_.clear();
    taken_ = 0;
    if (buffer_.capacity() > kKeptBuffer) buffer_.shrink_to_fit();
  } else if (taken_ > buffer_.size() / 2) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  buffer_.append(bytes);
}

size_t MessageReader::Length() const {
  size_t length = 0;
  for (size_t i = 1; i < kMessagePrefix; ++i) {
    length = length << 8 | static_cast<uint8_t>(buffer_[taken_ + i]);
  }
  return length;
}

bool MessageReader::HasNext() const {
  if (size() == 0) return false;
  if (buffer_[taken_] != 0) return true;  // An error.
  if (size() < kMessagePrefix) return false;
  const size_t length = Length();
  return length > largest_ || size() - kMessagePrefix >= length;
}

MessageReader::Result MessageReader::Next() {
  if (!HasNext()) return {};
  const std::string_view left = std::string_view(buffer_).substr(taken_);
  if (left[0] == 1) {
    return {absl::InternalError("a message says it is compressed, but the call's encoding is none"),
            {}};
  }
  if (left[0] != 0) {
    return {absl::InvalidArgumentError(absl::StrCat(
                "a message begins with byte ", static_cast<uint8_t>(left[0]), " instead of 0")),
            {}};
  }
  const size_t length = Length();
  if (length > largest_) {
    return {absl::ResourceExhaustedError(absl::StrCat("a message of ", length, " bytes; at most ",
                                                      largest_, " are allowed here")),
            {}};
  }
  taken_ += kMessagePrefix + length;
  return {absl::OkStatus(), left.substr(kMessagePrefix, length)};
}

}  // namespace sluice::server
