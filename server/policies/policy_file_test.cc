#include "server/policies/policy_file.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server {
namespace {

PolicyRecord Record() {
  PolicyRecord record;
  record.version = 12;
  record.text = PolicyOf("include \"lists/a\";\ndefault accept;", "my \"own\".policy");
  v1::PolicyFile* file = record.text.add_files();
  file->set_name("lists/a");
  file->set_text("from host 10.0.0.1 to any reject;\n--- \"lists/a\"\n");
  file = record.text.add_files();
  file->set_name("empty");
  record.author = "ålice@desk\n";
  record.applied = std::chrono::system_clock::time_point(std::chrono::nanoseconds(
      std::chrono::seconds(1'700'000'000) + std::chrono::nanoseconds(123'456'789)));
  record.rule_count = 1;
  return record;
}

void ExpectSame(const PolicyRecord& a, const PolicyRecord& b) {
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.text.SerializeAsString(), b.text.SerializeAsString());
  EXPECT_EQ(a.author, b.author);
  EXPECT_EQ(a.applied, b.applied);
  EXPECT_EQ(a.rule_count, b.rule_count);
  EXPECT_EQ(a.confirmed, b.confirmed);
}

TEST(PolicyFileTest, CanBeReadByPeople) {
  const std::string file = FormatPolicyFile(Record());
  EXPECT_EQ(file.substr(0, file.find("sum: ")),
            "sluice policy, format 1\n"
            "version: 12\n"
            "applied: 2023-11-14T22:13:20.123456789+00:00\n"
            "author: \"ålice@desk\\n\"\n"
            "source: \"my \\\"own\\\".policy\"\n"
            "rules: 1\n"
            "confirmed: yes\n"
            "text: 34 bytes\n"
            "file: 48 bytes \"lists/a\"\n"
            "file: 0 bytes \"empty\"\n");
  EXPECT_EQ(file.substr(file.find("\n\n") + 2),
            "--- the policy\n"
            "include \"lists/a\";\ndefault accept;\n"
            "--- \"lists/a\"\n"
            "from host 10.0.0.1 to any reject;\n--- \"lists/a\"\n\n"
            "--- \"empty\"\n\n");
}

// Older servers kept text that cannot be sent.
TEST(PolicyFileTest, WhatIsNotUtf8IsReadAsUtf8) {
  PolicyRecord record = Record();
  record.text.set_text("# caf\xe9\ndefault accept;");
  record.text.set_source("caf\xe9.policy");
  record.text.mutable_files(0)->set_text("# \xff");
  record.author = "andr\xe9";
  const auto read = ParsePolicyFile(FormatPolicyFile(record));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->text.text(), "# caf\\xe9\ndefault accept;");
  EXPECT_EQ(read->text.source(), "caf\\xe9.policy");
  EXPECT_EQ(read->text.files(0).text(), "# \\xff");
  EXPECT_EQ(read->author, "andr\\xe9");
}

TEST(PolicyFileTest, ReadsWhatItWrote) {
  PolicyRecord record = Record();
  for (const bool confirmed : {true, false}) {
    record.confirmed = confirmed;
    const auto read = ParsePolicyFile(FormatPolicyFile(record));
    ASSERT_TRUE(read.ok()) << read.status();
    ExpectSame(*read, record);
  }
  const auto empty = ParsePolicyFile(FormatPolicyFile(PolicyRecord()));
  ASSERT_TRUE(empty.ok()) << empty.status();
  ExpectSame(*empty, PolicyRecord());
}

TEST(PolicyFileTest, RefusesEveryTornFile) {
  const std::string file = FormatPolicyFile(Record());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(ParsePolicyFile(file.substr(0, size)).status().code(), absl::StatusCode::kDataLoss)
        << size;
  }
  EXPECT_FALSE(ParsePolicyFile(file + "\n").ok());
}

TEST(PolicyFileTest, RefusesEveryAlteredFile) {
  const std::string file = FormatPolicyFile(Record());
  for (size_t at = 0; at < file.size(); ++at) {
    for (const char other : {'\0', '9', ' ', '\n', '"', '\xff'}) {
      std::string altered = file;
      if (altered[at] == other) continue;
      altered[at] = other;
      EXPECT_FALSE(ParsePolicyFile(altered).ok()) << at;
    }
  }
}

TEST(PolicyFileTest, RefusesLengthsThatArePastTheEnd) {
  std::string file = FormatPolicyFile(Record());
  file.replace(file.find("text: 34"), 8, "text: 18446744073709551615");
  EXPECT_FALSE(ParsePolicyFile(file).ok());
}

}  // namespace
}  // namespace sluice::server
