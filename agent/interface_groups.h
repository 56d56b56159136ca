#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::agent {

// Which trust group an interface is in. Constant after construction: any thread.
class InterfaceGroups final {
 public:
  struct Group {
    std::string name;
    // Interface names as they are shown (EscapeName); a `*` at the end stands for any ending.
    std::vector<std::string> interfaces;
  };
  explicit InterfaceGroups(const std::vector<Group>& groups);

  // The name of the first group that names `interface`, escaped as Link has it; "" if none does.
  // Valid as long as this object.
  std::string_view GroupOf(std::string_view interface) const;

 private:
  struct Pattern {
    std::string text;  // not escaped
    bool prefix;       // of a name; else the whole
    std::string group;
  };
  std::vector<Pattern> patterns_;  // In the groups' order.
};

// Whether the kernel could have an interface of that name, which may be escaped, or one that begins
// so where a `*` ends it.
bool IsInterfacePattern(std::string_view text);

}  // namespace sluice::agent
