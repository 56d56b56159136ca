#include "clients/cli/screen/line_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace sluice::cli {
namespace {

class LineReaderTest : public testing::Test {
 protected:
  LineReaderTest() { EXPECT_EQ(pipe(pipe_), 0); }
  ~LineReaderTest() override {
    Close();
    close(pipe_[0]);
  }
  void Write(const std::string& text) {
    EXPECT_EQ(write(pipe_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void Close() {
    if (pipe_[1] >= 0) close(pipe_[1]);
    pipe_[1] = -1;
  }
  int pipe_[2];
};

TEST_F(LineReaderTest, HandsOutLinesHoweverTheyCome) {
  LineReader reader(pipe_[0]);
  Write("one\n\ntw");
  EXPECT_EQ(reader.Next(), "one");
  EXPECT_EQ(reader.Next(), "");
  Write("o\nthree");
  EXPECT_EQ(reader.Next(), "two");
  Close();
  EXPECT_EQ(reader.Next(), "three");
  EXPECT_EQ(reader.Next(), std::nullopt);
  EXPECT_EQ(reader.Next(), std::nullopt);
}

TEST_F(LineReaderTest, StopEndsTheWaitAndWhatIsRead) {
  LineReader reader(pipe_[0]);
  std::thread stopper([&] { reader.Stop(); });
  EXPECT_EQ(reader.Next(), std::nullopt);
  stopper.join();
  Write("late\n");
  EXPECT_EQ(reader.Next(), std::nullopt);
}

}  // namespace
}  // namespace sluice::cli
