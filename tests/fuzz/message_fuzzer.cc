// Messages of gRPC that arrive in pieces of any size. The first three bytes say how large a message
// may be, how the others are cut, and how many messages are taken after each piece.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/edge/message_reader.h"
#include "tests/fuzz/pieces.h"
#include "tests/fuzz/require.h"

namespace sluice::server {
namespace {

struct Found {
  std::vector<std::string> messages;
  absl::StatusCode error = absl::StatusCode::kOk;
  size_t left = 0;  // bytes that belong to no message that is whole
};

// What there is in all of the bytes.
Found Naive(std::string_view bytes, size_t largest) {
  Found found;
  while (true) {
    found.left = bytes.size();
    if (bytes.empty()) return found;
    if (bytes[0] != 0) {
      found.error =
          bytes[0] == 1 ? absl::StatusCode::kInternal : absl::StatusCode::kInvalidArgument;
      return found;
    }
    if (bytes.size() < 5) return found;
    uint64_t length = 0;
    for (size_t i = 1; i < 5; ++i) length = length * 256 + static_cast<uint8_t>(bytes[i]);
    if (length > largest) {
      found.error = absl::StatusCode::kResourceExhausted;
      return found;
    }
    if (length > bytes.size() - 5) return found;
    found.messages.emplace_back(bytes.substr(5, length));
    bytes.remove_prefix(5 + length);
  }
}

// Takes up to `most` messages.
void Take(MessageReader* reader, size_t most, Found* found) {
  for (size_t i = 0; i < most; ++i) {
    const bool has_next = reader->HasNext();
    const MessageReader::Result next = reader->Next();
    Require(next.status.ok() || !next.message);
    Require(has_next == (next.message || !next.status.ok()));
    Require(found->error == absl::StatusCode::kOk || next.status.code() == found->error);
    found->error = next.status.code();
    if (!next.message) return;
    found->messages.emplace_back(*next.message);
  }
}

}  // namespace
}  // namespace sluice::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::server;
  if (size < 3) return 0;
  // Up to 65,025 bytes, which is more than a buffer that is kept.
  const size_t largest = size_t{data[0]} * data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
  MessageReader reader(largest);
  Found found;
  sluice::Pieces pieces(bytes, data[1]);
  while (!pieces.empty()) {
    reader.Append(pieces.Next());
    Take(&reader, data[2], &found);
  }
  Take(&reader, size, &found);
  const Found expected = Naive(bytes, largest);
  sluice::Require(found.messages == expected.messages);
  sluice::Require(found.error == expected.error);
  sluice::Require(reader.size() == expected.left);
  return 0;
}
