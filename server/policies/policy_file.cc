#include "server/policies/policy_file.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "proto/text/text.h"
#include "server/policies/file_checksum.h"

namespace sluice::server {
namespace {

constexpr char kFirstLine[] = "sluice policy, format 1";
constexpr char kOwnText[] = "the policy";

std::string SumLine(std::string_view header, std::string_view body) {
  return absl::StrCat("sum: ", FileSum({header, body}), "\n\n");
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
}

absl::Status Wrong(std::string_view what) {
  return absl::DataLossError(absl::StrCat("no ", std::string(what), " where it belongs"));
}

// Reads what FormatPolicyFile writes, from front to back.
class Reader final {
 public:
  explicit Reader(std::string_view file) : rest_(file) {}

  // What follows `key: ` on the next line. If the line begins otherwise, nullopt, and nothing is
  // consumed.
  std::optional<std::string_view> Value(std::string_view key) {
    const size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = rest_.substr(0, end);
    if (!line.starts_with(key) || !line.substr(key.size()).starts_with(": ")) return std::nullopt;
    rest_.remove_prefix(end + 1);
    return line.substr(key.size() + 2);
  }

  bool Skip(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }

  std::optional<std::string_view> Bytes(uint64_t count) {
    if (rest_.size() < count) return std::nullopt;
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

bool Number(std::optional<std::string_view> text, uint64_t* number) {
  return text && absl::SimpleAtoi(Abseil(*text), number);
}

bool Unquote(std::optional<std::string_view> text, std::string* unquoted) {
  if (!text || text->size() < 2 || !text->starts_with('"') || !text->ends_with('"')) return false;
  return absl::CUnescape(Abseil(text->substr(1, text->size() - 2)), unquoted);
}

// Reads `31 bytes` into `size` and what follows into `rest`.
bool Size(std::optional<std::string_view> text, uint64_t* size, std::string_view* rest) {
  if (!text) return false;
  const size_t space = text->find(' ');
  if (space == std::string_view::npos || !Number(text->substr(0, space), size)) return false;
  *rest = text->substr(space);
  if (!rest->starts_with(" bytes")) return false;
  rest->remove_prefix(6);
  return true;
}

// Reads a text and the line before it that names it.
bool Part(Reader& reader, const std::string& title, uint64_t size, std::string* text) {
  if (!reader.Skip(absl::StrCat("--- ", title, "\n"))) return false;
  const auto bytes = reader.Bytes(size);
  if (!bytes) return false;
  text->assign(*bytes);
  return reader.Skip("\n");
}

void MakeUtf8(PolicyRecord* record) {
  v1::PolicyText& text = record->text;
  record->author = ToUtf8(record->author);
  text.set_source(ToUtf8(text.source()));
  text.set_text(ToUtf8(text.text()));
  for (v1::PolicyFile& file : *text.mutable_files()) {
    file.set_name(ToUtf8(file.name()));
    file.set_text(ToUtf8(file.text()));
  }
}

absl::Status ReadHeader(Reader& reader, PolicyRecord* record) {
  if (!reader.Skip(absl::StrCat(kFirstLine, "\n"))) return Wrong("`sluice policy, format 1`");
  if (!Number(reader.Value("version"), &record->version)) return Wrong("version");
  const auto applied = reader.Value("applied");
  absl::Time time;
  if (!applied || !absl::ParseTime(absl::RFC3339_full, Abseil(*applied), &time, nullptr)) {
    return Wrong("time");
  }
  record->applied = absl::ToChronoTime(time);
  if (!Unquote(reader.Value("author"), &record->author)) return Wrong("author");
  if (!Unquote(reader.Value("source"), record->text.mutable_source())) return Wrong("source");
  uint64_t rules;
  if (!Number(reader.Value("rules"), &rules)) return Wrong("number of rules");
  record->rule_count = static_cast<uint32_t>(rules);
  const auto confirmed = reader.Value("confirmed");
  if (confirmed != "yes" && confirmed != "no") return Wrong("`confirmed`");
  record->confirmed = confirmed == "yes";
  return absl::OkStatus();
}

}  // namespace

std::string FormatPolicyFile(const PolicyRecord& record) {
  std::string header = absl::StrCat(
      kFirstLine, "\nversion: ", record.version, "\napplied: ",
      absl::FormatTime(absl::RFC3339_full, absl::FromChrono(record.applied), absl::UTCTimeZone()),
      "\nauthor: ", Quoted(record.author), "\nsource: ", Quoted(record.text.source()),
      "\nrules: ", record.rule_count, "\nconfirmed: ", record.confirmed ? "yes" : "no",
      "\ntext: ", record.text.text().size(), " bytes\n");
  std::string body = absl::StrCat("--- ", kOwnText, "\n", record.text.text(), "\n");
  for (const v1::PolicyFile& file : record.text.files()) {
    absl::StrAppend(&header, "file: ", file.text().size(), " bytes ", Quoted(file.name()), "\n");
    absl::StrAppend(&body, "--- ", Quoted(file.name()), "\n", file.text(), "\n");
  }
  return absl::StrCat(header, SumLine(header, body), body);
}

absl::StatusOr<PolicyRecord> ParsePolicyFile(std::string_view file) {
  Reader reader(file);
  PolicyRecord record;
  if (absl::Status status = ReadHeader(reader, &record); !status.ok()) return status;
  uint64_t size;
  std::string_view rest;
  if (!Size(reader.Value("text"), &size, &rest) || !rest.empty()) return Wrong("size of the text");
  std::vector<uint64_t> sizes;
  while (const auto value = reader.Value("file")) {
    if (!Size(value, &sizes.emplace_back(), &rest) || !rest.starts_with(' ') ||
        !Unquote(rest.substr(1), record.text.add_files()->mutable_name())) {
      return Wrong("name and size of a file");
    }
  }
  const std::string_view header = file.substr(0, file.size() - reader.rest().size());
  const std::string_view body =
      reader.rest().substr(std::min(reader.rest().size(), SumLine({}, {}).size()));
  if (!reader.Skip(SumLine(header, body))) {
    return absl::DataLossError("it is torn or was altered: its checksum does not match");
  }
  if (!Part(reader, kOwnText, size, record.text.mutable_text())) return Wrong("text");
  for (size_t i = 0; i < sizes.size(); ++i) {
    v1::PolicyFile& included = *record.text.mutable_files(static_cast<int>(i));
    if (!Part(reader, Quoted(included.name()), sizes[i], included.mutable_text())) {
      return Wrong("included file");
    }
  }
  if (!reader.rest().empty()) return Wrong("end");
  // An older server may have kept text that is not UTF-8 and cannot be sent.
  MakeUtf8(&record);
  return record;
}

}  // namespace sluice::server
