#include "server/policies/policy_history.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

PolicyRecord WithoutTexts(const PolicyRecord& record) {
  PolicyRecord bare;
  bare.version = record.version;
  bare.text.set_source(record.text.source());
  bare.author = record.author;
  bare.applied = record.applied;
  bare.rule_count = record.rule_count;
  bare.confirmed = record.confirmed;
  return bare;
}

}  // namespace

PolicyHistory::PolicyHistory(std::unique_ptr<PolicyArchive> archive)
    : archive_(std::move(archive)) {
  records_[0] = BuiltInPolicy();
  if (archive_ == nullptr) return;
  PolicyArchive::Contents contents = archive_->Load();
  remarks_ = std::move(contents.remarks);
  highest_ = contents.highest;
  for (PolicyRecord& record : contents.records) {
    const uint64_t version = record.version;
    if (version != 0) records_[version] = std::move(record);
  }
}

absl::Status PolicyHistory::Add(PolicyRecord record, const policy::NameMeanings& names,
                                uint64_t in_force) {
  const uint64_t version = record.version;
  if (archive_ == nullptr) {
    KeepNames(version, names).IgnoreError();  // Cannot fail without an archive.
  } else {
    // Names first, so that a version is never there without them.
    if (absl::Status status = KeepNames(version, names); !status.ok()) return status;
    if (absl::Status status = archive_->Write(record); !status.ok()) {
      // The file may be in place without being known to stay there.
      archive_->Remove(version).IgnoreError();
      return status;
    }
    record = WithoutTexts(record);
  }
  highest_ = version;
  bytes_ += record.text.ByteSizeLong();
  records_[version] = std::move(record);
  Prune(in_force);
  return absl::OkStatus();
}

absl::Status PolicyHistory::KeepNames(uint64_t version, const policy::NameMeanings& names) {
  if (archive_ != nullptr) return archive_->WriteNames(version, names);
  bytes_ -= names_[version].memory();
  names_[version] = names;
  bytes_ += names.memory();
  return absl::OkStatus();
}

absl::StatusOr<policy::NameMeanings> PolicyHistory::Names(uint64_t version) const {
  if (archive_ != nullptr && version != 0) return archive_->ReadNames(version);
  const auto found = names_.find(version);
  return found == names_.end() ? policy::NameMeanings() : found->second;
}

policy::NameMeanings PolicyHistory::AllNames() const {
  policy::NameMeanings all;
  for (auto at = records_.rbegin(); at != records_.rend(); ++at) {
    const absl::StatusOr<policy::NameMeanings> names = Names(at->first);
    if (names.ok()) all.Add(*names);
  }
  return all;
}

absl::Status PolicyHistory::Confirm(uint64_t version) {
  absl::StatusOr<PolicyRecord> record = Get(version);
  if (!record.ok()) return record.status();
  record->confirmed = true;
  if (archive_ != nullptr) {
    if (absl::Status status = archive_->Write(*record); !status.ok()) return status;
  }
  records_[version].confirmed = true;
  return absl::OkStatus();
}

absl::StatusOr<PolicyRecord> PolicyHistory::Get(uint64_t version) const {
  const auto found = records_.find(version);
  if (found == records_.end()) {
    return absl::NotFoundError(
        absl::StrCat("there is no policy ", version, "; the last ", kKept, " versions are kept"));
  }
  if (archive_ == nullptr || version == 0) return found->second;
  return archive_->Read(version);
}

absl::StatusOr<PolicyRecord> PolicyHistory::ConfirmedBefore(uint64_t version) const {
  for (auto at = records_.lower_bound(version); at != records_.begin();) {
    --at;
    if (at->second.confirmed) return Get(at->first);
  }
  return absl::NotFoundError(absl::StrCat("there is no policy before ", version));
}

std::vector<PolicyRecord> PolicyHistory::List(size_t limit) const {
  std::vector<PolicyRecord> list;
  for (auto at = records_.rbegin(); at != records_.rend() && list.size() < limit; ++at) {
    list.push_back(WithoutTexts(at->second));
  }
  return list;
}

bool PolicyHistory::Crowded() const {
  // One more for version 0.
  return records_.size() > kKept + 1 || bytes_ > kMostBytes;
}

void PolicyHistory::Prune(uint64_t in_force) {
  uint64_t confirmed = 0;
  for (const auto& [version, record] : records_) {
    if (record.confirmed) confirmed = version;
  }
  for (auto at = records_.begin(); at != records_.end() && Crowded();) {
    const uint64_t version = at->first;
    const bool needed =
        version == 0 || version == in_force || version == confirmed || version == highest_;
    // A version that cannot be removed from the disk is tried again at the next Prune.
    if (needed || (archive_ != nullptr && !archive_->Remove(version).ok())) {
      ++at;
      continue;
    }
    bytes_ -= at->second.text.ByteSizeLong() + names_[version].memory();
    names_.erase(version);
    at = records_.erase(at);
  }
}

}  // namespace sluice::server
