#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "server/edge/http.h"
#include "server/edge/ledger.h"
#include "server/edge/limits.h"
#include "server/edge/token_bucket.h"

namespace sluice::server {

// A connection's HTTP/2 (RFC 9113), by libnghttp2. Of the connection's thread.
class Http2Session final : public HttpSession {
 public:
  // None is owned; `connection` and `peer` outlive the session. Handlers get OnClosed by its end.
  Http2Session(const EdgeLimits& limits, HttpConnection* connection, Ledger::Peer* peer, Time now);
  ~Http2Session() override;

  bool Receive(std::string_view bytes, Time now) override;
  bool Produce(std::string* out) override;
  bool WantsBytes() const override { return true; }
  void Drain() override;
  bool Done() const override;
  size_t Streams() const override { return streams_.size(); }
  Time OwesSince() const override { return owes_since_; }

 private:
  class Stream;
  struct Callbacks;

  // Refuses a stream, or with kConnection all of them.
  enum class Refuse { kNothing, kStream, kConnection };

  int OnFrameBegin(const nghttp2_frame_hd& head);
  int OnHeadersBegin(int32_t id);
  int OnHeader(int32_t id, std::string_view name, std::string_view value);
  int OnFrame(const nghttp2_frame& frame);
  int OnData(int32_t id, std::string_view bytes);
  int OnStreamClosed(int32_t id);
  int OnFrameSent(const nghttp2_frame& frame);
  // Follows the frames of what arrives, to know since when one is incomplete.
  void FollowFrames(std::string_view bytes);
  // Counts what is against HTTP.
  void CountProtocol();
  // Whether the caller may send a frame of that kind now.
  bool Allowed(const nghttp2_frame_hd& head);
  Stream* Find(int32_t id);

  const EdgeLimits& limits_;
  HttpConnection* const connection_;  // Not owned.
  Ledger::Peer* const peer_;          // Not owned.
  nghttp2_session* session_ = nullptr;
  absl::flat_hash_map<int32_t, std::unique_ptr<Stream>> streams_;
  TokenBucket empty_frames_;
  TokenBucket window_updates_;
  Time now_;                 // Of the present Receive.
  bool greeted_ = false;     // The preface has arrived whole, with its SETTINGS.
  bool head_begun_ = false;  // More of a head must follow (CONTINUATION).
  std::string frame_head_;   // The first bytes of a frame, until there are nine.
  size_t frame_left_;        // bytes of the present frame, or of the preface, still to come
  Time owes_since_;
  bool counted_ = false;  // Something of this connection was against HTTP.
  bool broken_ = false;
};

}  // namespace sluice::server
