#include "clients/cli/completion.h"

#include <absl/strings/str_split.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "clients/cli/format/words.h"
#include "clients/cli/verb/verb.h"

namespace sluice::cli {
namespace {

// Bash also breaks words at = and : characters. The script therefore splits the line itself, and
// hands back only the part of each answer that follows the last break.
constexpr char kBash[] = R"sh(# bash completion for sluicectl: source <(sluicectl completion bash)
_sluicectl() {
  local line=${COMP_LINE:0:COMP_POINT} cur broken answer
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  while [[ ${#words[@]} -gt 1 && ${words[0]} == *=* ]]; do words=("${words[@]:1}"); done
  cur=${words[-1]}
  broken=${cur%"${cur##*[=:]}"}
  COMPREPLY=()
  {
    read -r answer
    if [[ $answer == files ]]; then
      compopt -o default
      return
    fi
    while IFS=$'\t' read -r answer _; do COMPREPLY+=("${answer#"$broken"}"); done
  } < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _sluicectl sluicectl
)sh";

constexpr char kZsh[] = R"sh(#compdef sluicectl
# zsh completion for sluicectl: source <(sluicectl completion zsh), or as _sluicectl in $fpath
_sluicectl() {
  local -a lines items
  local line word
  lines=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $lines[1] == files ]]; then
    _files
    return
  fi
  for line in "${(@)lines[2,-1]}"; do
    word=${line%%$'\t'*}
    word=${word//:/\\:}
    line=${line#*$'\t'}
    items+=("$word${line:+:$line}")
  done
  _describe -t sluicectl 'sluicectl' items
}
if [[ $funcstack[1] == _sluicectl ]]; then
  _sluicectl "$@"
else
  compdef _sluicectl sluicectl
fi
)sh";

constexpr char kFish[] = R"sh(# fish completion for sluicectl: sluicectl completion fish | source
function __sluicectl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
    if test "$lines[1]" = files
        __fish_complete_path "$current"
    else
        printf '%s\n' $lines[2..-1]
    end
end
complete -c sluicectl -f -a '(__sluicectl_complete)'
)sh";

bool TakesValue(const CLI::Option& option) {
  return option.get_type_size() != 0 && option.get_expected_max() > 0;
}

// --watch may stand alone: then the next word is its value only if it looks like one.
bool ValueIsOptional(const CLI::Option& option) { return option.get_expected_min() == 0; }

// Finds an option of `app` or of its parents, whose options may be given anywhere.
const CLI::Option* FindOption(const CLI::App* app, const std::string& name) {
  for (; app; app = app->get_parent()) {
    if (const CLI::Option* const option = app->get_option_no_throw(name)) return option;
  }
  return nullptr;
}

std::vector<const CLI::Option*> Positionals(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

class Completer final {
 public:
  Completer(const CLI::App& app,
            const std::function<std::vector<std::string>(const std::string&)>& gateways)
      : app_(&app), gateways_(gateways) {}

  // Takes a word before the one to complete.
  void Pass(const std::string& word) {
    if (const CLI::Option* const option = std::exchange(awaits_value_, nullptr)) {
      if (!ValueIsOptional(*option) || word.find_first_not_of("0123456789.") == std::string::npos) {
        Remember(*option, word);
        return;
      }
    }
    if (word.size() > 1 && word.starts_with('-')) {
      const size_t equals = word.find('=');
      const CLI::Option* const option = FindOption(app_, word.substr(0, equals));
      if (!option || !TakesValue(*option)) return;
      if (equals != std::string::npos) {
        Remember(*option, word.substr(equals + 1));
      } else {
        awaits_value_ = option;
      }
      return;
    }
    const std::vector<const CLI::App*> verbs =
        app_->get_subcommands([&word](const CLI::App* verb) { return verb->check_name(word); });
    if (verbs.empty() || positionals_ > 0) {
      ++positionals_;
    } else {
      app_ = verbs.front();
    }
  }

  Completion Finish(const std::string& word) {
    if (awaits_value_ && (!ValueIsOptional(*awaits_value_))) {
      Values(*awaits_value_, word, "");
    } else if (word.starts_with("--") && word.find('=') != std::string::npos) {
      const size_t equals = word.find('=');
      const CLI::Option* const option = FindOption(app_, word.substr(0, equals));
      if (option && TakesValue(*option)) {
        Values(*option, word.substr(equals + 1), word.substr(0, equals + 1));
      }
    } else if (word.starts_with('-')) {
      for (const CLI::App* app = app_; app; app = app->get_parent()) Options(*app, word);
    } else {
      for (const CLI::App* verb : app_->get_subcommands([](const CLI::App*) { return true; })) {
        Offer(verb->get_name(), verb->get_description(), word);
      }
      const std::vector<const CLI::Option*> positionals = Positionals(*app_);
      if (positionals_ < positionals.size()) Values(*positionals[positionals_], word, "");
    }
    return std::move(completion_);
  }

 private:
  void Remember(const CLI::Option& option, const std::string& value) {
    if (option.check_lname("server")) server_ = value;
  }

  void Offer(const std::string& candidate, const std::string& description,
             const std::string& word) {
    if (candidate.starts_with(word)) completion_.candidates.push_back({candidate, description});
  }

  void Options(const CLI::App& app, const std::string& word) {
    for (const CLI::Option* option : app.get_options()) {
      if (option->get_positional() || option->get_lnames().empty()) continue;
      // Several levels have --help; the nearest one is offered.
      const std::string name = "--" + option->get_lnames().front();
      const auto same = [&name](const Candidate& candidate) { return candidate.word == name; };
      const auto& there = completion_.candidates;
      if (std::none_of(there.begin(), there.end(), same)) {
        Offer(name, option->get_description(), word);
      }
    }
  }

  // Offers the values of `option`, each with `before` in front.
  void Values(const CLI::Option& option, const std::string& word, const std::string& before) {
    const std::string kind = option.get_positional() && option.get_type_name() == "TEXT"
                                 ? option.get_name(true)
                                 : option.get_type_name();
    if (kind == "FILE") {
      completion_.files = true;
      return;
    }
    std::string typed = word, ahead = before;
    if (option.get_delimiter() != '\0') {
      const size_t last = word.rfind(option.get_delimiter());
      if (last != std::string::npos) {
        ahead += word.substr(0, last + 1);
        typed = word.substr(last + 1);
      }
    }
    for (const std::string& value : Choices(kind)) {
      if (value.starts_with(typed)) completion_.candidates.push_back({ahead + value, ""});
    }
  }

  std::vector<std::string> Choices(const std::string& kind) const {
    if (kind == "GATEWAY") return gateways_(server_);
    if (kind == "PROTO") return ProtocolWords();
    if (kind == "CAUSE") return CauseWords();
    if (kind == "TYPE") return EventTypeWords();
    if (kind.find('|') == std::string::npos) return {};
    return absl::StrSplit(kind, '|');
  }

  const CLI::App* app_;
  const std::function<std::vector<std::string>(const std::string&)>& gateways_;
  const CLI::Option* awaits_value_ = nullptr;
  size_t positionals_ = 0;
  std::string server_;
  Completion completion_;
};

}  // namespace

std::string CompletionScript(const std::string& shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return "";
}

void AddCompletionVerb(CLI::App& root, std::string* script) {
  CLI::App* const verb =
      root.add_subcommand("completion", "Print a shell's completion script for sluicectl");
  const auto shell = std::make_shared<std::string>();
  verb->add_option("SHELL", *shell, "The shell")
      ->required()
      ->type_name("bash|zsh|fish")
      ->check(CLI::Validator(
          [](std::string& text) {
            return CompletionScript(text).empty() ? NotOneOf(text, {"bash", "zsh", "fish"})
                                                  : std::string();
          },
          ""));
  SetExamples(*verb,
              {{"source <(sluicectl completion bash)", "in ~/.bashrc"},
               {"source <(sluicectl completion zsh)", "in ~/.zshrc, after compinit"},
               {"sluicectl completion fish | source", "in ~/.config/fish/config.fish"}},
              "Names of gateways are completed too: the script asks the server for them.");
  verb->callback([shell, script] { *script = CompletionScript(*shell); });
}

Completion Complete(
    const CLI::App& app, const std::vector<std::string>& words,
    const std::function<std::vector<std::string>(const std::string& server)>& gateways) {
  Completer completer(app, gateways);
  for (size_t i = 0; i + 1 < words.size(); ++i) completer.Pass(words[i]);
  return completer.Finish(words.empty() ? "" : words.back());
}

}  // namespace sluice::cli
