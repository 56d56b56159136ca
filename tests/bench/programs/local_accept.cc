// local_accept: accepts every packet of an NFQUEUE without asking anybody. Sluice is measured
// against it. Prints "ready" once it has the queue. Runs until it is killed; the kernel's own
// counters (/proc/net/netfilter/nfnetlink_queue) say what it did.
//
//   naive   the loop of a first program with the library: receives one packet, sends one verdict,
//           with the default socket buffer.
//   tuned   the most one thread can do: a large buffer, many packets in a receive, all their
//           verdicts in one send, only the headers copied.

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace sluice::bench {
namespace {

constexpr int kTunedBuffer = 64 << 20;  // The agent's default.
constexpr uint32_t kTunedMaxLength = 8192;
constexpr uint32_t kTunedCopyRange = 128;
constexpr uint32_t kWholePacket = 0xffff;
constexpr size_t kBatch = 64;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "local_accept: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

class Queue final {
 public:
  Queue(uint16_t number, bool tuned)
      : number_(number), socket_(mnl_socket_open(NETLINK_NETFILTER)) {
    if (socket_ == nullptr) Fail("netlink socket");
    if (mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) != 0) Fail("bind");
    const int fd = mnl_socket_get_fd(socket_);
    if (tuned &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kTunedBuffer, sizeof(kTunedBuffer)) != 0) {
      Fail("SO_RCVBUFFORCE");
    }
    Configure([](nlmsghdr* m) { nfq_nlmsg_cfg_put_cmd(m, AF_INET, NFQNL_CFG_CMD_BIND); });
    Configure([tuned](nlmsghdr* m) {
      nfq_nlmsg_cfg_put_params(m, NFQNL_COPY_PACKET, tuned ? kTunedCopyRange : kWholePacket);
      mnl_attr_put_u32(m, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
      mnl_attr_put_u32(m, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
      if (tuned) nfq_nlmsg_cfg_put_qmaxlen(m, kTunedMaxLength);
    });
    // The kernel drops and counts packets that overflow the buffer; we need no error for it.
    int on = 1;
    mnl_socket_setsockopt(socket_, NETLINK_NO_ENOBUFS, &on, sizeof(on));
  }
  ~Queue() { mnl_socket_close(socket_); }
  Queue(const Queue&) = delete;

  [[noreturn]] void AcceptOneByOne() {
    std::vector<char> packet(kWholePacket + 4096);
    std::array<char, 256> verdict;
    while (true) {
      const ssize_t size = mnl_socket_recvfrom(socket_, packet.data(), packet.size());
      if (size < 0) Fail("receive");
      const std::optional<uint32_t> id = PacketId(packet.data(), static_cast<size_t>(size));
      if (!id) continue;
      const nlmsghdr* const message = PutVerdict(verdict.data(), *id);
      if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0) Fail("verdict");
    }
  }

  [[noreturn]] void AcceptInBatches() {
    constexpr size_t kPacketBytes = 4096;  // Headers, kTunedCopyRange and attributes fit.
    constexpr size_t kVerdictBytes = 64;
    const int fd = mnl_socket_get_fd(socket_);
    std::vector<std::array<char, kPacketBytes>> packets(kBatch);
    std::array<char, kBatch * kVerdictBytes> verdicts;
    std::array<iovec, kBatch> parts;
    std::array<mmsghdr, kBatch> messages{};
    for (size_t i = 0; i < kBatch; ++i) {
      parts[i] = {.iov_base = packets[i].data(), .iov_len = kPacketBytes};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    while (true) {
      const int received = recvmmsg(fd, messages.data(), kBatch, MSG_WAITFORONE, nullptr);
      if (received < 0 && errno == EINTR) continue;
      if (received < 0) Fail("receive");
      size_t used = 0;
      for (int i = 0; i < received; ++i) {
        const std::optional<uint32_t> id = PacketId(packets[i].data(), messages[i].msg_len);
        if (id) used += NLMSG_ALIGN(PutVerdict(verdicts.data() + used, *id)->nlmsg_len);
      }
      if (used > 0 && mnl_socket_sendto(socket_, verdicts.data(), used) < 0) Fail("verdicts");
    }
  }

 private:
  template <typename Fill>
  void Configure(Fill fill) {
    std::array<char, 1024> buffer;
    nlmsghdr* const message = nfq_nlmsg_put(buffer.data(), NFQNL_MSG_CONFIG, number_);
    fill(message);
    message->nlmsg_flags |= NLM_F_ACK;
    if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0) Fail("configure");
    std::array<char, 8192> answer;
    // Packets may already come between the request and its acknowledgement.
    while (true) {
      const ssize_t size = mnl_socket_recvfrom(socket_, answer.data(), answer.size());
      if (size < 0) Fail("configure");
      const auto* const header = reinterpret_cast<const nlmsghdr*>(answer.data());
      if (!mnl_nlmsg_ok(header, static_cast<int>(size))) continue;
      if (header->nlmsg_type != NLMSG_ERROR) {
        if (const auto id = PacketId(answer.data(), static_cast<size_t>(size))) Accept(*id);
        continue;
      }
      const auto* const error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
      errno = -error->error;
      if (errno != 0) Fail("NFQUEUE (owned by another, or no permission?)");
      return;
    }
  }

  void Accept(uint32_t id) {
    std::array<char, 256> buffer;
    const nlmsghdr* const message = PutVerdict(buffer.data(), id);
    mnl_socket_sendto(socket_, message, message->nlmsg_len);
  }

  nlmsghdr* PutVerdict(char* buffer, uint32_t id) const {
    nlmsghdr* const message = nfq_nlmsg_put(buffer, NFQNL_MSG_VERDICT, number_);
    nfq_nlmsg_verdict_put(message, static_cast<int>(id), NF_ACCEPT);
    return message;
  }

  static std::optional<uint32_t> PacketId(const char* bytes, size_t size) {
    const auto* const header = reinterpret_cast<const nlmsghdr*>(bytes);
    std::array<nlattr*, NFQA_MAX + 1> attributes{};
    if (!mnl_nlmsg_ok(header, static_cast<int>(size)) ||
        header->nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET) ||
        nfq_nlmsg_parse(header, attributes.data()) < 0 || attributes[NFQA_PACKET_HDR] == nullptr) {
      return std::nullopt;
    }
    const auto* const packet =
        static_cast<const nfqnl_msg_packet_hdr*>(mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]));
    return ntohl(packet->packet_id);
  }

  const uint16_t number_;
  mnl_socket* const socket_;
};

int Main(int argc, char** argv) {
  CLI::App app("Accepts every packet of an NFQUEUE");
  std::string how;
  uint16_t number = 0;
  app.add_option("how", how, "naive or tuned")
      ->required()
      ->check(CLI::IsMember({"naive", "tuned"}));
  app.add_option("--queue", number, "NFQUEUE number");
  CLI11_PARSE(app, argc, argv);
  const bool tuned = how == "tuned";
  Queue queue(number, tuned);
  std::puts("ready");
  std::fflush(stdout);
  if (tuned) queue.AcceptInBatches();
  queue.AcceptOneByOne();
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
