#include "agent/interface_groups.h"

#include <algorithm>

namespace sluice::agent {
namespace {

constexpr size_t kMaxInterfaceName = 15;  // IFNAMSIZ, less the 0 at the end.

}  // namespace

InterfaceGroups::InterfaceGroups(const std::vector<Group>& groups) {
  for (const Group& group : groups) {
    for (const std::string& interface : group.interfaces) {
      const bool prefix = interface.ends_with('*');
      patterns_.push_back(
          {interface.substr(0, interface.size() - (prefix ? 1 : 0)), prefix, group.name});
    }
  }
}

std::string_view InterfaceGroups::GroupOf(std::string_view interface) const {
  if (interface.empty()) return "";
  for (const Pattern& pattern : patterns_) {
    if (pattern.prefix ? interface.starts_with(pattern.text) : interface == pattern.text) {
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
  // What the kernel refuses in names (dev_valid_name), and further stars.
  return !text.empty() && text.size() <= kMaxInterfaceName &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) {
           return c <= ' ' || c == 0x7f || c == '/' || c == ':' || c == '*';
         });
}

}  // namespace sluice::agent
