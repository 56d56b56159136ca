#include "clients/cli/screen/screen_verb.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stop_token>

#include "clients/cli/screen/line_reader.h"
#include "clients/cli/screen/screen_session.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

using Kind = ScreenCommand::Kind;

struct Options {
  std::string gateway;
  std::string script;  // "": stdin
  double hold = 0;
};

// A file descriptor that is closed if it was opened here.
class Input final {
 public:
  Input(const std::string& path, int otherwise)
      : fd_(path.empty() ? otherwise : open(path.c_str(), O_RDONLY | O_CLOEXEC)),
        ours_(!path.empty()) {}
  ~Input() {
    if (ours_ && fd_ >= 0) close(fd_);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
  const bool ours_;
};

// Runs until the lines end, one says quit, or the session is over. A line that is not understood
// ends a script, but not a person's session.
absl::Status Obey(const Options& options, LineReader& lines, ScreenSession& session,
                  Context& context) {
  uint64_t number = 0;
  while (const std::optional<std::string> line = lines.Next()) {
    ++number;
    const absl::StatusOr<ScreenCommand> command = ParseScreenCommand(*line);
    if (!command.ok() && !options.script.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(options.script, ":", number, ": ", command.status().message()));
    }
    if (!command.ok()) {
      *context.err << "sluicectl: " << SafeLines(std::string(command.status().message())) << '\n';
    } else if (command->kind == Kind::kHelp) {
      *context.err << kScreenHelp << '\n';
    } else if (command->kind == Kind::kQuit ||
               (command->kind == Kind::kDecide && !session.Decide(*command))) {
      break;
    }
  }
  return absl::OkStatus();
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  const Input input(options.script, context.in_fd);
  if (input.fd() < 0) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the script ", options.script, ": ", std::strerror(errno)));
  }
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  LineReader lines(input.fd());
  // Before anything is printed: a user who sees a packet may press ^C.
  const std::stop_token stop = context.until_interrupt();
  ScreenSession session(connection, context, options.gateway, HoldSeconds(options.hold),
                        [&lines] { lines.Stop(); });
  const std::stop_callback interrupted(stop, [&lines, &session] {
    session.Stop();
    lines.Stop();
  });
  const absl::Status obeyed =
      session.AwaitWelcome() ? Obey(options, lines, session, context) : absl::OkStatus();
  const absl::Status closed = session.Close();
  return obeyed.ok() ? closed : obeyed;
}

}  // namespace

void AddScreenVerb(CLI::App& root, Action* action) {
  CLI::App* const verb =
      root.add_subcommand("screen", "Decide a gateway's packets yourself, in place of the policy");
  const auto options = std::make_shared<Options>();
  AddGatewayArgument(*verb, &options->gateway);
  verb->add_option("--script", options->script, "Read decisions from this file instead of stdin")
      ->type_name("FILE");
  verb->add_option("--hold", options->hold,
                   "Have each packet wait so many seconds longer, if its gateway\n"
                   "allows that (hold_limit): people are slower than its deadline")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 60.0));
  SetExamples(
      *verb,
      {{"sluicectl screen gw1 --hold 20", "look at packets and decide by hand"},
       {"yes accept | sluicectl screen gw1", "accept all, one after the other"},
       {"sluicectl screen gw1 --script decisions", ""}},
      absl::StrCat("Prints each packet as a line and reads decisions, one a line:\n", kScreenHelp,
                   "\n\nUntil the decisions end, or quit or ^C, the policy decides no packet of "
                   "the gateway.\nThen it decides those left undecided, and all later ones. A "
                   "packet that is not\ndecided in time gets the fallback of its gateway. A "
                   "gateway has one screener at most."));
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
