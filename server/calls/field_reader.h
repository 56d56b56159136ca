#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/base/attributes.h"

namespace sluice::server {

// Reads the fields of one message, which protobuf has encoded (protobuf.dev, "Encoding"). Each
// method is false if the bytes end too early, or hold what is left to protobuf.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool AtEnd() const { return at_ == end_; }

  // Goes to the next field.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Next() {
    uint32_t tag = 0;
    if (!TakeShort(&tag)) return false;
    number_ = static_cast<int>(tag >> 3);
    type_ = tag & 7;
    return number_ != 0;
  }

  // Its number in the message.
  int number() const { return number_; }
  // Whether its value is bytes, text or a message.
  bool HasLength() const { return type_ == kLength; }

  // Its value. A field of another type than expected is one that protobuf does not know.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(uint64_t* value) {
    return type_ == kVarint ? TakeVarint(value) : Skip();
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(uint32_t* value) {
    if (type_ != kVarint) return Skip();
    uint64_t read = 0;
    if (!TakeVarint(&read) || read > UINT32_MAX) return false;
    *value = static_cast<uint32_t>(read);
    return true;
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(std::optional<uint32_t>* value) {
    return type_ == kVarint ? Take(&value->emplace()) : Skip();
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(bool* value) {
    if (type_ != kVarint) return Skip();
    uint64_t read = 0;
    if (!TakeVarint(&read) || read > 1) return false;
    *value = read == 1;
    return true;
  }

  template <typename Enum>
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeEnum(Enum* value) {
    if (type_ != kVarint) return Skip();
    uint64_t read = 0;
    if (!TakeVarint(&read) || read > INT32_MAX) return false;
    *value = static_cast<Enum>(read);
    return true;
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(std::string_view* bytes) {
    if (type_ != kLength) return Skip();
    uint32_t size = 0;
    if (!TakeShort(&size) || size > end_ - at_) return false;
    *bytes = {at_, size};
    at_ += size;
    return true;
  }

  // Text that is ASCII: protobuf knows what other text is UTF-8.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeText(std::string_view* text) {
    return Take(text) &&
           std::all_of(text->begin(), text->end(), [](char c) { return (c & 0x80) == 0; });
  }

  // Has `read` take the bytes of a message.
  template <typename Read>
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeMessage(Read read) {
    if (type_ != kLength) return Skip();
    std::string_view bytes;
    return Take(&bytes) && read(bytes);
  }

  // A field that nobody needs, or that is not known.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Skip() {
    uint64_t number = 0;
    return type_ == kVarint ? TakeVarint(&number) : GoTo(Skipped(at_, end_, type_));
  }

 private:
  enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

  // The functions below return where the next byte is, null if what they read is not whole. They
  // are static so that the compiler can keep a FieldReader in registers.

  ABSL_ATTRIBUTE_NOINLINE static const char* Varint(const char* at, const char* end,
                                                    uint64_t* value) {
    uint64_t read = 0;
    for (unsigned shift = 0; shift < 64 && at != end; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at++);
      if (shift == 63 && byte > 1) return nullptr;  // It has more than 64 bits.
      read |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        *value = read;
        return at;
      }
    }
    return nullptr;
  }

  ABSL_ATTRIBUTE_NOINLINE static const char* Skipped(const char* at, const char* end,
                                                     uint32_t type) {
    uint64_t value = 0;
    switch (type) {
      case kLength: {
        const char* const bytes = Varint(at, end, &value);
        const bool whole =
            bytes != nullptr && bytes - at <= kShort && value <= static_cast<uint64_t>(end - bytes);
        return whole ? bytes + value : nullptr;
      }
      case kFixed64:
        return end - at < 8 ? nullptr : at + 8;
      case kFixed32:
        return end - at < 4 ? nullptr : at + 4;
      default:
        return nullptr;
    }
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool GoTo(const char* next) {
    if (next != nullptr) at_ = next;
    return next != nullptr;
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeVarint(uint64_t* value) {
    // Most numbers have one byte or two.
    const ptrdiff_t left = end_ - at_;
    if (left > 0 && (at_[0] & 0x80) == 0) {
      *value = static_cast<uint8_t>(*at_++);
      return true;
    }
    if (left > 1 && (at_[1] & 0x80) == 0) {
      *value = (at_[0] & 0x7f) | static_cast<uint64_t>(at_[1]) << 7;
      at_ += 2;
      return true;
    }
    uint64_t read = 0;
    const bool whole = GoTo(Varint(at_, end_, &read));
    *value = read;
    return whole;
  }

  // A tag or a length. Protobuf takes five bytes of it; four are enough for all messages here.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeShort(uint32_t* value) {
    const char* const begin = at_;
    uint64_t read = 0;
    if (!TakeVarint(&read) || at_ - begin > kShort) return false;
    *value = static_cast<uint32_t>(read);
    return true;
  }

  static constexpr ptrdiff_t kShort = 4;

  const char* at_;
  const char* const end_;
  int number_ = 0;
  uint32_t type_ = 0;
};

// Reads all fields of a message; `take` takes each. False as those of FieldReader.
template <typename Take>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool ReadFields(std::string_view bytes, Take take) {
  FieldReader field(bytes);
  while (!field.AtEnd()) {
    if (!field.Next() || !take(field)) return false;
  }
  return true;
}

}  // namespace sluice::server
