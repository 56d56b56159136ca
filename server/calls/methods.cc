#include "server/calls/methods.h"

#include <google/protobuf/descriptor.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <set>

#include "absl/strings/str_cat.h"

namespace sluice::server {

void Methods::Add(const Described& described, Method method) {
  const google::protobuf::MethodDescriptor* const descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          absl::StrCat(described.service, ".", described.method));
  if (descriptor == nullptr || descriptor->input_type() != described.request ||
      descriptor->output_type() != described.response ||
      descriptor->client_streaming() != described.client_streaming ||
      descriptor->server_streaming() != described.server_streaming) {
    spdlog::critical("{}.{} is not served as its description says", described.service,
                     described.method);
    std::abort();
  }
  method.takes_one = !described.client_streaming;
  method.request = described.request;
  method.path = absl::StrCat("/", described.service, "/", described.method);
  const std::string path = method.path;
  methods_.emplace(path, std::move(method));
}

const Method* Methods::Find(std::string_view path) const {
  const auto found = methods_.find(absl::string_view(path.data(), path.size()));
  return found == methods_.end() ? nullptr : &found->second;
}

std::vector<std::string> Methods::Services() const {
  std::set<std::string> services;
  for (const auto& [path, method] : methods_) services.insert(path.substr(1, path.rfind('/') - 1));
  return {services.begin(), services.end()};
}

}  // namespace sluice::server
