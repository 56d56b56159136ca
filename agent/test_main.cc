// main of the tests whose streams are polled as the agent's are.

#include <gmock/gmock.h>

#include "agent/stream_poller.h"

int main(int argc, char** argv) {
  sluice::agent::StreamPoller::Install();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
