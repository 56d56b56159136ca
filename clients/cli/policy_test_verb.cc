#include <absl/strings/str_cat.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clients/cli/capture_reader.h"
#include "clients/cli/json.h"
#include "clients/cli/observe_rows.h"
#include "clients/cli/policy_check.h"
#include "clients/cli/policy_test_report.h"
#include "clients/cli/policy_verbs.h"
#include "clients/cli/table.h"
#include "clients/cli/text.h"
#include "clients/cli/verb.h"

namespace sluice::cli {
namespace {

// Of one message, whichever comes first: what is asked about is all that is held of a capture.
constexpr int kMostPackets = 256;
constexpr size_t kMostBytes = size_t{1} << 20;

struct Options {
  std::string capture;
  std::string policy = "current";
  std::string in_group;
  std::string out_group;
  uint32_t copy_range = std::numeric_limits<uint32_t>::max();
  std::string output;
};

struct Pending {
  google::protobuf::Timestamp time;
  uint32_t length;
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
      : json_(options.output == "json"), out_(*context.out), color_(context.color) {}

  void Print(const Pending& packet, const v1::TestPolicyResponse::Result& result) {
    // A time of day says enough of packets near the first one.
    if (report_.packets() == 0) {
      first_ = ToTime(packet.time);
      if (!json_) table_.emplace(TestColumns(), &out_, color_);
    }
    report_.Count(result.ruling());
    if (table_) {
      table_->Row(TestRow(packet.time, packet.length, result, first_));
      return;
    }
    v1::Decision time;
    *time.mutable_time() = packet.time;
    std::string line = ToJson(time, JsonFields::kPresent);
    line.pop_back();
    out_ << line << ",\"length\":" << packet.length << ","
         << ToJson(result, JsonFields::kAll).substr(1) << '\n';
  }

  // What came of it all, and what is to be known about it.
  void Finish(uint64_t others, bool state) {
    if (json_) {
      out_ << report_.ToJsonLine(others) << '\n';
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
    if (state && report_.packets() > 0) {
      out_ << "The policy looks at `state`, which a capture does not tell: it counted as not "
              "known,\n"
              "so such rules matched where they reject and did not where they accept.\n";
    }
  }

 private:
  const bool json_;
  std::ostream& out_;
  const bool color_;
  std::optional<Table> table_;  // Once there is a packet, unless JSON is wanted.
  PolicyTestReport report_;
  std::chrono::system_clock::time_point first_;
};

// The policy to be tested: sent along only where it is not the server's own.
absl::Status Choose(const Options& options, Context& context, Connection& connection,
                    v1::TestPolicyRequest* first, bool* state) {
  if (options.policy != "current") {
    v1::CheckPolicyResponse checked;
    absl::Status status = LoadGoodPolicy(options.policy, options.output, context, connection,
                                         first->mutable_policy(), &checked);
    *state = LooksAtState(first->policy());
    return status;
  }
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  ShortCall call;
  v1::GetPolicyResponse current;
  const grpc::Status status = connection.control().GetPolicy(&call, {}, &current);
  if (!status.ok()) return connection.Explain(status);
  v1::PolicyText text;
  text.set_text(current.policy().text());
  *text.mutable_files() = current.policy().files();
  *state = LooksAtState(text);
  return absl::OkStatus();
}

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

// Puts the packets of the capture to the stream. Says how it ended with the file; `broken` is that
// the stream did before.
absl::Status Replay(const Options& options, CaptureReader& capture, Stream& stream,
                    Printer& printer, bool* broken) {
  v1::TestPolicyRequest request;
  std::vector<Pending> pending;
  size_t bytes = 0;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) {
    CapturedPacket captured;
    more = capture.Next(&captured);
    if (more.ok() && *more) {
      if (captured.bytes.size() > options.copy_range) captured.bytes.resize(options.copy_range);
      v1::Packet& packet = *request.add_packets();
      pending.push_back({captured.time, captured.length});
      bytes += captured.bytes.size();
      packet.set_payload(std::move(captured.bytes));
      packet.set_original_length(captured.length);
      packet.set_input_group(options.in_group);
      packet.set_output_group(options.out_group);
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
  bool state = false;
  if (absl::Status status = Choose(options, context, connection, &first, &state); !status.ok()) {
    return status;
  }
  LongCall call(context.until_interrupt());
  const std::unique_ptr<Stream> stream = connection.control().TestPolicy(&call);
  Printer printer(options, context);
  bool broken = !Exchange(*stream, first, {}, printer);
  absl::Status read;
  if (!broken) read = Replay(options, **capture, *stream, printer, &broken);
  if (!broken) stream->WritesDone();
  const grpc::Status ended = stream->Finish();
  printer.Finish((*capture)->others(), state);
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
      ->type_name("GROUP");
  verb->add_option("--out-group", options->out_group, "Interface group they would leave by")
      ->type_name("GROUP");
  verb->add_option("--copy-range", options->copy_range,
                   "Bytes of each packet the policy sees, as the\n"
                   "gateway's copy_range; if not said, all captured")
      ->type_name("BYTES");
  AddOutputOption(*verb, &options->output);
  SetExamples(
      *verb,
      {{"sluicectl policy test monday.pcap", "by the policy in force"},
       {"sluicectl policy test monday.pcap --policy new.policy", "before it is applied"},
       {"sluicectl policy test dmz.pcap --in-group dmz --copy-range 128", ""}},
      "Captures of Ethernet, of tcpdump's `any`, of loopback and of raw IP are read; VLAN\n"
      "tags are passed over. Each packet is judged by itself: what a gateway would\n"
      "remember (`for connection`) is not, a decider is not asked, and connection state\n"
      "is not known. A damaged capture is read as far as it goes; the exit code is then 1.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
