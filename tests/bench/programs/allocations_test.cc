#include "tests/bench/programs/allocations.h"

#include <gtest/gtest.h>

#include <new>

#include "tests/bench/programs/pipeline_turns.h"

namespace sluice::bench {
namespace {

TEST(Allocations, AreCounted) {
  const uint64_t before = Allocations();
  // The compiler may omit a new-expression, but not this call.
  ::operator delete(::operator new(8));
  EXPECT_EQ(Allocations(), before + 1);
}

// From the kernel's message to the batch, and from the verdict back to a message to the kernel.
TEST(Allocations, APacketOnItsWayThroughTheAgentMakesNone) {
  for (const int version : {4, 6}) {
    PipelineTurns pipeline(version);
    const uint64_t before = Allocations();
    for (int i = 0; i < 100; ++i) pipeline.Turn(20);
    EXPECT_EQ(Allocations(), before) << "IPv" << version;
    EXPECT_TRUE(pipeline.AllAccepted());
  }
}

}  // namespace
}  // namespace sluice::bench
