#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::bench {

// An HTTP/2 connection that carries one gRPC call, as a client, by libnghttp2. Takes and makes
// bytes; sockets are for others. Used by one thread.
class RawCall final {
 public:
  class Receiver {
   public:
    // A message has come. `bytes` are valid during the call.
    virtual void OnMessage(std::string_view bytes) = 0;

   protected:
    ~Receiver() = default;
  };

  // Begins to call `path` ("/package.Service/Method"). `receiver` is not owned.
  RawCall(const std::string& path, const std::string& authority, bool tls, Receiver* receiver);
  ~RawCall();
  RawCall(const RawCall&) = delete;
  RawCall& operator=(const RawCall&) = delete;

  // Where to append messages that are to be sent, each with its prefix. Call Flush then.
  std::string* outgoing() { return &outgoing_; }
  // Appends to `bytes` what is to be sent now: as much as the server's windows allow.
  void Flush(std::string* bytes);
  // Takes bytes of the server.
  void Receive(std::string_view bytes);

  // The call or its connection has ended: nothing more will come.
  bool ended() const { return ended_; }
  // Why, once it has ended.
  std::string Reason() const;

 private:
  static ssize_t OnRead(nghttp2_session*, int32_t stream, uint8_t* buffer, size_t length,
                        uint32_t* flags, nghttp2_data_source* source, void* self);
  static int OnData(nghttp2_session*, uint8_t flags, int32_t stream, const uint8_t* data,
                    size_t length, void* self);
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_length, const uint8_t* value, size_t value_length, uint8_t flags,
                      void* self);
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int OnStreamClose(nghttp2_session*, int32_t stream, uint32_t error, void* self);
  void TakeData(std::string_view data);
  void End(const std::string& failure);

  Receiver* const receiver_;
  nghttp2_session* session_ = nullptr;
  int32_t stream_ = 0;
  std::string outgoing_;
  size_t outgoing_sent_ = 0;  // Bytes of it that are in frames already.
  bool deferred_ = false;     // libnghttp2 waits for nghttp2_session_resume_data.
  std::string partial_;       // A message of which more is to come, from its prefix on.
  bool ended_ = false;
  std::string failure_;
  std::string http_status_;
  std::string grpc_status_;
  std::string grpc_message_;
};

}  // namespace sluice::bench
