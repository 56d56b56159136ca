#include "server/edge/grpc_call.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/calls/message_parts.h"

namespace sluice::server {
namespace {

// A buffer up to this size is kept for the next answers.
constexpr size_t kKeptBuffer = 32 << 10;

}  // namespace

GrpcCall::GrpcCall(const Parts& parts, const Method* method, GrpcWire wire, HttpStream* stream,
                   std::optional<std::chrono::nanoseconds> timeout, std::string origin)
    : ticket_(parts.count),
      parts_(parts),
      method_(method),
      wire_(wire),
      deadline_(timeout ? std::chrono::steady_clock::now() + *timeout : Time::max()),
      origin_(std::move(origin)),
      stream_(stream),
      reader_(method->largest_request) {
  if (method->lane == Lane::kBulk) bulk_.emplace(boost::asio::make_strand(*parts_.bulk));
}

GrpcCall::~GrpcCall() {
  for (const Held kind : {Held::kArrived, Held::kUnread}) {
    if (const size_t held = held_[static_cast<size_t>(kind)]; held > 0) {
      parts_.peer->Release(kind, held);
    }
  }
}

template <typename Work>
void GrpcCall::OnThread(Work work) {
  if (parts_.thread->Current()) {
    work();
  } else {
    parts_.thread->Post([self = shared_from_this(), work = std::move(work)] { work(); });
  }
}

void GrpcCall::Due() { parts_.thread->Defer(shared_from_this()); }

// ---- Of the service.

void GrpcCall::Read() {
  OnThread([this] {
    reading_ = true;
    Due();
  });
}

void GrpcCall::SendHead() {
  OnThread([this] {
    if (stream_ == nullptr || std::exchange(head_sent_, true)) return;
    stream_->Respond(200, ResponseHead(wire_, origin_), /*has_body=*/true);
  });
}

void GrpcCall::Serialize(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  out_.resize(kMessagePrefix + size);
  WriteMessagePrefix(0, size, out_.data());
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(out_.data() + kMessagePrefix));
}

void GrpcCall::Write(const google::protobuf::MessageLite& message) {
  Serialize(message);
  SendMessage();
}

void GrpcCall::WriteSerialized(std::string_view message) {
  out_.resize(kMessagePrefix);
  WriteMessagePrefix(0, message.size(), out_.data());
  out_.append(message);
  SendMessage();
}

void GrpcCall::SendMessage() {
  OnThread([this] {
    writing_ = true;
    out_sent_ = 0;
    if (failed_ || !Account()) {
      writing_ = false;
      written_ = false;
      out_ = {};
    } else if (!std::exchange(head_sent_, true)) {
      stream_->Respond(200, ResponseHead(wire_, origin_), /*has_body=*/true);
    } else {
      stream_->Resume();
    }
    Due();
  });
}

void GrpcCall::Finish(const absl::Status& status) {
  OnThread([this, status] {
    finish_ = status;
    SendFinish();
    Due();
  });
}

void GrpcCall::FinishWith(const google::protobuf::MessageLite& message) {
  Serialize(message);
  OnThread([this] {
    finish_ = absl::OkStatus();
    if (failed_) {
      out_ = {};
    } else {
      writing_ = true;
      out_sent_ = 0;
      Account();
    }
    SendFinish();
    Due();
  });
}

void GrpcCall::Cancel() {
  OnThread([this] {
    if (stream_ != nullptr && !finished_) stream_->Reset();
    Fail();
  });
}

// ---- Of the stream.

void GrpcCall::OnBody(std::string_view bytes) {
  received_ += bytes.size();
  uncredited_ += bytes.size();
  if (failed_ || finish_) return Credit();
  reader_.Append(bytes);
  Due();
}

void GrpcCall::OnBodyEnd() {
  half_closed_ = true;
  request_timer_.reset();
  Due();
}

void GrpcCall::OnClosed() {
  stream_ = nullptr;
  timer_.reset();
  request_timer_.reset();
  Fail();
}

