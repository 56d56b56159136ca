// main of the tests whose streams are polled as in the agent.

#include <gmock/gmock.h>

#include "agent/streams/stream_poller.h"

int main(int argc, char** argv) {
  sluice::agent::StreamPoller::Install();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
