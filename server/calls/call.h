#pragma once

#include <google/protobuf/message_lite.h>

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sluice::server {

// What happens to one call. Each is told at the end of what was asked for, one at a time, and never
// from within a method of the Call.
class CallEvents {
 public:
  // The message that Read asked for, serialized. The bytes are valid until the return.
  virtual void OnMessage(std::string_view message) = 0;
  // Instead of OnMessage: the caller has half-closed the call, or the call has failed.
  virtual void OnNoMessage() = 0;
  // The message given to Write has been sent. If not `ok`, the call has failed.
  virtual void OnWritten(bool ok) = 0;
  // The call has failed before Finish: the caller cancelled it or is gone, its deadline has passed,
  // or it went beyond a limit. Finish must still be called.
  virtual void OnCancel() = 0;
  // Finish was called and nothing is under way any more. The last event.
  virtual void OnDone() = 0;

 protected:
  ~CallEvents() = default;
};

// One call, as its service sees it, whatever carries it: gRPC or gRPC-Web. A Read, a Write and
// Finish may be under way at once. Any thread may call any method.
class Call {
 public:
  using Time = std::chrono::steady_clock::time_point;

  virtual ~Call() = default;

  // Where the caller is, in gRPC's form: "ipv4:192.0.2.1:1234", "ipv6:[2001:db8::1]:1234", "unix:".
  virtual const std::string& peer() const = 0;
  // Until when the caller waits; Time::max() if it did not say.
  virtual Time deadline() const = 0;
  // The call has failed (OnCancel): nobody waits for an answer any more.
  virtual bool cancelled() const = 0;

  // Who is told of the events from now on. Only from within an event, or when the call begins.
  // `events` is not owned; it lives until OnDone.
  virtual void TellTo(CallEvents* events) = 0;
  // Asks for the next message. Only while no other Read is under way.
  virtual void Read() = 0;
  // Whether the next message has arrived: then Read brings it before anything is sent, and one
  // answer can do for all. If it is none of gRPC's, Read ends the call instead. Only from within
  // OnMessage.
  virtual bool MoreArrived() const = 0;
  // Tells the caller that the call was accepted, before there is a message.
  virtual void SendHead() = 0;
  // Only while no other Write is under way. `message` has been serialized on return.
  virtual void Write(const google::protobuf::MessageLite& message) = 0;
  // The same for a message that is serialized already. The bytes have been copied on return.
  virtual void WriteSerialized(std::string_view message) = 0;
  // Ends the call. Payloads of `status` travel as details: their type URLs are those of
  // google.protobuf.Any. Called once, and only while no Write is under way.
  virtual void Finish(const absl::Status& status) = 0;
  // Instead of Write and Finish: the last message, and success.
  virtual void FinishWith(const google::protobuf::MessageLite& message) = 0;
  // Has the call fail at once, without waiting for the caller to read anything.
  virtual void Cancel() = 0;
};

}  // namespace sluice::server
