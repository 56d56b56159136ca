#include "agent/config/interface_groups.h"

#include <algorithm>

#include "proto/text/text.h"

namespace sluice::agent {
namespace {

constexpr size_t kMaxInterfaceName = 15;  // IFNAMSIZ, less the 0 at the end.

}  // namespace

InterfaceGroups::InterfaceGroups(const std::vector<Group>& groups) {
  for (const Group& group : groups) {
    for (const std::string& interface : group.interfaces) {
      const bool prefix = interface.ends_with('*');
      patterns_.push_back({UnescapeName(interface.substr(0, interface.size() - (prefix ? 1 : 0))),
                           prefix, group.name});
    }
  }
}

std::string_view InterfaceGroups::GroupOf(std::string_view interface) const {
  if (interface.empty()) return "";
  const std::string name = UnescapeName(interface);
  for (const Pattern& pattern : patterns_) {
    if (pattern.prefix ? name.starts_with(pattern.text) : name == pattern.text) {
      return pattern.group;
    }
  }
  return "";
}

bool IsInterfacePattern(std::string_view text) {
  if (text == "*") return true;
  if (text.ends_with('*')) {
    text.remove_suffix(1);
  } else if (text == "." || text == "..") {
    return false;
  }
  const std::string name = UnescapeName(text);
  // Characters that the kernel refuses in names (dev_valid_name), and further stars.
  return !name.empty() && name.size() <= kMaxInterfaceName &&
         std::none_of(name.begin(), name.end(), [](unsigned char c) {
           return c <= ' ' || c == 0x7f || c == '/' || c == ':' || c == '*';
         });
}

}  // namespace sluice::agent
