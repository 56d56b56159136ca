#include "clients/loadgen/descriptors.h"

#include <sys/resource.h>

#include "absl/strings/str_cat.h"

namespace sluice::loadgen {

uint64_t DescriptorsFor(uint32_t agents) { return uint64_t{agents} * 3 + 64; }

absl::Status RaiseDescriptorLimit(uint64_t wanted) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= wanted) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "so many agents need ", wanted, " open files, three connections each, and ", limit.rlim_cur,
      " are allowed; raise the limit (`ulimit -n ", wanted, "` as root) or simulate fewer"));
}

}  // namespace sluice::loadgen
