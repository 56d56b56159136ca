#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/policy/checker/names.h"

namespace sluice::server::policy {

// Names for tests: answers with what was pushed, and tells what was asked.
class FakeNames final : public Names {
 public:
  void PushHost(const std::string& name, std::vector<std::string> addresses) {
    for (const std::string& address : addresses) {
      hosts_[name].push_back(ParseAddress(address).value());
    }
  }
  void PushNetwork(const std::string& name, uint32_t number) { networks_[name] = number; }
  void PushProtocol(const std::string& name, uint32_t number) { protocols_[name] = number; }
  void PushService(const std::string& name, const std::string& protocol, uint32_t port) {
    services_[name + "/" + protocol] = port;
  }
  // From now on, `status` is the answer for this host or network.
  void Fail(const std::string& name, absl::Status status) { failed_[name] = std::move(status); }
  void PushFile(const std::string& path, std::string text) { files_[path] = std::move(text); }
  const std::vector<std::string>& Asked() const { return asked_; }

  absl::StatusOr<std::vector<Address>> Host(const std::string& name) override {
    return Find(hosts_, "host", name);
  }
  absl::StatusOr<uint32_t> Network(const std::string& name) override {
    return Find(networks_, "network", name);
  }
  absl::StatusOr<uint32_t> Protocol(const std::string& name) override {
    return Find(protocols_, "protocol", name);
  }
  absl::StatusOr<uint32_t> Service(const std::string& name, const char* protocol) override {
    return Find(services_, "service", name + "/" + protocol);
  }
  absl::StatusOr<std::string> SetFile(const std::string& path) override {
    return Find(files_, "file", path);
  }

 private:
  template <typename Value>
  absl::StatusOr<Value> Find(const std::map<std::string, Value>& known, const std::string& kind,
                             const std::string& name) {
    asked_.push_back(kind + " " + name);
    if (const auto failed = failed_.find(name); failed != failed_.end()) return failed->second;
    const auto found = known.find(name);
    if (found == known.end()) return absl::NotFoundError("no " + kind + " " + Quoted(name));
    return found->second;
  }
  static std::string Quoted(const std::string& name) { return "`" + name + "`"; }

  std::map<std::string, std::vector<Address>> hosts_;
  std::map<std::string, uint32_t> networks_;
  std::map<std::string, uint32_t> protocols_;
  std::map<std::string, uint32_t> services_;
  std::map<std::string, std::string> files_;
  std::map<std::string, absl::Status> failed_;
  std::vector<std::string> asked_;
};

}  // namespace sluice::server::policy