HttpHandler::Pulled GrpcCall::Pull(char* to, size_t most) {
  Pulled pulled;
  if (writing_) {
    pulled.bytes = std::min(most, out_.size() - out_sent_);
    std::memcpy(to, out_.data() + out_sent_, pulled.bytes);
    out_sent_ += pulled.bytes;
    if (out_sent_ < out_.size()) return pulled;
    writing_ = false;
    written_ = true;
    out_.clear();
    if (out_.capacity() > kKeptBuffer) out_.shrink_to_fit();
    Account();
    Due();
  }
  // Not finish_: a call that was broken off ends although its service has said nothing yet.
  if (!finished_) return pulled;
  if (wire_ == GrpcWire::kGrpcWeb) {
    const size_t bytes = std::min(most - pulled.bytes, web_trailers_.size());
    std::memcpy(to + pulled.bytes, web_trailers_.data(), bytes);
    web_trailers_.erase(0, bytes);
    pulled.bytes += bytes;
    pulled.end = web_trailers_.empty();
  } else {
    pulled.end = true;
    pulled.trailers = &trailers_;
  }
  return pulled;
}

// ---- Between the two, on the connection's thread.

Headers GrpcCall::ResponseHead(GrpcWire wire, const std::string& origin) {
  Headers head = {{"content-type",
                   wire == GrpcWire::kGrpcWeb ? "application/grpc-web+proto" : "application/grpc"},
                  {"grpc-accept-encoding", "identity"}};
  if (!origin.empty()) {
    // A page's script sees the status only if it is told that it may.
    head.emplace_back("access-control-allow-origin", origin);
    head.emplace_back("access-control-expose-headers",
                      "grpc-status, grpc-message, grpc-status-details-bin");
  }
  return head;
}

void GrpcCall::SendFinish() {
  if (std::exchange(finished_, true)) return;
  timer_.reset();
  request_timer_.reset();
  if (stream_ == nullptr) return;
  const Headers fields = StatusFields(abort_.value_or(*finish_));
  Headers head = ResponseHead(wire_, origin_);
  if (wire_ == GrpcWire::kGrpcWeb) {
    const std::string text = WebTrailers(fields);
    web_trailers_.resize(kMessagePrefix);
    WriteMessagePrefix(0x80, text.size(), web_trailers_.data());
    web_trailers_ += text;
  } else if (!head_sent_ && !writing_) {
    // Trailers only.
    head.insert(head.end(), fields.begin(), fields.end());
    head_sent_ = true;
    stream_->Respond(200, head, /*has_body=*/false);
    return;
  } else {
    trailers_ = fields;
  }
  if (std::exchange(head_sent_, true)) {
    stream_->Resume();
  } else {
    stream_->Respond(200, head, /*has_body=*/true);
  }
}

void GrpcCall::Abort(const absl::Status& why) {
  if (failed_ || finished_) return;
  abort_ = why;
  if (writing_ && out_sent_ > 0) {
    // In the middle of a message there is no place for a status.
    stream_->Reset();
    Fail();
    return;
  }
  if (std::exchange(writing_, false)) {
    written_ = false;
    out_ = {};
  }
  const bool had_finished = finish_.has_value();
  finish_ = why;
  SendFinish();
  if (!had_finished) finish_.reset();  // The service's own is still to come.
  Fail();
}

void GrpcCall::Fail() {
  if (std::exchange(failed_, true)) return;
  timer_.reset();
  request_timer_.reset();
  if (std::exchange(writing_, false)) {
    written_ = false;
    out_ = {};
  }
  if (!finish_) cancelled_ = true;
  Due();
}

bool GrpcCall::Account() {
  return Account(Held::kArrived, reader_.size()) &&
         Account(Held::kUnread, writing_ ? out_.size() : 0);
}

bool GrpcCall::Account(Held kind, size_t bytes) {
  size_t& held = held_[static_cast<size_t>(kind)];
  const size_t wanted = bytes > parts_.limits->free_a_call ? bytes - parts_.limits->free_a_call : 0;
  if (wanted < held) {
    parts_.peer->Release(kind, held - wanted);
  } else if (wanted > held && !parts_.peer->Hold(kind, wanted - held, held)) {
    parts_.peer->Count(EdgeCause::kBudget);
    Abort(absl::ResourceExhaustedError(
        kind == Held::kArrived
            ? "too many requests of this caller's address are not complete: send fewer at once"
            : "too many answers to this caller's address are not read: read them, or ask for less "
              "at once"));
    return false;
  }
  held = wanted;
  return true;
}

void GrpcCall::Credit() {
  if (stream_ != nullptr && uncredited_ > 0) stream_->Consumed(uncredited_);
  uncredited_ = 0;
}

