#include "tests/bench/allocations.h"

#include <gtest/gtest.h>

#include <new>

#include "tests/bench/pipeline_turns.h"

namespace sluice::bench {
namespace {

TEST(Allocations, AreCounted) {
  const uint64_t before = Allocations();
  // A new-expression might be left out by the compiler, this call may not.
  ::operator delete(::operator new(8));
  EXPECT_EQ(Allocations(), before + 1);
}

// From the kernel's message to the batch, and from the verdict to the kernel's again.
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
