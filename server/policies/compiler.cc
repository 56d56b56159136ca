#include "server/policies/compiler.h"

#include <utility>

namespace sluice::server {

void Compiler::Post(const Job& job) {
  const bool posted = worker_.Post([this, job] {
    JobNames names;
    if (Run(job, &names)) return;
    if (!askers_.Post([this, job, names] { Ask(job, names); })) job.busy();
  });
  if (!posted) job.busy();
}

bool Compiler::Run(const Job& job, JobNames* names) {
  names->wanted = {};
  MutexLock lock(compiling_);
  job.run(names);
  return names->wanted.empty();
}

void Compiler::Ask(const Job& job, JobNames names) {
  do {
    if (!job.gone()) names.known.Add(look_up_(names.wanted));
  } while (!Run(job, &names));
}

}  // namespace sluice::server
