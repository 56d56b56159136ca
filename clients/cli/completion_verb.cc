#include "clients/cli/completion_verb.h"

#include <memory>

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

}  // namespace sluice::cli
