#include "server/policy/terms/bpf_program.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::server::policy {
namespace {

constexpr BpfAnswer kNo = BpfAnswer::kNoMatch;
constexpr BpfAnswer kYes = BpfAnswer::kMatch;
constexpr BpfAnswer kPerhaps = BpfAnswer::kNotKnown;

constexpr BpfInstruction kAccept{0x06, 0, 0, 1};
constexpr BpfInstruction kReturnA{0x16, 0, 0, 0};

BpfAnswer Answer(const std::vector<BpfInstruction>& instructions,
                 const std::vector<uint8_t>& copied = {}, size_t length = 0) {
  const absl::StatusOr<BpfProgram> program = BpfProgram::Create(instructions);
  EXPECT_TRUE(program.ok()) << program.status();
  return program.ok() ? program->Run({copied, length}) : kPerhaps;
}

TEST(BpfProgramTest, LoadsWithinTheCopyAreRead) {
  const std::vector<uint8_t> bytes = {0x45, 1, 2, 3, 4};
  // ld [k]; jeq what ? accept : reject
  const auto loads = [&](uint16_t code, uint32_t k, uint32_t what) {
    return Answer({{code, 0, 0, k}, {0x15, 0, 1, what}, kAccept, {0x06, 0, 0, 0}}, bytes, 5);
  };
  EXPECT_EQ(loads(0x20, 1, 0x01020304), kYes);
  EXPECT_EQ(loads(0x28, 1, 0x0102), kYes);
  EXPECT_EQ(loads(0x30, 4, 4), kYes);
  EXPECT_EQ(loads(0x80, 0, 5), kYes);  // len
  EXPECT_EQ(loads(0x00, 7, 7), kYes);  // a constant
  EXPECT_EQ(loads(0x30, 4, 5), kNo);
}

TEST(BpfProgramTest, ALoadBeyondTheCopyIsNotKnownAndOneBeyondThePacketNoMatch) {
  const std::vector<uint8_t> copied = {1, 1, 1, 1};
  struct Case {
    uint16_t code;
    uint32_t offset;
    size_t length;
    BpfAnswer answer;
  };
  for (const Case& c : std::vector<Case>{{0x20, 0, 8, kYes},
                                         {0x20, 1, 8, kPerhaps},
                                         {0x20, 4, 8, kPerhaps},
                                         {0x20, 5, 8, kNo},
                                         {0x28, 3, 4, kNo},
                                         {0x28, 3, 5, kPerhaps},
                                         {0x30, 3, 4, kYes},
                                         {0x30, 4, 4, kNo},
                                         {0x30, 0x7fffffff, 4, kNo},
                                         // The length is not known, or cannot be.
                                         {0x30, 4, 0, kPerhaps},
                                         {0x30, 3, 2, kYes},
                                         {0x30, 4, 2, kNo}}) {
    EXPECT_EQ(Answer({{c.code, 0, 0, c.offset}, kReturnA}, copied, c.length), c.answer)
        << c.code << " at " << c.offset << " of " << c.length;
    // The same with X.
    const auto indirect = static_cast<uint16_t>((c.code & 0x18) | 0x40);
    EXPECT_EQ(Answer({{0x01, 0, 0, c.offset}, {indirect, 0, 0, 0}, kReturnA}, copied, c.length),
              c.answer);
  }
  // X and k together do not fit into 32 bits.
  EXPECT_EQ(Answer({{0x01, 0, 0, 0xffffffff}, {0x50, 0, 0, 1}, kReturnA}, copied, 4), kNo);
  EXPECT_EQ(Answer({{0xb1, 0, 0, 4}, kAccept}, copied, 8), kPerhaps);
  EXPECT_EQ(Answer({{0xb1, 0, 0, 4}, kAccept}, copied, 4), kNo);
  EXPECT_EQ(Answer({{0x80, 0, 0, 0}, kReturnA}, copied, 0), kPerhaps);
}

TEST(BpfProgramTest, Arithmetic) {
  struct Case {
    uint16_t code;
    uint32_t a, b, result;
  };
  for (const Case& c : std::vector<Case>{
           {0x04, 0xffffffff, 2, 1},
           {0x14, 1, 2, 0xffffffff},
           {0x24, 0x10000, 0x10001, 0x10000},
           {0x34, 7, 2, 3},
           {0x94, 7, 4, 3},
           {0x44, 5, 2, 7},
           {0x54, 7, 10, 2},
           {0xa4, 7, 2, 5},
           {0x64, 1, 31, 0x80000000},

           {0x74, 0x80000000, 31, 1},
       }) {
    // With a constant, and with X, which gets its value through memory.
    EXPECT_EQ(Answer({{0x00, 0, 0, c.a},
                      {c.code, 0, 0, c.b},
                      {0x15, 0, 1, c.result},
                      kAccept,
                      {0x06, 0, 0, 0}}),
              kYes)
        << c.code;
    EXPECT_EQ(Answer({{0x00, 0, 0, c.b},
                      {0x02, 0, 0, 15},
                      {0x61, 0, 0, 15},
                      {0x00, 0, 0, c.a},
                      {static_cast<uint16_t>(c.code | 8), 0, 0, 0},
                      {0x15, 0, 1, c.result},
                      kAccept,
                      {0x06, 0, 0, 0}}),
              kYes)
        << c.code;
  }
  EXPECT_EQ(
      Answer(
          {{0x00, 0, 0, 5}, {0x84, 0, 0, 0}, {0x15, 0, 1, 0xfffffffb}, kAccept, {0x06, 0, 0, 0}}),
      kYes);
  EXPECT_EQ(Answer({{0x01, 0, 0, 32}, {0x00, 0, 0, 1}, {0x6c, 0, 0, 0}, kReturnA}), kNo);
  EXPECT_EQ(Answer({{0x01, 0, 0, 40}, {0x00, 0, 0, 1}, {0x7c, 0, 0, 0}, kReturnA}), kNo);
  EXPECT_EQ(Answer({{0x00, 0, 0, 5}, {0x3c, 0, 0, 0}, kAccept}), kNo);  // 5 / X, which is 0
  EXPECT_EQ(Answer({{0x00, 0, 0, 5}, {0x9c, 0, 0, 0}, kAccept}), kNo);
}

TEST(BpfProgramTest, JumpsTransfersAndStores) {
  // X from A, stored, loaded, back to A.
  EXPECT_EQ(Answer({{0x00, 0, 0, 3},
                    {0x07, 0, 0, 0},
                    {0x03, 0, 0, 0},
                    {0x00, 0, 0, 0},
                    {0x61, 0, 0, 0},
                    {0x87, 0, 0, 0},
                    kReturnA}),
            kYes);
  struct Case {
    uint16_t code;
    uint32_t a, b;
    bool holds;
  };
  for (const Case& c : std::vector<Case>{{0x15, 2, 2, true},
                                         {0x15, 2, 3, false},
                                         {0x25, 3, 2, true},
                                         {0x25, 2, 2, false},
                                         {0x35, 2, 2, true},
                                         {0x35, 1, 2, false},
                                         {0x45, 6, 2, true},
                                         {0x45, 4, 2, false}}) {
    EXPECT_EQ(Answer({{0x00, 0, 0, c.a}, {c.code, 1, 0, c.b}, {0x06, 0, 0, 0}, kAccept}),
              c.holds ? kYes : kNo)
        << c.code;
    EXPECT_EQ(Answer({{0x00, 0, 0, c.b},
                      {0x07, 0, 0, 0},
                      {0x00, 0, 0, c.a},
                      {static_cast<uint16_t>(c.code | 8), 1, 0, 0},
                      {0x06, 0, 0, 0},
                      kAccept}),
              c.holds ? kYes : kNo);
  }
  EXPECT_EQ(Answer({{0x05, 0, 0, 1}, {0x06, 0, 0, 0}, kAccept}), kYes);
}

TEST(BpfProgramTest, ProgramsThatCouldDoHarmAreRefused) {
  const std::vector<std::vector<BpfInstruction>> programs = {
      {},
      std::vector<BpfInstruction>(BpfProgram::kMostInstructions + 1, kAccept),
      {{0x00, 0, 0, 1}},                    // does not return
      {{0x05, 0, 0, 1}, kAccept},           // past the end
      {{0x05, 0, 0, 0xffffffff}, kAccept},  // back to itself
      {{0x05, 0, 0, 0xfffffffe}, kAccept},  // further back
      {{0x15, 1, 0, 0}, kAccept},           // past the end if true
      {{0x15, 0, 1, 0}, kAccept},           // past the end if false
      {kAccept, {0x15, 0, 0, 0}},           // the same, at the end
      {{0x60, 0, 0, 16}, kAccept},          // memory that does not exist
      {{0x61, 0, 0, 16}, kAccept},
      {{0x02, 0, 0, 16}, kAccept},
      {{0x03, 0, 0, 0xffffffff}, kAccept},
      {{0x34, 0, 0, 0}, kAccept},  // division by zero
      {{0x94, 0, 0, 0}, kAccept},
      {{0x64, 0, 0, 32}, kAccept},  // a shift out of the word
      {{0x74, 0, 0, 32}, kAccept},
      {{0x30, 0, 0, 0xfffff004}, kAccept},  // the kernel's packet type
      {{0x38, 0, 0, 0}, kAccept},           // a load of 8 bytes
      {{0x21, 0, 0, 0}, kAccept},           // X from the packet
      {{0xa0, 0, 0, 0}, kAccept},
      {{0xb4, 0, 0, 0}, kAccept},
      {{0x55, 0, 0, 0}, kAccept},
      {{0x0e, 0, 0, 0}, kAccept},
      {{0x0f, 0, 0, 0}, kAccept},
      {{0x0100, 0, 0, 0}, kAccept},
      {{0xffff, 0, 0, 0}, kAccept},
  };
  for (const auto& program : programs) {
    const auto created = BpfProgram::Create(program);
    EXPECT_EQ(created.status().code(), absl::StatusCode::kInvalidArgument)
        << (program.empty() ? 0 : program.front().code);
  }
}

}  // namespace
}  // namespace sluice::server::policy
