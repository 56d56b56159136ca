// The agent's configuration file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/config/config_reader.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sluice::Require;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = sluice::agent::ReadConfig(text, "agent.yaml");
  if (config.ok()) {
    // An accepted configuration is complete, and stays so when serialized and parsed again.
    Require(config->has_deadline() && config->IsInitialized());
    sluice::agent::AgentConfig again;
    Require(again.ParseFromString(config->SerializeAsString()));
    return 0;
  }
  // Every line of the problems says where it is.
  const std::string problems(config.status().message());
  Require(absl::IsInvalidArgument(config.status()));
  for (size_t at = 0; at < problems.size(); at = problems.find('\n', at) + 1) {
    Require(problems.compare(at, 11, "agent.yaml:") == 0);
    if (problems.find('\n', at) == std::string::npos) break;
  }
  return 0;
}
