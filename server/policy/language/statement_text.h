#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Shows the statements of a policy's text, which must outlive it. Immutable.
class StatementTexts final {
 public:
  explicit StatementTexts(std::string_view text);

  // The statement that begins at `place`, up to its `;`, as written, but without white space at the
  // ends of its lines. Cut after 400 bytes. Valid UTF-8, whatever the text was; empty where the
  // text has no such place.
  std::string At(const Place& place) const;

 private:
  const std::string_view text_;
  std::vector<size_t> lines_;  // Where each begins.
};

}  // namespace sluice::server::policy
