#include <absl/strings/str_cat.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "clients/cli/capture_reader.h"
#include "clients/cli/connection_follower.h"
#include "clients/cli/json.h"
#include "clients/cli/observe_rows.h"
#include "clients/cli/policy_check.h"
#include "clients/cli/policy_test_report.h"
#include "clients/cli/policy_verbs.h"
#include "clients/cli/reassembler.h"
#include "clients/cli/table.h"
#include "clients/cli/text.h"
#include "clients/cli/verb.h"
#include "clients/cli/words.h"
#include "proto/headers/packet_headers.h"

namespace sluice::cli {
namespace {

// Of one message, whichever comes first: what is asked about is all that is held of a capture.
constexpr int kMostPackets = 256;
constexpr size_t kMostBytes = size_t{1} << 20;

constexpr char kFollow[] = "follow";

struct Options {
  std::string capture;
  std::string policy = "current";
  std::string in_group;
  std::string out_group;
  uint32_t copy_range = std::numeric_limits<uint32_t>::max();
  std::string state = kFollow;
  bool summary = false;
  std::string output;
};

struct Pending {
  google::protobuf::Timestamp time;
  uint32_t length;
  v1::ConnectionState state;
};

using Stream = grpc::ClientReaderWriter<v1::TestPolicyRequest, v1::TestPolicyResponse>;

std::chrono::system_clock::time_point ToTime(const google::protobuf::Timestamp& time) {
  // The clock counts nanoseconds, and a capture may say any number.
  constexpr int64_t kLatest = 9'000'000'000;
  return std::chrono::system_clock::time_point(
      std::chrono::seconds(std::clamp<int64_t>(time.seconds(), 0, kLatest)));
}

// Prints results as they come, and counts them.
class Printer {
 public:
  Printer(const Options& options, Context& context)
      : json_(options.output == "json"),
        summary_(options.summary),
        out_(*context.out),
        color_(context.color) {}

  void Print(const Pending& packet, const v1::TestPolicyResponse::Result& result) {
    // A time of day says enough of packets near the first one.
    if (report_.packets() == 0) {
      first_ = ToTime(packet.time);
      if (!json_ && !summary_) table_.emplace(TestColumns(), &out_, color_);
    }
    report_.Count(result.ruling());
    if (summary_) return;
    if (table_) {
      table_->Row(TestRow(packet.time, packet.length, packet.state, result, first_));
      return;
    }
    v1::Decision time;
    *time.mutable_time() = packet.time;
    std::string line =
        ToJson(time, JsonFields::kPresent).value_or(R"({"time":"not representable as JSON"})");
    line.pop_back();
    out_ << line << ",\"length\":" << packet.length << ",\"connectionState\":\""
         << v1::ConnectionState_Name(packet.state) << "\","
         << ToJson(result, JsonFields::kAll).value_or("{}").substr(1) << '\n';
  }

  // What came of it all, and what is to be known about it.
  void Finish(const CaptureReader& capture, uint64_t incomplete) {
    const uint64_t others = capture.others();
    if (json_) {
      out_ << report_.ToJsonLine(others, incomplete) << '\n';
      return;
    }
    if (table_) {
      table_.reset();
      out_ << '\n';
    }
    report_.Print(out_, color_);
    if (others > 0) {
      out_ << others << (others == 1 ? " frame holds" : " frames hold")
           << " no IPv4 or IPv6 packet and " << (others == 1 ? "was" : "were") << " passed over\n";
    }
    if (capture.unknown_links() > 0) {
      out_ << capture.unknown_links() << " of them "
           << (capture.unknown_links() == 1 ? "is" : "are")
           << " of links that cannot be read, such as " << capture.unknown_link() << '\n';
    }
    if (incomplete > 0) {
      out_ << incomplete << (incomplete == 1 ? " datagram lacks" : " datagrams lack")
           << " fragments: a gateway drops what it does not get whole\n";
    }
  }

