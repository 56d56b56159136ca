#include "proto/text/text.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>

namespace sluice {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// Characters that do not show as themselves: Unicode's categories Cc, Zl and Zp, and those of Cf
// and of the default ignorables that no script needs.
constexpr Range kUnseen[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},       {0xad, 0xad},       {0x034f, 0x034f},   {0x061c, 0x061c},
    {0x115f, 0x1160}, {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f}, {0x3164, 0x3164},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

uint8_t Byte(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

// The code point of a whole character of `size` bytes.
uint32_t CodePoint(std::string_view text, size_t size) {
  if (size == 1) return Byte(text, 0);
  uint32_t point = Byte(text, 0) & (0xff >> (size + 1));
  for (size_t i = 1; i < size; ++i) point = point << 6 | (Byte(text, i) & 0x3f);
  return point;
}

bool Shows(std::string_view text, size_t size) {
  const uint32_t point = CodePoint(text, size);
  return std::none_of(std::begin(kUnseen), std::end(kUnseen), [point](const Range& range) {
    return point >= range.first && point <= range.last;
  });
}

void AppendEscaped(std::string_view bytes, std::string* to) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    *to += "\\x";
    *to += kDigits[byte >> 4];
    *to += kDigits[byte & 0xf];
  }
}

// Takes a character off the front of `text`, or a byte that begins none.
struct Piece {
  std::string_view bytes;
  bool character;
};
Piece TakePiece(std::string_view* text) {
  const size_t size = CharacterSize(*text);
  const Piece piece = {text->substr(0, std::max<size_t>(size, 1)), size != 0};
  text->remove_prefix(piece.bytes.size());
  return piece;
}

// -1 if it is not a hex digit.
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

size_t CharacterSize(std::string_view text) {
  if (text.empty()) return 0;
  const uint8_t first = Byte(text, 0);
  if (first < 0x80) return 1;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((Byte(text, i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = Byte(text, 1);
  if (first == 0xe0 && second < 0xa0) return 0;   // overlong
  if (first == 0xed && second >= 0xa0) return 0;  // surrogates
  if (first == 0xf0 && second < 0x90) return 0;   // overlong
  if (first == 0xf4 && second >= 0x90) return 0;  // beyond U+10FFFF
  return size;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string EscapeName(std::string_view name) {
  std::string escaped;
  while (!name.empty()) {
    const auto [bytes, character] = TakePiece(&name);
    if (character && bytes != "\\" && Shows(bytes, bytes.size())) {
      escaped += bytes;
    } else {
      AppendEscaped(bytes, &escaped);
    }
  }
  return escaped;
}

std::string UnescapeName(std::string_view escaped) {
  std::string name;
  while (!escaped.empty()) {
    if (escaped.size() >= 4 && escaped.starts_with("\\x") && HexDigit(escaped[2]) >= 0 &&
        HexDigit(escaped[3]) >= 0) {
      name += static_cast<char>(HexDigit(escaped[2]) << 4 | HexDigit(escaped[3]));
      escaped.remove_prefix(4);
    } else {
      name += escaped.front();
      escaped.remove_prefix(1);
    }
  }
  return name;
}

std::string ToUtf8(std::string_view text) {
  if (IsUtf8(text)) return std::string(text);
  std::string utf8;
  while (!text.empty()) {
    const auto [bytes, character] = TakePiece(&text);
    if (character) {
      utf8 += bytes;
    } else {
      AppendEscaped(bytes, &utf8);
    }
  }
  return utf8;
}

std::string OneLine(std::string_view text, size_t most_characters) {
  std::string line;
  for (size_t shown = 0; !text.empty(); ++shown) {
    if (shown == most_characters) {
      line += "…";
      break;
    }
    const auto [bytes, character] = TakePiece(&text);
    if (character && Shows(bytes, bytes.size())) {
      line += bytes;
    } else {
      AppendEscaped(bytes, &line);
    }
  }
  return line;
}

std::string SafeLines(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\n\t"), text.size());
    lines += OneLine(text.substr(0, end), std::numeric_limits<size_t>::max());
    if (end < text.size()) lines += text[end];
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string_view Beginning(std::string_view text, size_t most_bytes) {
  if (text.size() <= most_bytes) return text;
  size_t end = most_bytes;
  // A character has at most three bytes that continue it.
  while (end > 0 && most_bytes - end < 3 && (Byte(text, end) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace sluice
