#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::agent {

// A process that holds a netlink socket.
struct PortOwner {
  int pid = 0;
  std::string name;  // The kernel's short name for it.
};

// Finds the process of this machine that has bound `port_id` on NETLINK_NETFILTER in this network
// namespace. nullopt: this cannot be found out; only root can look into all processes. (The port id
// is the process id only for a process's first socket.)
std::optional<PortOwner> FindPortOwner(uint32_t port_id);

// Finds the inode of that socket in `listing`, the text of /proc/net/netlink.
std::optional<uint64_t> FindPortInode(std::string_view listing, uint32_t port_id);

}  // namespace sluice::agent
