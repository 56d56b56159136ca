#include "server/edge/http2_session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

// Bytes handed to the socket at once. Large answers are cut into pieces of this size, so that other
// streams of the connection get their turn.
constexpr size_t kProducedAtOnce = 64 << 10;

uint8_t* Bytes(std::string_view text) {
  // nghttp2 does not write into what it is given to copy.
  return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
}

std::string_view Text(const uint8_t* bytes, size_t length) {
  return {reinterpret_cast<const char*>(bytes), length};
}

std::vector<nghttp2_nv> Fields(const Headers& headers) {
  std::vector<nghttp2_nv> fields;
  fields.reserve(headers.size() + 1);
  for (const auto& [name, value] : headers) {
    fields.push_back({Bytes(name), Bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return fields;
}

}  // namespace

class Http2Session::Stream final : public HttpStream {
 public:
  Stream(Http2Session* session, int32_t id) : session_(session), id_(id) {}

  void Respond(int status, const Headers& headers, bool has_body) override {
    const std::string code = absl::StrCat(status);
    std::vector<nghttp2_nv> fields = Fields(headers);
    fields.insert(fields.begin(),
                  nghttp2_nv{Bytes(":status"), Bytes(code), 7, code.size(), NGHTTP2_NV_FLAG_NONE});
    nghttp2_data_provider body{.source = {.ptr = this}, .read_callback = &Stream::Read};
    nghttp2_submit_response(session_->session_, id_, fields.data(), fields.size(),
                            has_body && !is_head ? &body : nullptr);
    session_->connection_->Changed();
  }
  void Resume() override {
    if (!std::exchange(waiting_, false)) return;
    nghttp2_session_resume_data(session_->session_, id_);
    session_->connection_->Changed();
  }
  void Consumed(size_t bytes) override {
    nghttp2_session_consume_stream(session_->session_, id_, bytes);
    session_->connection_->Changed();
  }
  void Reset() override {
    nghttp2_submit_rst_stream(session_->session_, NGHTTP2_FLAG_NONE, id_, NGHTTP2_CANCEL);
    session_->connection_->Changed();
  }

  // Of the request, while its head arrives.
  RequestHead head;
  size_t head_bytes = 0;
  bool is_head = false;                  // Its method is HEAD: the response has no body.
  std::shared_ptr<HttpHandler> handler;  // Null until the head has arrived.

 private:
  static ssize_t Read(nghttp2_session* session, int32_t id, uint8_t* to, size_t most,
                      uint32_t* flags, nghttp2_data_source* source, void*) {
    auto* const stream = static_cast<Stream*>(source->ptr);
    const HttpHandler::Pulled pulled = stream->handler->Pull(reinterpret_cast<char*>(to), most);
    if (!pulled.end) {
      if (pulled.bytes > 0) return static_cast<ssize_t>(pulled.bytes);
      stream->waiting_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (pulled.trailers != nullptr) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const std::vector<nghttp2_nv> fields = Fields(*pulled.trailers);
      nghttp2_submit_trailer(session, id, fields.data(), fields.size());
    }
    return static_cast<ssize_t>(pulled.bytes);
  }

  Http2Session* const session_;  // Not owned.
  const int32_t id_;
  bool waiting_ = false;  // Read had nothing.
};

// nghttp2's callbacks, which are functions of C.
struct Http2Session::Callbacks {
  static Http2Session* Of(void* session) { return static_cast<Http2Session*>(session); }

  static int FrameBegin(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    return Of(user)->OnFrameBegin(*head);
  }
  static int HeadersBegin(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    return Of(user)->OnHeadersBegin(frame->hd.stream_id);
  }
  static int Header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                    void* user) {
    return Of(user)->OnHeader(frame->hd.stream_id, Text(name, name_length),
                              Text(value, value_length));
  }
  static int Frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return Of(user)->OnFrame(*frame);
  }
  static int InvalidFrame(nghttp2_session*, const nghttp2_frame*, int error, void* user) {
    // The caller may not know yet how many streams it may open.
    if (error != NGHTTP2_ERR_REFUSED_STREAM) Of(user)->CountProtocol();
    return 0;
  }
  static int Data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t length,
                  void* user) {
    return Of(user)->OnData(id, Text(bytes, length));
  }
  // Without this, nghttp2 leaves out fields with bytes that are not allowed and goes on.
  static int InvalidHeader(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf*, nghttp2_rcbuf*,
                           uint8_t, void* user) {
    Of(user)->CountProtocol();
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  static int StreamClosed(nghttp2_session*, int32_t id, uint32_t, void* user) {
    return Of(user)->OnStreamClosed(id);
  }
  static int FrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return Of(user)->OnFrameSent(*frame);
  }

  // Made once: nghttp2 copies them into each session.
  static const nghttp2_session_callbacks* All() {
    static const nghttp2_session_callbacks* const all = [] {
      nghttp2_session_callbacks* made = nullptr;
      nghttp2_session_callbacks_new(&made);
      nghttp2_session_callbacks_set_on_begin_frame_callback(made, &FrameBegin);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, &HeadersBegin);
      nghttp2_session_callbacks_set_on_header_callback(made, &Header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, &Frame);
      nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, &InvalidFrame);
      nghttp2_session_callbacks_set_on_invalid_header_callback2(made, &InvalidHeader);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, &Data);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, &StreamClosed);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, &FrameSent);
      return made;
    }();
    return all;
  }
};

