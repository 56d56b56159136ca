#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// Makes bytes from a kernel, a file, an environment or another machine fit for protobuf's strings,
// which must be UTF-8, and for people, whom they must not deceive. Pure functions; total.

// Bytes of the UTF-8 character that `text` begins with (RFC 3629); 0 if it begins with none.
size_t CharacterSize(std::string_view text);

bool IsUtf8(std::string_view text);

// `name` with `\xNN` for each byte of what is not UTF-8, is a backslash, or does not show as
// itself: a control character, a line or paragraph separator, one that turns the writing direction
// or takes no room. Different names stay different.
std::string EscapeName(std::string_view name);

// What EscapeName was given.
std::string UnescapeName(std::string_view escaped);

// `text` with `\xNN` for each byte that is not UTF-8; lines stay lines.
std::string ToUtf8(std::string_view text);

// `text` as a part of a line, up to so many characters, `…` standing for the rest: what EscapeName
// escapes, but the backslash, is escaped.
std::string OneLine(std::string_view text, size_t most_characters = 1024);

// The lines of `text`, each as OneLine has it, whole and with its tabs.
std::string SafeLines(std::string_view text);

// The beginning of `text`, at most so many bytes, no character cut in two.
std::string_view Beginning(std::string_view text, size_t most_bytes);

}  // namespace sluice
