#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <ostream>

#include "sluice/v1/control.pb.h"

namespace sluice::cli {

enum class Severity { kError, kWarning };

// Prints each problem as compilers do: FILE:LINE:COLUMN: message, the line, and `^~~~` below the
// place. Of a long line, shows the part around the column. Included files are named by their path
// as seen from the working directory.
void PrintProblems(const v1::PolicyText& policy,
                   const google::protobuf::RepeatedPtrField<v1::PolicyProblem>& problems,
                   Severity severity, bool color, std::ostream& out);

}  // namespace sluice::cli
