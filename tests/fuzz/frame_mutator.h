#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// libFuzzer's own mutation.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace sluice {

// Changes what a caller sends so that much of it stays HTTP: frames of HTTP/2 keep their lengths,
// and fields and messages that mean something to the server come in whole. Not for bytes that are
// something else; those libFuzzer changes as it likes.
class FrameMutator final {
 public:
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

  explicit FrameMutator(unsigned seed) : random_(seed) {}

  // Nothing if the bytes are not HTTP/2.
  std::string Mutate(std::string_view bytes) {
    if (bytes.substr(0, kPreface.size()) != kPreface) return {};
    std::vector<std::string> frames = Frames(bytes.substr(kPreface.size()));
    const size_t at = Below(frames.size() + 1);
    const auto place = frames.begin() + static_cast<ptrdiff_t>(at);
    if (at == frames.size() || Below(4) == 0) {
      frames.insert(place, Fresh());
    } else {
      switch (Below(5)) {
        case 0:
          frames.insert(place, frames[Below(frames.size())]);
          break;
        case 1:
          frames.erase(place);
          break;
        case 2:
          std::swap(*place, frames[Below(frames.size())]);
          break;
        case 3:
          (*place)[std::min(place->size() - 1, size_t{3} + Below(6))] ^=
              static_cast<char>(1 << Below(8));
          break;
        default:
          *place = WithOtherPayload(*place);
      }
    }
    std::string mutated(kPreface);
    for (const std::string& frame : frames) mutated += frame;
    return mutated;
  }

  // A word of HTTP/1.1 or gRPC-Web, somewhere.
  std::string InsertWord(std::string bytes) {
    static constexpr std::string_view kWords[] = {
        "POST /sluice.v1.ControlService/GetPolicy HTTP/1.1\r\n",
        "POST /sluice.v1.DecisionService/Decide HTTP/1.1\r\n",
        "POST /sluice.v1.ControlService/WatchStats HTTP/1.1\r\n",
        "OPTIONS / HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\n",
        "HEAD / HTTP/1.0\r\n",
        "host: a\r\n",
        "origin: http://a\r\n",
        "content-type: application/grpc-web+proto\r\n",
        "content-length: 7\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "connection: keep-alive\r\n",
        "expect: 100-continue\r\n",
        "grpc-timeout: 1n\r\n",
        "grpc-encoding: gzip\r\n",
        "\r\n",
        "7\r\n",
        "0\r\n\r\n",
        std::string_view("\0\0\0\0\2\x08\7", 7),
        std::string_view("\0\0\0\0\0", 5),
    };
    const std::string_view word = kWords[Below(std::size(kWords))];
    return bytes.insert(Below(bytes.size() + 1), word);
  }

  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }

  static std::string Frame(uint8_t type, uint8_t flags, uint8_t stream, std::string_view payload) {
    std::string frame;
    for (const int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift);
    frame += static_cast<char>(type);
    frame += static_cast<char>(flags);
    frame.append(3, '\0') += static_cast<char>(stream);
    return frame.append(payload);
  }

 private:
  // Each with its head of nine bytes. The last may be cut.
  static std::vector<std::string> Frames(std::string_view bytes) {
    std::vector<std::string> frames;
    while (!bytes.empty()) {
      size_t length = 0;
      for (size_t i = 0; i < 3 && i < bytes.size(); ++i) {
        length = length * 256 + static_cast<uint8_t>(bytes[i]);
      }
      frames.emplace_back(bytes.substr(0, 9 + length));
      bytes.remove_prefix(frames.back().size());
    }
    return frames;
  }

  std::string WithOtherPayload(const std::string& frame) {
    if (frame.size() < 9) return frame;
    std::string payload = frame.substr(9);
    const size_t size = payload.size();
    payload.resize(size + 32);
    payload.resize(
        LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(payload.data()), size, payload.size()));
    std::string changed = Frame(0, 0, 0, payload);
    return changed.replace(3, 6, frame, 3, 6);
  }

  // A field that is in no table (RFC 7541, 6.2.3).
  static std::string Field(std::string_view name, std::string_view value) {
    std::string field(1, '\x10');
    (field += static_cast<char>(name.size())) += name;
    (field += static_cast<char>(value.size())) += value;
    return field;
  }

  std::string Fresh() {
    static constexpr std::string_view kPaths[] = {
        "/sluice.v1.DecisionService/Decide", "/sluice.v1.ControlService/GetPolicy",
        "/sluice.v1.ControlService/WatchStats", "/sluice.v1.ControlService/TestPolicy", "/healthz"};
    static constexpr std::string_view kTypes[] = {"application/grpc", "application/grpc-web"};
    static constexpr std::pair<std::string_view, std::string_view> kFields[] = {
        {"grpc-timeout", "1n"}, {"grpc-timeout", "1H"},     {"grpc-encoding", "gzip"},
        {"origin", "http://a"}, {"origin", "https://page"}, {"content-length", "7"},
        {"te", "trailers"}};
    static constexpr std::string_view kMessages[] = {
        std::string_view("\0\0\0\0\0", 5),
        std::string_view("\0\0\0\0\2\x08\x7f", 7),
        std::string_view("\0\0\0\0\4\x1a\2\x08\5", 9),
        std::string_view("\0\0\0\0\7\x0a\1a\x12\2\x08\6", 12),
        std::string_view("\0\0\0\0\4\x08\xff\xff\3", 9),
        std::string_view("\1\0\0\0\0", 5),
        std::string_view("\0\0\1\0\0", 5)};
    const auto stream = static_cast<uint8_t>(1 + 2 * Below(6));
    const auto ends = static_cast<uint8_t>(Below(2));
    switch (Below(8)) {
      case 0:
        return Frame(6, 0, 0, "12345678");  // PING
      case 1:
        return Frame(4, 0, 0,
                     Below(2) == 0 ? "" : std::string_view("\0\4\0\0\0\7", 6));  // SETTINGS
      case 2:
        return Frame(8, 0, Below(2) == 0 ? 0 : stream, std::string_view("\0\0\4\0", 4));
      case 3:
        return Frame(3, 0, stream, std::string_view("\0\0\0\x08", 4));  // RST_STREAM
      case 4:
        return Frame(7, 0, 0, std::string(8, '\0'));  // GOAWAY
      case 5: {
        std::string fields = "\x83\x86" + Field(":authority", "a") +
                             Field(":path", kPaths[Below(std::size(kPaths))]) +
                             Field("content-type", kTypes[Below(std::size(kTypes))]);
        if (Below(3) == 0) {
          const auto& [name, value] = kFields[Below(std::size(kFields))];
          fields += Field(name, value);
        }
        return Frame(1, 4 | ends, stream, fields);
      }
      default:
        return Frame(0, ends, stream, kMessages[Below(std::size(kMessages))]);
    }
  }

  std::minstd_rand random_;
};

}  // namespace sluice
