#pragma once

namespace sluice {

// Sends the logs of gRPC and protobuf to our log, errors as warnings and the rest at debug level;
// otherwise they would write to stderr. Their lines are rate limited, because peers can cause them.
// Lasts as long as the program.
void TakeLibraryLogs();

}  // namespace sluice
