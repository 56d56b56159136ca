#include "tests/bench/raw_agents/response_reader.h"

#include "sluice/v1/decision.pb.h"

namespace sluice::bench {
namespace {

// The fields of one message, in the order of the bytes. Groups are malformed: proto3 has none.
class Fields final {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}

  // Goes to the next field; false at the end, and at what is malformed.
  bool Next() {
    if (bytes_.empty()) return false;
    const uint64_t tag = Varint();
    number_ = tag >> 3;
    value_ = 0;
    text_ = {};
    switch (tag & 7) {
      case 0:
        value_ = Varint();
        break;
      case 1:
        Take(8);
        break;
      case 2:
        text_ = Take(Varint());
        break;
      case 5:
        Take(4);
        break;
      default:
        malformed_ = true;
    }
    return !malformed_;
  }

  uint64_t number() const { return number_; }
  uint64_t value() const { return value_; }
  std::string_view text() const { return text_; }
  bool malformed() const { return malformed_; }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    malformed_ = true;
    return 0;
  }

  std::string_view Take(uint64_t length) {
    if (length > bytes_.size()) {
      malformed_ = true;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return taken;
  }

  std::string_view bytes_;
  uint64_t number_ = 0;
  uint64_t value_ = 0;
  std::string_view text_;
  bool malformed_ = false;
};

bool ReadVerdict(std::string_view bytes, RawVerdict* verdict) {
  Fields fields(bytes);
  while (fields.Next()) {
    if (fields.number() == v1::Verdict::kTransactionIdFieldNumber) {
      verdict->transaction_id = fields.value();
    } else if (fields.number() == v1::Verdict::kActionFieldNumber) {
      verdict->action = fields.value();
    }
  }
  return !fields.malformed();
}

bool ReadVerdicts(std::string_view bytes, std::vector<RawVerdict>* verdicts) {
  Fields fields(bytes);
  while (fields.Next()) {
    if (fields.number() != v1::VerdictBatch::kVerdictsFieldNumber) continue;
    if (!ReadVerdict(fields.text(), &verdicts->emplace_back())) return false;
  }
  return !fields.malformed();
}

}  // namespace

ResponseKind ReadResponse(std::string_view bytes, std::vector<RawVerdict>* verdicts) {
  verdicts->clear();
  ResponseKind kind = ResponseKind::kEmpty;
  Fields fields(bytes);
  while (fields.Next()) {
    switch (fields.number()) {
      case v1::DecideResponse::kWelcomeFieldNumber:
        kind = ResponseKind::kWelcome;
        break;
      case v1::DecideResponse::kVerdictsFieldNumber:
        kind = ResponseKind::kVerdicts;
        if (!ReadVerdicts(fields.text(), verdicts)) return ResponseKind::kMalformed;
        break;
      case v1::DecideResponse::kHeartbeatFieldNumber:
        kind = ResponseKind::kHeartbeat;
        break;
      case v1::DecideResponse::kRetuneFieldNumber:
        kind = ResponseKind::kRetune;
        break;
      default:
        break;
    }
  }
  return fields.malformed() ? ResponseKind::kMalformed : kind;
}

}  // namespace sluice::bench
