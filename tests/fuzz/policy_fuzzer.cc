// Policies, and packets for them to decide. The input up to the first zero byte is the text of a
// policy; the rest makes packets. If the policy loads, the classifier must agree with the matcher.
// The whole input is also read as the file of a set.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "server/policy/checker/checker.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/engine/classifier.h"
#include "server/policy/engine/matcher.h"
#include "server/policy/engine/packet_view.h"
#include "server/policy/language/parser.h"
#include "server/policy/terms/problems.h"
#include "server/policy/terms/set_text.h"
#include "tests/fuzz/require.h"

namespace sluice::server::policy {
namespace {

FakeNames SomeNames() {
  FakeNames names;
  names.PushHost("a", {"10.0.0.1", "2001:db8::1"});
  names.PushNetwork("n", 0x0a000000);
  names.PushService("smtp", "tcp", 25);
  names.PushProtocol("gre", 47);
  names.PushFile("/f", "10.0.0.0/30\n2001:db8::/126 # both families\n");
  return names;
}

// Takes bytes from the front; returns zeros when there are no more.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  uint8_t Next() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }
  uint32_t Next16() {
    const uint32_t high = Next();
    return high << 8 | Next();
  }

 private:
  std::string_view bytes_;
};

// An address near 10.0.0.0 or 2001:db8::.
std::string NextAddress(Bytes& bytes, bool ipv6) {
  std::string address = ipv6 ? std::string("\x20\x01\x0d\xb8", 4) + std::string(12, '\0')
                             : std::string("\x0a\0\0\0", 4);
  const uint8_t where = bytes.Next();
  address.back() = static_cast<char>(bytes.Next());
  address[where % address.size()] = static_cast<char>(bytes.Next());
  return address;
}

v1::Packet NextPacket(Bytes& bytes) {
  static constexpr const char* kGroups[] = {"", "inside", "outside", "g"};
  v1::Packet packet;
  const uint8_t has = bytes.Next();
  packet.set_input_group(kGroups[has & 3]);
  packet.set_output_group(kGroups[has >> 2 & 3]);
  if ((has & 16) != 0) return packet;
  v1::Headers& headers = *packet.mutable_headers();
  headers.set_source(NextAddress(bytes, (has & 32) != 0));
  headers.set_destination(NextAddress(bytes, (has & 32) != 0));
  headers.set_protocol(bytes.Next());
  const uint8_t shown = bytes.Next();
  if ((shown & 1) != 0) headers.set_source_port(bytes.Next16());
  if ((shown & 2) != 0) headers.set_destination_port(bytes.Next16());
  if ((shown & 4) != 0) headers.set_icmp_type(bytes.Next());
  if ((shown & 8) != 0) headers.set_tcp_flags(bytes.Next());
  if ((shown & 16) != 0) headers.set_fragment_offset(8);
  headers.set_cut_short((shown & 32) != 0);
  if ((shown & 128) != 0) {
    packet.set_connection_state(static_cast<v1::ConnectionState>(bytes.Next() % 5));
  }
  if ((shown & 64) != 0) {
    std::string payload(bytes.Next() % 64, '\0');
    for (char& byte : payload) byte = static_cast<char>(bytes.Next());
    packet.set_original_length(bytes.Next());
    packet.set_payload(payload);
  }
  return packet;
}

// Reads the file of a set. An error must have a message; patterns must be masked.
void TrySet(std::string_view text) {
  const auto patterns = ParseSetText(text, "/f");
  if (!patterns.ok()) return Require(!patterns.status().message().empty());
  for (const AddressPattern& pattern : *patterns) {
    Require(pattern.value.size == 4 || pattern.value.size == 16);
    for (size_t i = 0; i < pattern.mask.size(); ++i) {
      Require((pattern.value.bytes[i] & ~pattern.mask[i]) == 0);
    }
  }
}

void Try(std::string_view input) {
  const size_t end = input.find('\0');
  TrySet(input);
  Problems problems;
  FakeNames names = SomeNames();
  const std::string_view text = input.substr(0, end);
  // Files that the policy may include: itself, and some more.
  const PolicyTexts texts{text,
                          {{"own", text},
                           {"d/a", "include \"b\"; include \"../own\";"},
                           {"d/b", "from any to any accept; include \"a\";"}}};
  const Syntax syntax = Parse(texts, problems);
  const CheckedPolicy policy = Check(syntax, names, problems);
  if (!problems.empty()) {
    for (const Problem& problem : std::move(problems).Take()) Require(!problem.message.empty());
    return;
  }
  const Classifier classifier(policy.rules);
  const Matcher matcher(policy.rules);
  Bytes bytes(end == std::string_view::npos ? std::string_view() : input.substr(end + 1));
  do {
    const v1::Packet packet = NextPacket(bytes);
    const PacketView view = ViewPacket(packet);
    Require(classifier.FirstMatch(view) == matcher.FirstMatch(view));
  } while (!bytes.empty());
}

}  // namespace
}  // namespace sluice::server::policy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::server::policy::Try({reinterpret_cast<const char*>(data), size});
  return 0;
}
