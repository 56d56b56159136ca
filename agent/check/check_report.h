#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace sluice::agent {

// The lines of a check, in the forms that check.h shows. One thread.
class CheckReport final {
 public:
  explicit CheckReport(std::ostream& out) : out_(out) {}

  void Ok(std::string_view what);
  void Fail(std::string_view what, std::string_view why_and_what_to_do);
  void Note(std::string_view text);

  bool passed() const { return passed_; }

  // Runs `part` in a child process, which may give up rights and change namespaces, and takes over
  // its lines. A child that dies or is not done after 10 s is a FAIL of `what`.
  void InChild(std::string_view what, const std::function<void(CheckReport&)>& part);

 private:
  void Relay(const std::string& lines);

  std::ostream& out_;
  bool passed_ = true;
};

}  // namespace sluice::agent
