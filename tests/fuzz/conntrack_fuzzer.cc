// Netlink messages about connections and expectations.
#include <cstddef>
#include <cstdint>
#include <string>

#include "agent/netfilter/conntrack/conntrack_codec.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto event = sluice::agent::DecodeConntrack({data, size});
  if (!event) return 0;
  sluice::Require(event->has_conntrack() || event->has_expectation());
  // The reporter will serialize it, too.
  std::string bytes;
  sluice::Require(event->SerializeToString(&bytes));
  sluice::v1::Event again;
  sluice::Require(again.ParseFromString(bytes));
  return 0;
}