Http2Session::Http2Session(const EdgeLimits& limits, HttpConnection* connection, Ledger::Peer* peer,
                           Time now)
    : limits_(limits),
      connection_(connection),
      peer_(peer),
      empty_frames_(limits.empty_frames_a_second, limits.empty_frames_at_once),
      window_updates_(limits.window_updates_a_second, limits.window_updates_a_second),
      now_(now),
      frame_left_(NGHTTP2_CLIENT_MAGIC_LEN),
      owes_since_(now) {
  nghttp2_option* options = nullptr;
  nghttp2_option_new(&options);
  // A stream's window opens as its service takes messages.
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_no_closed_streams(options, 1);
  // Allowed limits resets with others of their kind, tells the caller so and counts it. nghttp2's
  // own limit, which does neither, must not come first.
  constexpr uint64_t kNever = 1 << 30;
  nghttp2_option_set_stream_reset_rate_limit(options, kNever, kNever);
  nghttp2_session_server_new2(&session_, Callbacks::All(), this, options);
  nghttp2_option_del(options);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.header_bytes)},
      // nghttp2 then keeps no tree of priorities, which nobody uses here.
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  // What a connection may send before anything of it is taken: bytes of all its streams. They are
  // taken as they arrive, so that a stream whose service does not read holds up no other.
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(4 * limits.stream_window));
}

Http2Session::~Http2Session() {
  // nghttp2 reports no ends of streams when it is deleted.
  for (auto& [id, stream] : std::exchange(streams_, {})) {
    if (stream->handler != nullptr) stream->handler->OnClosed();
  }
  nghttp2_session_del(session_);
}

bool Http2Session::Receive(std::string_view bytes, Time now) {
  if (broken_) return false;
  now_ = now;
  const bool owed = owes_since_ != Time::max();
  const ssize_t taken = nghttp2_session_mem_recv(session_, Bytes(bytes), bytes.size());
  if (taken < 0) {
    broken_ = true;
    CountProtocol();
    if (taken != NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
      nghttp2_session_terminate_session(session_, taken == NGHTTP2_ERR_FLOODED
                                                      ? NGHTTP2_ENHANCE_YOUR_CALM
                                                      : NGHTTP2_PROTOCOL_ERROR);
    }
  }
  FollowFrames(bytes);
  const bool owes = !greeted_ || head_begun_ || frame_left_ > 0 || !frame_head_.empty();
  owes_since_ = !owes ? Time::max() : owed ? owes_since_ : now;
  return !broken_;
}

void Http2Session::FollowFrames(std::string_view bytes) {
  constexpr size_t kHead = 9;  // RFC 9113, 4.1
  while (!bytes.empty()) {
    if (frame_left_ > 0) {
      const size_t taken = std::min(frame_left_, bytes.size());
      frame_left_ -= taken;
      bytes.remove_prefix(taken);
      // What came before was complete.
      if (frame_left_ == 0 && greeted_ && !head_begun_) owes_since_ = now_;
      continue;
    }
    const size_t taken = std::min(kHead - frame_head_.size(), bytes.size());
    frame_head_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (frame_head_.size() < kHead) return;
    for (size_t i = 0; i < 3; ++i) {
      frame_left_ = frame_left_ << 8 | static_cast<uint8_t>(frame_head_[i]);
    }
    frame_head_.clear();
  }
}