std::optional<std::string_view> GrpcCall::TakeMessage() {
  MessageReader::Result next = reader_.Next();
  const EdgeLimits& limits = *parts_.limits;
  if (next.message && next.message->size() > limits.small_message &&
      !HasFewParts(*next.message, *method_->request, limits.message_parts)) {
    next.status = absl::ResourceExhaustedError(
        absl::StrCat("a message that is unreadable, or has more than ", limits.message_parts,
                     " messages and texts in it"));
  }
  if (!next.status.ok()) {
    parts_.peer->Count(EdgeCause::kMessage);
    Abort(next.status);
    return std::nullopt;
  }
  return next.message;
}

void GrpcCall::AwaitDeadline() {
  if (deadline_ == Time::max()) return;
  timer_.emplace(parts_.thread->context(), deadline_);
  timer_->async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error) return;
    self->Abort(absl::DeadlineExceededError("the caller's deadline has passed"));
    self->parts_.thread->Settle();
  });
}

void GrpcCall::AwaitRequest() {
  if (half_closed_) return;
  request_seen_ = received_;
  request_timer_.emplace(parts_.thread->context(), parts_.limits->request_period);
  request_timer_->async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error) return;
    const bool slow =
        self->received_ - self->request_seen_ < self->parts_.limits->request_bytes_a_period ||
        std::chrono::steady_clock::now() - self->request_began_ > self->parts_.limits->request_time;
    if (slow) {
      self->parts_.peer->Count(EdgeCause::kTooSlow);
      self->Abort(absl::DeadlineExceededError("the request did not arrive in time"));
    } else {
      self->AwaitRequest();
    }
    self->parts_.thread->Settle();
  });
}

std::optional<GrpcCall::Event> GrpcCall::Next() {
  if (!begun_) {
    // A call that its caller has cancelled already costs its service nothing.
    return failed_ ? std::nullopt : std::optional(Event::kBegin);
  }
  if (failed_ && !finish_ && !fail_told_) return Event::kCancel;
  if (written_) return *written_ ? Event::kWritten : Event::kNotWritten;
  if (reading_ && (failed_ || finished_)) return Event::kNoMessage;
  if (finish_ && finished_ && !writing_ && !done_told_) return Event::kDone;
  return std::nullopt;
}

void GrpcCall::RunDeferred() {
  while (!telling_) {
    if (failed_ || finish_) reader_.Clear();  // Nobody reads it any more.
    if (const std::optional<Event> event = Next(); event.has_value()) {
      Tell(*event, {});
      continue;
    }
    if (!reading_) {
      // What nobody reads yet must not be too much.
      Account();
      if (!Next()) return;
      continue;
    }
    const std::optional<std::string_view> message = TakeMessage();
    if (message) {
      Tell(Event::kMessage, *message);
      continue;
    }
    if (failed_) continue;
    if (half_closed_) {
      Tell(Event::kNoMessage, {});
      continue;
    }
    Credit();
    if (Account()) return;
  }
}

void GrpcCall::Tell(Event event, std::string_view message) {
  switch (event) {
    case Event::kBegin:
      begun_ = true;
      AwaitDeadline();
      request_began_ = std::chrono::steady_clock::now();
      if (method_->takes_one) AwaitRequest();
      break;
    case Event::kMessage:
    case Event::kNoMessage:
      reading_ = false;
      break;
    case Event::kWritten:
    case Event::kNotWritten:
      written_.reset();
      break;
    case Event::kCancel:
      fail_told_ = true;
      break;
    case Event::kDone:
      done_told_ = true;
      break;
  }
  if (!bulk_) return Run(event, message);
  telling_ = true;
  boost::asio::post(*bulk_, [self = shared_from_this(), event, kept = std::string(message)] {
    self->Run(event, kept);
    self->parts_.thread->Post([self] {
      self->telling_ = false;
      self->Due();
    });
  });
}

void GrpcCall::Run(Event event, std::string_view message) {
  switch (event) {
    case Event::kBegin:
      return method_->begin(shared_from_this());
    case Event::kMessage:
      return events_->OnMessage(message);
    case Event::kNoMessage:
      return events_->OnNoMessage();
    case Event::kWritten:
      return events_->OnWritten(true);
    case Event::kNotWritten:
      return events_->OnWritten(false);
    case Event::kCancel:
      return events_->OnCancel();
    case Event::kDone:
      return events_->OnDone();
  }
}

}  // namespace sluice::server
