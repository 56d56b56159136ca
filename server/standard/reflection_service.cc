#include "server/standard/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "server/calls/bidi_reactor.h"
#include "server/streams/silence.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

// Adds `file` after the files it imports.
template <typename Response>
void AddFile(const FileDescriptor& file, absl::flat_hash_set<const FileDescriptor*>* added,
             Response* response) {
  if (!added->insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddFile(*file.dependency(i), added, response);
  }
  google::protobuf::FileDescriptorProto described;
  file.CopyTo(&described);
  *response->mutable_file_descriptor_response()->add_file_descriptor_proto() =
      described.SerializeAsString();
}

template <typename Response>
void AnswerFile(const FileDescriptor* file, Response* response) {
  if (file == nullptr) {
    response->mutable_error_response()->set_error_code(
        static_cast<int>(absl::StatusCode::kNotFound));
    response->mutable_error_response()->set_error_message("this server knows no such symbol");
    return;
  }
  absl::flat_hash_set<const FileDescriptor*> added;
  AddFile(*file, &added, response);
}

template <typename Request, typename Response>
void Answer(const Methods& methods, const Request& request, Response* response) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  response->set_valid_host(request.host());
  *response->mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kListServices:
      for (const std::string& service : methods.Services()) {
        response->mutable_list_services_response()->add_service()->set_name(service);
      }
      return;
    case Request::kFileByFilename:
      return AnswerFile(pool.FindFileByName(request.file_by_filename()), response);
    case Request::kFileContainingSymbol:
      return AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), response);
    case Request::kAllExtensionNumbersOfType:
      // proto3 has none.
      response->mutable_all_extension_numbers_response()->set_base_type_name(
          request.all_extension_numbers_of_type());
      return;
    case Request::kFileContainingExtension:
      return AnswerFile<Response>(nullptr, response);
    case Request::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  response->mutable_error_response()->set_error_code(
      static_cast<int>(absl::StatusCode::kInvalidArgument));
  response->mutable_error_response()->set_error_message("the request asks nothing known here");
}

// Answers one request after the other. Deletes itself.
template <typename Request, typename Response>
class Stream final : public BidiReactor<Request, Response>, public Ticked {
 public:
  Stream(std::shared_ptr<Call> call, const Methods* methods, Ticker* ticker)
      : BidiReactor<Request, Response>(std::move(call)), methods_(methods), ticker_(ticker) {}

  void Begin() {
    ticker_->Add(this);
    MutexLock lock(mutex_);
    if (!ended_) this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return End(this->unreadable() ? absl::InvalidArgumentError("a request could not be read")
                                    : absl::OkStatus());
    }
    response_.Clear();
    Answer(*methods_, request_, &response_);
    MutexLock lock(mutex_);
    if (ended_) return;
    writing_ = true;
    this->StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) ended_ = true;
    if (ended_) return FinishLocked();
    this->StartRead(&request_);
  }
  void OnCancel() override { End(absl::CancelledError("the call was cancelled")); }
  void OnDone() override {
    ticker_->Remove(this);
    // The thread that called Finish may still hold the mutex.
    { MutexLock lock(mutex_); }
    delete this;
  }

  void Tick(Time) override {
    MutexLock lock(mutex_);
    // The caller does not read, or is gone.
    if (ended_ && ++ended_ticks_ == kSilentTicks) this->call().Cancel();
  }
  void End(const absl::Status& why) override {
    MutexLock lock(mutex_);
    if (!ended_) status_ = why;
    ended_ = true;
    FinishLocked();
  }

 private:
  ~Stream() override = default;

  void FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    finished_ = true;
    this->Finish(status_);
  }

  const Methods* const methods_;  // Not owned.
  Ticker* const ticker_;          // Not owned.
  Request request_;
  Response response_;

  Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int ended_ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

template <typename Request, typename Response>
void Add(const std::string& service, const Methods* described, Ticker* ticker, Methods* methods) {
  methods->AddBidi<Request, Response>(service, "ServerReflectionInfo", Lane::kBulk,
                                      [described, ticker](std::shared_ptr<Call> call) {
                                        // Deletes itself.
                                        auto* stream = new Stream<Request, Response>(
                                            std::move(call), described, ticker);
                                        stream->Begin();
                                      });
}

}  // namespace

void ReflectionService::AddTo(Methods* methods) {
  Add<grpc::reflection::v1::ServerReflectionRequest,
      grpc::reflection::v1::ServerReflectionResponse>("grpc.reflection.v1.ServerReflection",
                                                      methods_, ticker_, methods);
  Add<grpc::reflection::v1alpha::ServerReflectionRequest,
      grpc::reflection::v1alpha::ServerReflectionResponse>(
      "grpc.reflection.v1alpha.ServerReflection", methods_, ticker_, methods);
}

}  // namespace sluice::server
