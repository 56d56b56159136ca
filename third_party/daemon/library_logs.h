#pragma once

namespace sluice {

// Has gRPC and protobuf log where we do, errors as warnings and the rest for who debugs. They would
// write to stderr by themselves, and peers can have them write: so not more than some lines a
// second. For as long as the program lives.
void TakeLibraryLogs();

}  // namespace sluice
