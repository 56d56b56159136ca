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
    bool prefix;       // text begins names; else it is a name
    std::string group;
  };
  std::vector<Pattern> patterns_;  // In the groups' order.
};

// Whether `text`, which may be escaped, could be the name of an interface, or if a `*` ends it, the
// beginning of one.
bool IsInterfacePattern(std::string_view text);

}  // namespace sluice::agent
