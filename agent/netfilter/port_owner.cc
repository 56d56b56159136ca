#include "agent/netfilter/port_owner.h"

#include <linux/netlink.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::agent {
namespace {

namespace fs = std::filesystem;

bool Holds(const fs::path& process, const std::string& socket) {
  std::error_code error;
  for (fs::directory_iterator fd(process / "fd", error), end; !error && fd != end;
       fd.increment(error)) {
    std::error_code gone;
    if (fs::read_symlink(fd->path(), gone) == socket) return true;
  }
  return false;
}

}  // namespace

std::optional<uint64_t> FindPortInode(std::string_view listing, uint32_t port_id) {
  // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode; Eth is the protocol, Pid the port id.
  constexpr size_t kColumns = 10;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(listing.data(), listing.size()), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipWhitespace());
    uint32_t protocol = 0;
    uint32_t port = 0;
    uint64_t inode = 0;
    if (words.size() < kColumns || !absl::SimpleAtoi(words[1], &protocol) ||
        !absl::SimpleAtoi(words[2], &port) || !absl::SimpleAtoi(words[9], &inode)) {
      continue;
    }
    if (protocol == NETLINK_NETFILTER && port == port_id) return inode;
  }
  return std::nullopt;
}

std::optional<PortOwner> FindPortOwner(uint32_t port_id) {
  std::ostringstream listing;
  listing << std::ifstream("/proc/net/netlink").rdbuf();
  const auto inode = FindPortInode(listing.str(), port_id);
  if (!inode) return std::nullopt;
  const std::string socket = absl::StrCat("socket:[", *inode, "]");
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    PortOwner owner;
    if (!absl::SimpleAtoi(entry->path().filename().string(), &owner.pid)) continue;
    if (!Holds(entry->path(), socket)) continue;
    std::ifstream name(entry->path() / "comm");
    std::getline(name, owner.name);
    return owner;
  }
  return std::nullopt;
}

}  // namespace sluice::agent
