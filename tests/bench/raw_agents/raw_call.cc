#include "tests/bench/raw_agents/raw_call.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sluice::bench {
namespace {

// Large, so that window updates are no part of what is measured: a second of verdicts.
constexpr int32_t kWindow = 4 << 20;
// A longer message is no DecideResponse: real agents allow 4 MiB too.
constexpr size_t kLongestMessage = 4 << 20;
constexpr size_t kPrefix = 5;

// Both must live until the request is submitted, which copies them.
nghttp2_nv Header(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

size_t LengthOf(std::string_view prefix) {
  size_t length = 0;
  for (size_t i = 1; i < kPrefix; ++i) length = length << 8 | static_cast<uint8_t>(prefix[i]);
  return length;
}

}  // namespace

RawCall::RawCall(const std::string& path, const std::string& authority, bool tls,
                 Receiver* receiver)
    : receiver_(receiver) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnStreamClose);
  nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);

  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindow);
  const nghttp2_nv headers[] = {
      Header(":method", "POST"),
      Header(":scheme", tls ? "https" : "http"),
      Header(":path", path),
      Header(":authority", authority),
      Header("content-type", "application/grpc"),
      Header("te", "trailers"),
      Header("user-agent", "sluice-server-load"),
  };
  nghttp2_data_provider provider = {};
  provider.read_callback = OnRead;
  stream_ =
      nghttp2_submit_request(session_, nullptr, headers, std::size(headers), &provider, nullptr);
  if (stream_ < 0) End(nghttp2_strerror(stream_));
}

RawCall::~RawCall() { nghttp2_session_del(session_); }

void RawCall::Flush(std::string* bytes) {
  if (deferred_ && !outgoing_.empty()) {
    deferred_ = false;
    nghttp2_session_resume_data(session_, stream_);
  }
  const uint8_t* data = nullptr;
  ssize_t length = 0;
  while ((length = nghttp2_session_mem_send(session_, &data)) > 0) {
    bytes->append(reinterpret_cast<const char*>(data), static_cast<size_t>(length));
  }
  if (length < 0) End(nghttp2_strerror(static_cast<int>(length)));
}

void RawCall::Receive(std::string_view bytes) {
  if (ended_) return;
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) {
    End(nghttp2_strerror(static_cast<int>(taken)));
  } else if (nghttp2_session_want_read(session_) == 0 &&
             nghttp2_session_want_write(session_) == 0) {
    End("it ended the connection");
  }
}

std::string RawCall::Reason() const {
  if (!grpc_status_.empty()) return absl::StrCat("status ", grpc_status_, ": ", grpc_message_);
  if (!http_status_.empty() && http_status_ != "200") return absl::StrCat("HTTP ", http_status_);
  return failure_;
}

ssize_t RawCall::OnRead(nghttp2_session*, int32_t, uint8_t* buffer, size_t length, uint32_t*,
                        nghttp2_data_source*, void* self) {
  auto* const call = static_cast<RawCall*>(self);
  const size_t size = std::min(length, call->outgoing_.size() - call->outgoing_sent_);
  if (size == 0) {
    call->deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  std::memcpy(buffer, call->outgoing_.data() + call->outgoing_sent_, size);
  call->outgoing_sent_ += size;
  if (call->outgoing_sent_ == call->outgoing_.size()) {
    call->outgoing_.clear();
    call->outgoing_sent_ = 0;
  }
  return static_cast<ssize_t>(size);
}

int RawCall::OnData(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t length,
                    void* self) {
  static_cast<RawCall*>(self)->TakeData({reinterpret_cast<const char*>(data), length});
  return 0;
}

int RawCall::OnHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t* name,
                      size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                      void* self) {
  auto* const call = static_cast<RawCall*>(self);
  const std::string_view key(reinterpret_cast<const char*>(name), name_length);
  const std::string_view text(reinterpret_cast<const char*>(value), value_length);
  if (key == ":status") call->http_status_ = text;
  if (key == "grpc-status") call->grpc_status_ = text;
  if (key == "grpc-message") call->grpc_message_ = text;
  return 0;
}

int RawCall::OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  const uint8_t type = frame->hd.type;
  if ((type == NGHTTP2_DATA || type == NGHTTP2_HEADERS) &&
      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    static_cast<RawCall*>(self)->End("it ended the stream");
  }
  return 0;
}

int RawCall::OnStreamClose(nghttp2_session*, int32_t, uint32_t error, void* self) {
  static_cast<RawCall*>(self)->End(
      absl::StrCat("it reset the stream: ", nghttp2_http2_strerror(error)));
  return 0;
}

void RawCall::TakeData(std::string_view data) {
  if (ended_) return;
  if (!partial_.empty()) {
    partial_.append(data);
    data = partial_;
  }
  while (data.size() >= kPrefix) {
    const size_t length = LengthOf(data);
    if (data[0] != 0 || length > kLongestMessage) return End("it sent a message we cannot read");
    if (data.size() < kPrefix + length) break;
    receiver_->OnMessage(data.substr(kPrefix, length));
    data.remove_prefix(kPrefix + length);
  }
  // A copy, as `data` may be part of it.
  partial_ = std::string(data);
}

void RawCall::End(const std::string& failure) {
  if (ended_) return;
  ended_ = true;
  failure_ = failure;
}

}  // namespace sluice::bench
