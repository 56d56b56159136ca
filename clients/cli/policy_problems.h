#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <ostream>
#include <string>
#include <string_view>

#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// Prints each problem as compilers do: FILE:LINE:COLUMN: message, the line of `text` it is in,
// and a caret below the column. A long line is shown around the column.
void PrintProblems(std::string_view file, std::string_view text,
                   const google::protobuf::RepeatedPtrField<v1::PolicyProblem>& problems,
                   bool color, std::ostream& out);

}  // namespace sluice::cli
