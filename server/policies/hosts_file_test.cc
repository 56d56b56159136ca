#include "server/policies/hosts_file.h"

#include <gtest/gtest.h>

#include <string>

#include "server/policies/file_checksum.h"

namespace sluice::server {
namespace {

policy::NameMeanings Names() {
  return {{{"mail.example.net",
            {policy::Address::IpV4(0xc0000201), policy::ParseAddress("2001:db8::1").value()}},
           {"\xffodd", {policy::Address::IpV4(0)}}},
          {{"campus", 0x80010000}}};
}

// A file with the right sum.
std::string Summed(const std::string& lines) {
  const std::string text = "sluice names, format 1\n" + lines;
  return text + "sum: " + FileSum({text}) + "\n";
}

TEST(HostsFileTest, IsReadAsItWasWritten) {
  const auto read = ParseHostsFile(FormatHostsFile(Names()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, Names());
  EXPECT_TRUE(ParseHostsFile(FormatHostsFile({})).value().empty());
}

TEST(HostsFileTest, PeopleCanReadIt) {
  policy::NameMeanings names = Names();
  names.hosts.erase("\xffodd");
  EXPECT_EQ(FormatHostsFile(names), Summed("host mail.example.net 192.0.2.1 2001:db8::1\n"
                                           "network campus 128.1.0.0\n"));
}

TEST(HostsFileTest, NoTornFileIsTaken) {
  const std::string file = FormatHostsFile(Names());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(ParseHostsFile(file.substr(0, size)).status())) << size;
  }
  EXPECT_TRUE(absl::IsDataLoss(ParseHostsFile(file + "\n").status()));
}

TEST(HostsFileTest, NoAlteredFileIsTaken) {
  const std::string file = FormatHostsFile(Names());
  for (size_t at = 0; at < file.size(); ++at) {
    for (const char byte : {'\0', '\n', ' ', '9', '\xff'}) {
      std::string altered = file;
      altered[at] = byte;
      if (altered == file) continue;
      EXPECT_TRUE(absl::IsDataLoss(ParseHostsFile(altered).status())) << at;
    }
  }
}

TEST(HostsFileTest, WhatIsNoNameIsRefusedWhateverItsSum) {
  for (const char* line :
       {"host", "host a", "host a ", "host a 192.0.2.1 ", "host a b", "network a", "network a b",
        "network a 2001:db8::", "network a 10.0.0.0 10.0.0.0", " ", "sum: 1", "gost a 10.0.0.1"}) {
    EXPECT_TRUE(absl::IsDataLoss(ParseHostsFile(Summed(line)).status())) << line;
    EXPECT_TRUE(absl::IsDataLoss(ParseHostsFile(Summed(std::string(line) + "\n")).status()))
        << line;
  }
}

}  // namespace
}  // namespace sluice::server
