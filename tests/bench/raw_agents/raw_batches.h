#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::bench {

// sluice-loadgen's packets as bytes for the wire: serialized once and sent repeatedly, with only
// the number of the batch and the transaction ids written anew. Used by one thread.
class RawBatches final {
 public:
  // Makes batches of `batch` packets each, at least one.
  explicit RawBatches(uint32_t batch);

  // Transaction ids are between these two, so that all have five bytes and stay where they are.
  static constexpr uint64_t kFirstId = uint64_t{1} << 28;
  static constexpr uint64_t kEndOfIds = uint64_t{1} << 35;

  // Appends the next batch in turn as a gRPC message, its packets numbered from `first_id` on.
  void Append(uint64_t number, uint64_t first_id, std::string* out);

 private:
  struct Template {
    std::string body;         // A PacketBatch without its number.
    std::vector<size_t> ids;  // Where in `body` each packet's id begins.
  };

  size_t next_ = 0;
  std::vector<Template> templates_;
};

// Appends `message`, serialized, as gRPC sends it: uncompressed, behind its length.
void AppendGrpcMessage(const std::string& message, std::string* out);

}  // namespace sluice::bench
