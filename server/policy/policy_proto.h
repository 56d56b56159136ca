#pragma once

#include <string>
#include <vector>

#include "server/policy/language/includes.h"
#include "server/policy/terms/problems.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server::policy {

// Views of the texts of `policy`, which must outlive the result.
inline PolicyTexts TextsOf(const v1::PolicyText& policy) {
  PolicyTexts texts{policy.text(), {}};
  for (const v1::PolicyFile& file : policy.files()) texts.files.emplace(file.name(), file.text());
  return texts;
}

// A problem as people and tools are shown it. `files`: names by Place::file.
inline v1::PolicyProblem ToProto(const Problem& problem, const std::vector<std::string>& files) {
  v1::PolicyProblem proto;
  if (problem.place.file != 0) proto.set_file(files[problem.place.file]);
  proto.set_line(problem.place.line);
  proto.set_column(problem.place.column);
  proto.set_length(problem.place.length);
  proto.set_message(problem.message);
  return proto;
}

}  // namespace sluice::server::policy
