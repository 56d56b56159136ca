#include "server/policy/checker/known_names.h"

#include "server/policy/terms/set_text.h"

namespace sluice::server::policy {
namespace {

template <typename Key, typename Value, typename Ask>
absl::StatusOr<Value> Remember(std::map<Key, Value>& known, const Key& key, const Ask& ask) {
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  absl::StatusOr<Value> value = ask();
  if (value.ok()) known.emplace(key, *value);
  return value;
}

}  // namespace

bool KnownNames::ReadAgain(Names& names, std::vector<std::string>* stale) {
  bool changed = false;
  for (auto& [path, text] : set_files) {
    absl::StatusOr<std::string> now = names.SetFile(path);
    absl::Status status = now.status();
    if (now.ok() && *now == text) continue;
    if (now.ok()) status = ParseSetText(*now, path).status();
    if (!status.ok()) {
      stale->emplace_back(status.message());
      continue;
    }
    text = *std::move(now);
    changed = true;
  }
  return changed;
}

void NameMeanings::Add(const NameMeanings& other) {
  hosts.insert(other.hosts.begin(), other.hosts.end());
  networks.insert(other.networks.begin(), other.networks.end());
}

size_t NameMeanings::memory() const {
  size_t bytes = 0;
  for (const auto& [name, addresses] : hosts) {
    bytes += name.size() + addresses.size() * sizeof(Address);
  }
  for (const auto& [name, number] : networks) bytes += name.size() + sizeof number;
  return bytes;
}

size_t KnownNames::memory() const {
  size_t bytes = sizeof *this + NameMeanings::memory();
  for (const auto& [path, text] : set_files) bytes += path.size() + text.capacity();
  return bytes;
}

absl::StatusOr<std::vector<Address>> RememberingNames::Host(const std::string& name) {
  return Remember(known_->hosts, name, [&] { return names_->Host(name); });
}

absl::StatusOr<uint32_t> RememberingNames::Network(const std::string& name) {
  return Remember(known_->networks, name, [&] { return names_->Network(name); });
}

absl::StatusOr<uint32_t> RememberingNames::Protocol(const std::string& name) {
  return Remember(known_->protocols, name, [&] { return names_->Protocol(name); });
}

absl::StatusOr<uint32_t> RememberingNames::Service(const std::string& name, const char* protocol) {
  return Remember(known_->services, {name, protocol},
                  [&] { return names_->Service(name, protocol); });
}

absl::StatusOr<std::string> RememberingNames::SetFile(const std::string& path) {
  return Remember(known_->set_files, path, [&] { return names_->SetFile(path); });
}

}  // namespace sluice::server::policy