bool Http2Session::Produce(std::string* out) {
  const size_t before = out->size();
  while (out->size() - before < kProducedAtOnce) {
    const uint8_t* bytes = nullptr;
    const ssize_t length = nghttp2_session_mem_send(session_, &bytes);
    if (length <= 0) {
      if (length < 0) broken_ = true;
      break;
    }
    out->append(Text(bytes, static_cast<size_t>(length)));
  }
  return out->size() > before;
}

void Http2Session::Drain() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

bool Http2Session::Done() const {
  return broken_ ||
         (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0);
}

void Http2Session::CountProtocol() {
  counted_ = true;
  peer_->Count(EdgeCause::kProtocol);
}

bool Http2Session::Allowed(const nghttp2_frame_hd& head) {
  switch (head.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:  // nghttp2 allows few of them.
      return true;
    case NGHTTP2_DATA:
      return head.length > 0 || (head.flags & NGHTTP2_FLAG_END_STREAM) != 0 ||
             empty_frames_.Take(now_);
    case NGHTTP2_WINDOW_UPDATE:
      return window_updates_.Take(now_);
    default:
      return empty_frames_.Take(now_);
  }
}

int Http2Session::OnFrameBegin(const nghttp2_frame_hd& head) {
  if (!Allowed(head)) {
    CountProtocol();
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
  }
  if (head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_CONTINUATION) {
    head_begun_ = (head.flags & NGHTTP2_FLAG_END_HEADERS) == 0;
  }
  return 0;
}

int Http2Session::OnHeadersBegin(int32_t id) {
  if (!peer_->Calls(now_)) {
    CountProtocol();
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
  }
  streams_.emplace(id, std::make_unique<Stream>(this, id));
  return 0;
}

int Http2Session::OnHeader(int32_t id, std::string_view name, std::string_view value) {
  Stream* const stream = Find(id);
  if (stream == nullptr || stream->handler != nullptr) return 0;  // Trailers say nothing to us.
  constexpr size_t kFieldOverhead = 32;  // RFC 9113, SETTINGS_MAX_HEADER_LIST_SIZE
  stream->head_bytes += name.size() + value.size() + kFieldOverhead;
  if (stream->head_bytes > limits_.header_bytes) {
    peer_->Count(EdgeCause::kHead);
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  RequestHead& head = stream->head;
  if (name == ":method") {
    head.method = value;
  } else if (name == ":path") {
    head.path = value;
  } else if (name == ":authority") {
    head.authority = value;
  } else if (name.front() != ':') {
    head.headers.emplace_back(name, value);
  }
  return 0;
}

int Http2Session::OnFrame(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_SETTINGS) greeted_ = true;  // The preface ends with them.
  if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) return 0;
  Stream* const stream = Find(frame.hd.stream_id);
  if (stream == nullptr) return 0;
  if (stream->handler == nullptr) {
    stream->head.http2 = true;
    stream->is_head = stream->head.method == "HEAD";
    stream->handler = connection_->Route(stream->head, stream);
    stream->head = {};
  }
  if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) stream->handler->OnBodyEnd();
  return 0;
}

int Http2Session::OnData(int32_t id, std::string_view bytes) {
  nghttp2_session_consume_connection(session_, bytes.size());
  Stream* const stream = Find(id);
  if (stream != nullptr && stream->handler != nullptr) stream->handler->OnBody(bytes);
  return 0;
}

int Http2Session::OnStreamClosed(int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return 0;
  const std::unique_ptr<Stream> stream = std::move(found->second);
  streams_.erase(found);
  if (stream->handler != nullptr) stream->handler->OnClosed();
  return 0;
}

int Http2Session::OnFrameSent(const nghttp2_frame& frame) {
  // nghttp2 ends some connections without telling us of the frame that was wrong.
  const bool complains =
      frame.hd.type == NGHTTP2_GOAWAY && frame.goaway.error_code != NGHTTP2_NO_ERROR;
  if (complains && !counted_) CountProtocol();
  // The response is complete. A caller that has not finished its request need not go on (RFC 9113,
  // 8.1).
  const bool ends = (frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA) &&
                    (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (ends && nghttp2_session_get_stream_remote_close(session_, frame.hd.stream_id) == 0) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, frame.hd.stream_id, NGHTTP2_NO_ERROR);
  }
  return 0;
}

Http2Session::Stream* Http2Session::Find(int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

}  // namespace sluice::server
