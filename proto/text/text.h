#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// Makes bytes from a kernel, a file, an environment or another machine fit for protobuf strings,
// which must be UTF-8, and safe to show to people, whom they must not deceive. Pure functions;
// total.

// Size in bytes of the UTF-8 character that `text` begins with (RFC 3629); 0 if it begins with
// none.
size_t CharacterSize(std::string_view text);

bool IsUtf8(std::string_view text);

// `name` with `\xNN` for each byte that is not UTF-8, of a backslash, or of a character that does
// not show as itself: a control character, a line or paragraph separator, or one that changes the
// writing direction or has no width. Different names stay different.
std::string EscapeName(std::string_view name);

// The inverse of EscapeName.
std::string UnescapeName(std::string_view escaped);

// `text` with `\xNN` for each byte that is not UTF-8; lines stay lines.
std::string ToUtf8(std::string_view text);

// `text` fit to be part of a line: escapes what EscapeName escapes, except the backslash, and
// replaces all after `most_characters` by `…`.
std::string OneLine(std::string_view text, size_t most_characters = 1024);

// The lines of `text`, each escaped as by OneLine, but not shortened, and with its tabs.
std::string SafeLines(std::string_view text);

// The beginning of `text`, at most `most_bytes` long, without cutting a character in two.
std::string_view Beginning(std::string_view text, size_t most_bytes);

}  // namespace sluice
