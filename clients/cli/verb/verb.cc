#include "clients/cli/verb/verb.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <utility>

#include "proto/text/text.h"

namespace sluice::cli {

void SetExamples(CLI::App& app, const std::vector<Example>& examples, std::string notes) {
  size_t width = 0;
  for (const Example& example : examples) width = std::max(width, example.line.size());
  std::string text = notes.empty() ? "" : std::move(notes) + "\n\n";
  text += "Examples:";
  for (const Example& example : examples) {
    text += "\n  " + example.line;
    if (!example.what.empty()) {
      text += std::string(width - example.line.size() + 2, ' ') + "# " + example.what;
    }
  }
  app.footer(text);
}

void AddGatewayArgument(CLI::App& verb, std::string* gateway) {
  verb.add_option("GATEWAY", *gateway, "Name of the gateway, as `sluicectl gateways` lists it")
      ->required()
      ->transform(AsUtf8())
      ->option_text(" ");
}

CLI::Validator AsUtf8() {
  return CLI::Validator(
      [](std::string& text) {
        text = ToUtf8(text);
        return std::string();
      },
      "");
}

std::string NotOneOf(const std::string& text, const std::vector<std::string>& words) {
  return absl::StrCat("'", text, "' is not one of ", absl::StrJoin(words, ", "));
}

void AddOutputOption(CLI::App& verb, std::string* output, const std::vector<std::string>& choices) {
  *output = choices.front();
  verb.add_option("-o,--output", *output, "Output format; json is one object per line")
      ->type_name(absl::StrJoin(choices, "|"))
      ->check(CLI::Validator(
          [choices](std::string& text) {
            return std::find(choices.begin(), choices.end(), text) != choices.end()
                       ? std::string()
                       : NotOneOf(text, choices);
          },
          ""));
}

}  // namespace sluice::cli