 private:
  const bool json_;
  const bool summary_;
  std::ostream& out_;
  const bool color_;
  std::optional<Table> table_;  // Once there is a packet, unless JSON is wanted.
  PolicyTestReport report_;
  std::chrono::system_clock::time_point first_;
};

// The policy to be tested: sent along only where it is not the server's own.
absl::Status Choose(const Options& options, Context& context, Connection& connection,
                    v1::TestPolicyRequest* first) {
  if (options.policy == "current") return connection.Connect();
  v1::CheckPolicyResponse checked;
  return LoadGoodPolicy(options.policy, options.output, context, connection,
                        first->mutable_policy(), &checked);
}

// The packets of a capture as a gateway's agent would have them: put together, and with what
// connection tracking makes of them.
class Packets {
 public:
  Packets(const Options& options, CaptureReader* capture)
      : capture_(capture),
        follows_(options.state == kFollow),
        state_(ParseState(options.state).value_or(v1::CONNECTION_STATE_UNSPECIFIED)) {}

  // As CaptureReader::Next.
  absl::StatusOr<bool> Next(CapturedPacket* packet, v1::ConnectionState* state) {
    absl::StatusOr<bool> more = false;
    do {
      more = capture_->Next(packet);
      if (!more.ok() || !*more) return more;
    } while (!reassembler_.Add(packet));
    *state = follows_ ? follower_.Follow(*packet) : state_;
    return true;
  }

  uint64_t incomplete() const { return reassembler_.incomplete(); }

 private:
  CaptureReader* const capture_;
  const bool follows_;
  const v1::ConnectionState state_;  // Of all, where they are not followed.
  Reassembler reassembler_;
  ConnectionFollower follower_;
};

// Sends `request` and prints its results; false where the stream has broken.
bool Exchange(Stream& stream, const v1::TestPolicyRequest& request,
              const std::vector<Pending>& packets, Printer& printer) {
  v1::TestPolicyResponse response;
  if (!stream.Write(request) || !stream.Read(&response)) return false;
  if (response.results_size() != static_cast<int>(packets.size())) return false;
  for (int i = 0; i < response.results_size(); ++i) {
    printer.Print(packets[static_cast<size_t>(i)], response.results(i));
  }
  return true;
}

// Cuts the packet to what a gateway with this copy range shows. Its headers are those an agent
// reads before it cuts; where none were, or they make no sense, the server sees that for itself.
void Show(uint32_t copy_range, CapturedPacket& captured, v1::Packet& packet) {
  if (captured.bytes.size() <= copy_range) return;
  const size_t read = std::min(captured.bytes.size(), std::max<size_t>(copy_range, kHeaderBytes));
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(captured.bytes.data()),
                                       read);
  const v1::Family family = bytes[0] >> 4 == 4   ? v1::FAMILY_IPV4
                            : bytes[0] >> 4 == 6 ? v1::FAMILY_IPV6
                                                 : v1::FAMILY_UNSPECIFIED;
  PacketHeaders headers;
  if (ParseHeaders(family, bytes, captured.length, headers) == Parsed::kPacket) {
    packet.set_family(family);
    FillHeaders(headers, *packet.mutable_headers());
  }
  captured.bytes.resize(copy_range);
}

// Puts the packets of the capture to the stream. Says how it ended with the file; `broken` is that
// the stream did before.
absl::Status Replay(const Options& options, Packets& packets, Stream& stream, Printer& printer,
                    bool* broken) {
  v1::TestPolicyRequest request;
  std::vector<Pending> pending;
  size_t bytes = 0;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) {
    CapturedPacket captured;
    v1::ConnectionState state = v1::CONNECTION_STATE_UNSPECIFIED;
    more = packets.Next(&captured, &state);
    if (more.ok() && *more) {
      v1::Packet& packet = *request.add_packets();
      Show(options.copy_range, captured, packet);
      pending.push_back({captured.time, captured.length, state});
      bytes += captured.bytes.size();
      packet.set_payload(std::move(captured.bytes));
      packet.set_original_length(captured.length);
      packet.set_input_group(options.in_group);
      packet.set_output_group(options.out_group);
      packet.set_connection_state(state);
      if (request.packets_size() < kMostPackets && bytes < kMostBytes) continue;
    }
    if (pending.empty()) break;
    *broken = !Exchange(stream, request, pending, printer);
    if (*broken) return absl::OkStatus();
    request.clear_packets();
    pending.clear();
    bytes = 0;
  }
  return more.status();
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  absl::StatusOr<std::unique_ptr<CaptureReader>> capture = CaptureReader::Open(options.capture);
  if (!capture.ok()) return capture.status();
  v1::TestPolicyRequest first;
  if (absl::Status status = Choose(options, context, connection, &first); !status.ok()) {
    return status;
  }
  LongCall call(context.until_interrupt());
  const std::unique_ptr<Stream> stream = connection.control().TestPolicy(&call);
  Packets packets(options, capture->get());
  Printer printer(options, context);
  bool broken = !Exchange(*stream, first, {}, printer);
  absl::Status read;
  if (!broken) read = Replay(options, packets, *stream, printer, &broken);
  if (!broken) stream->WritesDone();
  const grpc::Status ended = stream->Finish();
  printer.Finish(**capture, packets.incomplete());
  if (!ended.ok()) return connection.Explain(ended);
  if (broken) return absl::InternalError("the server did not answer each packet");
  return read;
}

}  // namespace

void AddPolicyTestVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb =
      policy.add_subcommand("test", "Say what each packet of a capture would get; change nothing");
  const auto options = std::make_shared<Options>();
  verb->add_option("FILE", options->capture, "What tcpdump or Wireshark wrote: pcap, pcapng")
      ->required()
      ->option_text(" ");
  verb->add_option("--policy", options->policy, "The policy; current is the one in force")
      ->type_name("FILE")
      ->capture_default_str();
  verb->add_option("--in-group", options->in_group,
                   "Interface group the packets came in by, for rules that say `group`")
      ->transform(AsUtf8())
      ->type_name("GROUP");
  verb->add_option("--out-group", options->out_group, "Interface group they would leave by")
      ->transform(AsUtf8())
      ->type_name("GROUP");
  verb->add_option("--copy-range", options->copy_range,
                   "Bytes of each packet `match` sees, as the\n"
                   "gateway's copy_range; if not said, all captured")
      ->type_name("BYTES");
  verb->add_option("--state", options->state,
                   "Connection state of the packets: new, established,\n"
                   "related, invalid or unknown for all of them;\n"
                   "follow finds it as connection tracking does")
      ->type_name("STATE")
      ->capture_default_str()
      ->check([](const std::string& text) {
        if (text == kFollow || ParseState(text)) return std::string();
        std::vector<std::string> words = StateWords();
        words.insert(words.begin(), kFollow);
        return NotOneOf(text, words);
      });
  verb->add_flag("--summary", options->summary, "Only the summary, no line for each packet");
  AddOutputOption(*verb, &options->output);
  SetExamples(
      *verb,
      {{"sluicectl policy test monday.pcap", "by the policy in force"},
       {"sluicectl policy test monday.pcap --policy new.policy", "before it is applied"},
       {"sluicectl policy test dmz.pcap --in-group dmz --copy-range 128", ""}},
      "Captures of Ethernet, of tcpdump's `any`, of PPP, of loopback and of raw IP are read,\n"
      "several in one file too; VLAN tags, PPPoE sessions and MPLS labels are passed over.\n"
      "Fragments are put together and connections are followed, as a gateway's kernel does,\n"
      "whatever the policy says of them. What a gateway would remember (`for connection`)\n"
      "is not, and a decider is not asked. A damaged capture is read as far as it goes; the\n"
      "exit code is then 1.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
