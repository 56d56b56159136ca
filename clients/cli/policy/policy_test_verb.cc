#include <absl/strings/str_cat.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "clients/cli/capture/capture_reader.h"
#include "clients/cli/capture/connection_follower.h"
#include "clients/cli/capture/reassembler.h"
#include "clients/cli/format/json.h"
#include "clients/cli/format/observe_rows.h"
#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"
#include "clients/cli/policy/policy_check.h"
#include "clients/cli/policy/policy_test_report.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/verb/verb.h"
#include "proto/headers/packet_headers.h"

namespace sluice::cli {
namespace {

// A message is full at either limit. No more of a capture is held in memory than one message.
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
  // A capture may contain any time, and the clock counts nanoseconds in 64 bits.
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
    // Packets near the first one are shown with their time of day only.
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

  // Prints the summary, and what was left out of it.
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
  std::optional<Table> table_;  // From the first packet on, unless JSON or a summary is wanted.
  PolicyTestReport report_;
  std::chrono::system_clock::time_point first_;
};

// Connects, and puts the policy to be tested into `first` unless it is the server's own.
absl::Status Choose(const Options& options, Context& context, Connection& connection,
                    v1::TestPolicyRequest* first) {
  if (options.policy == "current") return connection.Connect();
  v1::CheckPolicyResponse checked;
  return LoadGoodPolicy(options.policy, options.output, context, connection,
                        first->mutable_policy(), &checked);
}

// The packets of a capture as a gateway's agent would get them: reassembled, and with their state
// in connection tracking.
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
  const v1::ConnectionState state_;  // Of all packets, if connections are not followed.
  Reassembler reassembler_;
  ConnectionFollower follower_;
};

// Sends `request` and prints its results; false if the stream has broken.
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

// Cuts the packet to what a gateway with this copy range sends, and adds the headers that an agent
// reads before it cuts. It adds none if they are missing or malformed: the server finds that out
// itself.
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

// Sends the packets of the capture on the stream. The status says how reading the file ended;
// `broken` is set if the stream ended before that.
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
      policy.add_subcommand("test", "Show what each packet of a capture would get; change nothing");
  const auto options = std::make_shared<Options>();
  verb->add_option("FILE", options->capture, "A file of tcpdump or Wireshark: pcap, pcapng")
      ->required()
      ->option_text(" ");
  verb->add_option("--policy", options->policy, "The policy's file; current is the policy in force")
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
                   "How many bytes of each packet `match` sees, like\n"
                   "a gateway's copy_range (default: all captured)")
      ->type_name("BYTES");
  verb->add_option("--state", options->state,
                   "Connection state of all packets: new, established,\n"
                   "related, invalid or unknown; follow finds the\n"
                   "state of each as connection tracking does")
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
      "Reads captures of Ethernet, tcpdump's `any`, PPP, loopback and raw IP, also mixed in\n"
      "one file; VLAN tags, PPPoE sessions and MPLS labels are skipped. Fragments are\n"
      "reassembled and connections followed as a gateway's kernel does, whatever the policy\n"
      "says of them. Verdicts that a gateway would remember (`for connection`) are not\n"
      "remembered, and no decider is asked. A damaged capture is read up to the damage; the\n"
      "exit code is then 1.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
