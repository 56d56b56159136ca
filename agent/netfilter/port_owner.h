#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::agent {

// A process that holds a netlink socket.
struct PortOwner {
  int pid = 0;
  std::string name;  // The kernel's short name of it.
};

// Which process of this machine has bound `port_id` on NETLINK_NETFILTER in this network
// namespace; nullopt where that cannot be found out: it takes root to look into others. (The port
// id is the process id only for a process's first socket.)
std::optional<PortOwner> FindPortOwner(uint32_t port_id);

// The inode of that socket in the text of /proc/net/netlink.
std::optional<uint64_t> FindPortInode(std::string_view listing, uint32_t port_id);

}  // namespace sluice::agent
