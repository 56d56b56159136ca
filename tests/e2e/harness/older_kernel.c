/* For LD_PRELOAD: the program's kernel seems to be from before Linux 6.9 and not to hold nftables
 * tables (agent/netfilter/table/table_hold.h). Replaces libmnl's function: a message that such a
 * kernel does not know becomes one that no kernel knows. */

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <sys/socket.h>

int mnl_socket_get_fd(const void* socket);

ssize_t mnl_socket_sendto(const void* socket, void* bytes, size_t size) {
  const unsigned short destroy_table = NFNL_SUBSYS_NFTABLES << 8 | 26;
  int rest = (int)size;
  for (struct nlmsghdr* message = bytes; NLMSG_OK(message, rest);
       message = NLMSG_NEXT(message, rest)) {
    if (message->nlmsg_type == destroy_table) message->nlmsg_type |= 0xff;
  }
  return send(mnl_socket_get_fd(socket), bytes, size, 0);
}
