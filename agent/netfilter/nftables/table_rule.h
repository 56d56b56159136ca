#pragma once

#include <linux/netfilter/nf_tables.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "agent/netfilter/exempt_flow.h"
#include "agent/netfilter/nftables/table_counter.h"
#include "agent/netfilter/nftables/table_transaction.h"

struct nftnl_expr;
struct nftnl_rule;

namespace sluice::agent {

// How the ask rule puts a packet into an NFQUEUE.
enum class QueueExpression {
  kNative,   // nft's own `queue`.
  kXtables,  // The iptables target NFQUEUE, revision 3, for kernels without `queue`.
};

// Which of nftables' expressions this kernel has. Only trying tells.
struct TableExpressions {
  TableExpressions(QueueExpression its_queue = QueueExpression::kNative, bool has_fib = true)
      : queue(its_queue), fib(has_fib) {}

  QueueExpression queue;
  bool fib;  // CONFIG_NFT_FIB_INET
};

// The queues first .. first + count - 1.
struct QueueTarget {
  uint16_t first = 0;
  uint16_t count = 1;
};

// A rule of table inet sluice under construction, for the end of its chain. Each call appends what
// nft calls an expression. Values are in network order, except marks. For one thread.
class TableRule final {
 public:
  // `comment` is what `nft list` prints beside it. Neither is copied.
  TableRule(const char* chain, const char* comment);

  // Register 1 = packet mark & mask.
  TableRule& LoadMark(uint32_t mask);
  // Packet mark = register 1.
  TableRule& StoreMark();
  // Packet mark = `value` inside `mask`, unchanged outside it.
  TableRule& SetMark(uint32_t mask, uint32_t value);

  // Register 1 = the state (NF_CT_STATE_*), the status (IPS_*) or the mark of the packet's
  // connection, & mask. A packet without a connection goes no further, except after
  // LoadConnectionState.
  TableRule& LoadConnectionState(uint32_t mask);
  TableRule& LoadConnectionStatus(uint32_t mask);
  TableRule& LoadConnectionMark(uint32_t mask);
  // Connection mark = `value` inside `mask`, unchanged outside it. A packet without a connection
  // goes no further.
  TableRule& SetConnectionMark(uint32_t mask, uint32_t value);

  // Goes on only if register 1 is (is not) `value`.
  TableRule& IfEqual(uint32_t value);
  TableRule& IfNotEqual(uint32_t value);
  // Goes on only with packets of that family (NFPROTO_*), or of (not of) that protocol (IANA
  // number).
  TableRule& IfFamily(uint8_t family);
  TableRule& IfProtocol(uint8_t protocol);
  TableRule& IfNotProtocol(uint8_t protocol);
  // Goes on only if the packet's protocol is (is not) in that set.
  TableRule& IfProtocolIn(const char* set, bool is);
  // Goes on only with packets of that link-layer type (PACKET_*). Packets sent to this machine
  // alone and packets without a link layer are PACKET_HOST.
  TableRule& IfPacketType(uint8_t type);
  // Goes on only with packets of another type.
  TableRule& IfNotPacketType(uint8_t type);
  // Goes on only if that byte of the network or transport header is from least to greatest.
  TableRule& IfByte(nft_payload_bases header, uint32_t offset, uint8_t least, uint8_t greatest);
  // Goes on only if the TCP or UDP port on that side is `port`.
  enum class Side { kSource, kDestination };
  TableRule& IfPort(Side side, uint16_t port);
  // Goes on unless a TCP packet is one that opens a connection: SYN without ACK.
  TableRule& IfNotOpening();
  // Goes on only if a TCP packet is a reset.
  TableRule& IfReset();
  // Goes on only if the packet is of that network's family and its address on that side lies in it.
  TableRule& IfAddress(Side side, const IpNetwork& network);
  // Goes on only if the packet came in, or goes out, by the device of that index.
  enum class Way { kIn, kOut };
  TableRule& IfInterface(Way way, uint32_t ifindex);
  // Goes on only if the address on that side is of that type (RTN_*) by the gateway's routes.
  TableRule& IfAddressType(Side side, uint32_t type);
  // Goes on only if the gateway has no route to the packet's source.
  TableRule& IfNoWayBack();

  // Each call reads the next part of a set's key, from the first on: a header field, the IANA
  // protocol number, the interface the packet came in by or goes out by, four zero bytes, or an
  // attribute of the connection, such as its zone or an address of its first packet.
  TableRule& KeyFromHeader(nft_payload_bases header, uint32_t offset, uint32_t size);
  TableRule& KeyFromProtocol();
  TableRule& KeyFromInterface(Way way);
  TableRule& KeyFromNothing();
  TableRule& KeyFromConnection(nft_ct_keys key, uint32_t size);
  // The connection's mark & mask.
  TableRule& KeyFromConnectionMark(uint32_t mask);
  // Goes on only if the key is in the map; register 1 = its value there, 32 bits.
  TableRule& IfIn(const char* map);
  // Adds the key to the map; goes on unless the map is full. If the key is there already, kProlong
  // restarts its lifetime and kAdd does not.
  enum class Entry { kAdd, kProlong };
  TableRule& Enter(const char* map, Entry entry, uint32_t value, uint64_t lifetime_ms);

  // Counts the packet in that counter, which must be in the table.
  TableRule& Count(TableCounter counter);
  // Excludes the packet from connection tracking. Only in the prerouting hook, before tracking.
  TableRule& NoTrack();
  TableRule& Accept();
  TableRule& Drop();
  TableRule& Jump(const char* chain);
  TableRule& Goto(const char* chain);
  // Drops the packet and sends its sender a notice. `code` is an NFT_REJECT_ICMPX_*, which becomes
  // ICMP or ICMPv6 by the packet's family.
  TableRule& Reject(nft_reject_types type, uint8_t code);
  // Queues the packet. If nobody listens to the queue, the packet goes on to the next hook.
  TableRule& Queue(const QueueTarget& target, QueueExpression expression);

  void AddTo(TableTransaction& transaction) const;

 private:
  struct Free {
    void operator()(nftnl_rule* rule) const;
  };

  TableRule& Compare(nft_cmp_ops operation, const void* value, uint32_t size);
  TableRule& Mask(const void* mask, const void* flip, uint32_t size, uint32_t at = NFT_REG_1);
  TableRule& LoadMeta(nft_meta_keys key, uint32_t to = NFT_REG_1);
  TableRule& LoadFib(nft_fib_result result, uint32_t flags);
  TableRule& LoadConnection(nft_ct_keys key, uint32_t to = NFT_REG_1);
  uint32_t NextKeyRegister(uint32_t size);
  TableRule& LoadPayload(nft_payload_bases header, uint32_t offset, uint32_t size,
                         uint32_t to = NFT_REG_1);
  TableRule& LoadValue(const void* value, uint32_t size, uint32_t to);
  TableRule& Verdict(int verdict, const char* chain);
  nftnl_expr* Append(const char* name);  // The rule owns the result.

  const char* chain_;
  uint32_t key_registers_ = 0;  // In use, of four bytes each.
  std::unique_ptr<nftnl_rule, Free> rule_;
};

}  // namespace sluice::agent
