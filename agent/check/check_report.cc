#include "agent/check/check_report.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/text/text.h"

namespace sluice::agent {
namespace {

constexpr unsigned kChildSeconds = 10;

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<size_t>(got));
  }
}

}  // namespace

void CheckReport::Ok(std::string_view what) { out_ << "ok   " << OneLine(what) << std::endl; }

void CheckReport::Fail(std::string_view what, std::string_view why_and_what_to_do) {
  passed_ = false;
  out_ << "FAIL " << OneLine(what) << ": " << OneLine(why_and_what_to_do) << std::endl;
}

void CheckReport::Note(std::string_view text) { out_ << "note " << OneLine(text) << std::endl; }

void CheckReport::InChild(std::string_view what, const std::function<void(CheckReport&)>& part) {
  int ends[2];
  if (pipe(ends) != 0) {
    return Fail(what, absl::StrCat("cannot be checked: pipe: ", std::strerror(errno)));
  }
  out_.flush();
  const pid_t child = fork();
  if (child < 0) {
    Fail(what, absl::StrCat("cannot be checked: fork: ", std::strerror(errno)));
  } else if (child == 0) {
    alarm(kChildSeconds);
    std::ostringstream lines;
    CheckReport report(lines);
    part(report);
    // _exit: nothing of the parent's may be flushed or destroyed a second time.
    _exit(WriteAll(ends[1], lines.str()) ? 0 : 1);
  }
  close(ends[1]);
  const std::string lines = child > 0 ? ReadAll(ends[0]) : "";
  close(ends[0]);
  if (child < 0) return;
  Relay(lines);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    Fail(what, absl::StrCat("the check did not finish: ", strsignal(WTERMSIG(status)),
                            "; see the kernel's log (dmesg)"));
  } else if (WEXITSTATUS(status) != 0) {
    Fail(what, "the check could not report what it found; try again");
  }
}

void CheckReport::Relay(const std::string& lines) {
  if (absl::StartsWith(lines, "FAIL ") || absl::StrContains(lines, "\nFAIL ")) passed_ = false;
  out_ << lines << std::flush;
}

}  // namespace sluice::agent
