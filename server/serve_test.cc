// CommandService and the commands that ControlService sends through it.

#include <future>

#include "server/server_fixture.h"
#include "sluice/v1/status.pb.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;

class ServeTest : public ServerFixture {
 protected:
  // The server's next command to the agent.
  static v1::Command NextCommand(ServeClient* stream) {
    v1::ServeResponse response;
    EXPECT_TRUE(stream->Read(&response));
    EXPECT_TRUE(response.has_command()) << response.ShortDebugString();
    return response.command();
  }

  static void Reply(ServeClient* stream, const v1::Command& command, v1::CommandReply reply) {
    v1::ServeRequest request;
    reply.set_id(command.id());
    reply.set_last(true);
    *request.mutable_reply() = std::move(reply);
    EXPECT_TRUE(stream->Write(request));
  }

  // SetMode, on a thread of its own.
  std::future<grpc::Status> SetMode(const std::string& gateway, v1::Mode mode,
                                    v1::SetModeResponse* response) {
    return std::async(std::launch::async, [this, gateway, mode, response] {
      v1::SetModeRequest request;
      request.set_gateway(gateway);
      request.set_mode(mode);
      return Control()->SetMode(Context().get(), request, response);
    });
  }
};

TEST_F(ServeTest, SetsTheModeAndReturnsTheOneBefore) {
  Start();
  auto stream = Serve("gw");
  v1::SetModeResponse response;
  auto result = SetMode("gw", v1::MODE_OFF, &response);
  const v1::Command command = NextCommand(stream.get());
  EXPECT_EQ(command.set_mode().mode(), v1::MODE_OFF);
  EXPECT_FALSE(command.set_mode().has_confirm_within());
  v1::CommandReply reply;
  reply.mutable_set_mode()->set_previous(v1::MODE_ON);
  reply.mutable_set_mode()->set_current(v1::MODE_OFF);
  Reply(stream.get(), command, reply);
  EXPECT_TRUE(result.get().ok());
  EXPECT_EQ(response.previous(), v1::MODE_ON);
  EXPECT_EQ(response.current(), v1::MODE_OFF);
  v1::ListGatewaysResponse list;
  ASSERT_TRUE(Control()->ListGateways(Context().get(), {}, &list).ok());
  EXPECT_EQ(list.gateways(0).mode(), v1::MODE_OFF);
  EXPECT_TRUE(list.gateways(0).connected());
  EXPECT_EQ(list.gateways(0).address(), "unix");
}

TEST_F(ServeTest, PassesOnWhenTheModeReverts) {
  Start();
  auto stream = Serve("gw");
  v1::SetModeResponse response;
  auto result = std::async(std::launch::async, [&] {
    v1::SetModeRequest request;
    request.set_gateway("gw");
    request.set_mode(v1::MODE_ON);
    request.mutable_confirm_within()->set_seconds(60);
    return Control()->SetMode(Context().get(), request, &response);
  });
  const v1::Command command = NextCommand(stream.get());
  EXPECT_EQ(command.set_mode().confirm_within().seconds(), 60);
  v1::CommandReply reply;
  reply.mutable_set_mode()->set_current(v1::MODE_ON);
  reply.mutable_set_mode()->mutable_reverts_in()->set_seconds(59);
  Reply(stream.get(), command, reply);
  EXPECT_TRUE(result.get().ok());
  EXPECT_EQ(response.reverts_in().seconds(), 59);
}

TEST_F(ServeTest, AnswersCommandsInAnyOrder) {
  Start();
  auto stream = Serve("gw");
  v1::SetModeResponse first_response;
  v1::SetModeResponse second_response;
  auto first = SetMode("gw", v1::MODE_OFF, &first_response);
  const v1::Command first_command = NextCommand(stream.get());
  auto second = SetMode("gw", v1::MODE_ON, &second_response);
  const v1::Command second_command = NextCommand(stream.get());
  EXPECT_NE(first_command.id(), second_command.id());
  v1::CommandReply reply;
  reply.mutable_set_mode()->set_current(v1::MODE_ON);
  Reply(stream.get(), second_command, reply);
  EXPECT_TRUE(second.get().ok());
  EXPECT_EQ(second_response.current(), v1::MODE_ON);
  reply.mutable_set_mode()->set_current(v1::MODE_OFF);
  Reply(stream.get(), first_command, reply);
  EXPECT_TRUE(first.get().ok());
  EXPECT_EQ(first_response.current(), v1::MODE_OFF);
  // Replies that come twice or to no command are ignored.
  Reply(stream.get(), first_command, reply);
  v1::Command never;
  never.set_id(999);
  Reply(stream.get(), never, reply);
}

TEST_F(ServeTest, PassesOnTheGatewaysError) {
  Start();
  auto stream = Serve("gw");
  v1::SetModeResponse response;
  auto result = SetMode("gw", v1::MODE_ON, &response);
  v1::CommandReply reply;
  reply.mutable_error()->set_code(StatusCode::PERMISSION_DENIED);
  reply.mutable_error()->set_message("the kernel refused");
  reply.mutable_error()->mutable_system()->set_number(1);
  reply.mutable_error()->mutable_system()->set_name("EPERM");
  Reply(stream.get(), NextCommand(stream.get()), reply);
  const grpc::Status status = result.get();
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(status.error_message(), "the kernel refused");
  v1::StatusDetails details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(details.message(), "the kernel refused");
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/sluice.v1.SystemError");
  v1::SystemError system;
  ASSERT_TRUE(system.ParseFromString(details.details(0).value()));
  EXPECT_EQ(system.name(), "EPERM");

  // An error with the code of success, and a reply of the wrong kind.
  result = SetMode("gw", v1::MODE_ON, &response);
  reply.mutable_error()->set_code(0);
  Reply(stream.get(), NextCommand(stream.get()), reply);
  EXPECT_EQ(result.get().error_code(), StatusCode::UNKNOWN);
  result = SetMode("gw", v1::MODE_ON, &response);
  reply.mutable_stats();
  Reply(stream.get(), NextCommand(stream.get()), reply);
  EXPECT_EQ(result.get().error_code(), StatusCode::INTERNAL);
}

TEST_F(ServeTest, FailsWhereTheGatewayIsNotThere) {
  Start();
  v1::SetModeResponse response;
  EXPECT_EQ(SetMode("nowhere", v1::MODE_ON, &response).get().error_code(), StatusCode::NOT_FOUND);
  auto decide = Decide("gw");
  EXPECT_EQ(SetMode("gw", v1::MODE_ON, &response).get().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(SetMode("gw", static_cast<v1::Mode>(9), &response).get().error_code(),
            StatusCode::INVALID_ARGUMENT);
  // The connection breaks while the command is under way.
  auto stream = Serve("gw");
  auto result = SetMode("gw", v1::MODE_ON, &response);
  NextCommand(stream.get());
  stream->Cancel();
  EXPECT_EQ(result.get().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(ServeTest, FailsWhereTheGatewayDoesNotAnswer) {
  ServerOptions options;
  options.command_timeout = std::chrono::milliseconds(100);
  Start(options);
  auto stream = Serve("gw");
  v1::SetModeResponse response;
  EXPECT_EQ(SetMode("gw", v1::MODE_ON, &response).get().error_code(),
            StatusCode::DEADLINE_EXCEEDED);
  // A late reply is not taken for that to the next command.
  v1::CommandReply reply;
  reply.mutable_set_mode();
  Reply(stream.get(), NextCommand(stream.get()), reply);
  EXPECT_EQ(SetMode("gw", v1::MODE_ON, &response).get().error_code(),
            StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(ServeTest, ANewerAgentTakesTheName) {
  Start();
  auto old_stream = Serve("gw", 1);
  auto new_stream = Serve("gw", 2);
  EXPECT_EQ(old_stream->Finish().error_code(), StatusCode::ABORTED);
  auto again = OpenServe();
  again->Write(ServeHello("gw", 1));
  v1::ServeResponse welcome;
  EXPECT_FALSE(again->Read(&welcome)) << "refused, and welcomed before: " << welcome.DebugString();
  EXPECT_EQ(again->Finish().error_code(), StatusCode::ABORTED);
  v1::SetModeResponse response;
  auto result = SetMode("gw", v1::MODE_UNSPECIFIED, &response);
  v1::CommandReply reply;
  reply.mutable_set_mode()->set_current(v1::MODE_SHADOW);
  Reply(new_stream.get(), NextCommand(new_stream.get()), reply);
  EXPECT_TRUE(result.get().ok());
}

TEST_F(ServeTest, EndsABrokenConversation) {
  Start();
  v1::ServeRequest reply;
  reply.mutable_reply()->set_id(1);
  const std::vector<std::vector<v1::ServeRequest>> kBroken = {
      {reply}, {v1::ServeRequest()}, {ServeHello("gw"), ServeHello("gw")}, {ServeHello("")}};
  for (const auto& requests : kBroken) {
    auto stream = OpenServe();
    for (const auto& request : requests) stream->Write(request);
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::INVALID_ARGUMENT);
  }
  auto mute = OpenServe(/*beats=*/false);
  EXPECT_EQ(mute->Finish().error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(ServeTest, WatchesCounters) {
  Start();
  auto stream = Serve("gw");
  v1::WatchStatsRequest request;
  request.set_gateway("gw");
  request.mutable_interval()->set_nanos(1);
  auto context = Context();
  const auto control = Control();
  auto watch = control->WatchStats(context.get(), request);
  for (uint64_t asked = 1; asked <= 3; ++asked) {
    const v1::Command command = NextCommand(stream.get());
    ASSERT_TRUE(command.has_get_stats());
    v1::CommandReply reply;
    reply.mutable_stats()->set_asked(asked);
    Reply(stream.get(), command, reply);
    v1::WatchStatsResponse response;
    ASSERT_TRUE(watch->Read(&response));
    EXPECT_EQ(response.stats().asked(), asked);
  }
  // The call is cancelled while a command is under way.
  const v1::Command command = NextCommand(stream.get());
  context->TryCancel();
  EXPECT_EQ(watch->Finish().error_code(), StatusCode::CANCELLED);
  Reply(stream.get(), command, {});

  // The call ends when the gateway goes away.
  auto second_context = Context();
  auto second = control->WatchStats(second_context.get(), request);
  NextCommand(stream.get());
  stream->Cancel();
  EXPECT_EQ(second->Finish().error_code(), StatusCode::UNAVAILABLE);
  request.set_gateway("nowhere");
  auto third_context = Context();
  EXPECT_EQ(control->WatchStats(third_context.get(), request)->Finish().error_code(),
            StatusCode::NOT_FOUND);
}

TEST_F(ServeTest, LetsAListGoOnAsItsPartsCome) {
  Start();
  auto stream = Serve("gw");
  v1::ListRememberedRequest request;
  request.set_gateway("gw");
  auto context = Context();
  const auto control = Control();
  auto list = control->ListRemembered(context.get(), request);
  const v1::Command command = NextCommand(stream.get());
  uint32_t credit = command.list_remembered().credit();
  ASSERT_GT(credit, 0u);
  constexpr uint32_t kParts = 20;
  for (uint32_t sent = 1; sent <= kParts; ++sent) {
    while (credit == 0) {
      v1::ServeResponse response;
      ASSERT_TRUE(stream->Read(&response));
      ASSERT_EQ(response.credit().id(), command.id()) << response.ShortDebugString();
      credit += response.credit().replies();
    }
    --credit;
    v1::ServeRequest part;
    part.mutable_reply()->set_id(command.id());
    part.mutable_reply()->mutable_remembered()->add_verdicts()->set_protocol(sent);
    part.mutable_reply()->set_last(sent == kParts);
    ASSERT_TRUE(stream->Write(part));
  }
  uint32_t listed = 0;
  v1::ListRememberedResponse response;
  while (list->Read(&response)) listed += static_cast<uint32_t>(response.verdicts_size());
  EXPECT_TRUE(list->Finish().ok());
  EXPECT_EQ(listed, kParts);
}

TEST_F(ServeTest, AListTakesNoMoreRoomThanTheGatewaysShareAndGivesItBack) {
  Start();
  auto stream = Serve("gw");
  v1::ListRememberedRequest request;
  request.set_gateway("gw");
  const auto control = Control();
  v1::ServeRequest part;
  part.mutable_reply()->mutable_remembered()->add_verdicts()->set_input_interface(
      std::string(3 << 20, 'x'));
  for (int round = 0; round < 2; ++round) {
    auto context = Context();
    auto list = control->ListRemembered(context.get(), request);
    v1::ServeResponse command;
    do {
      ASSERT_TRUE(stream->Read(&command));
    } while (command.has_credit());  // For the list before.
    part.mutable_reply()->set_id(command.command().id());
    for (int i = 0; i < 64 / 3 + 1; ++i) ASSERT_TRUE(stream->Write(part));
    v1::ListRememberedResponse response;
    EXPECT_FALSE(list->Read(&response));
    const grpc::Status status = list->Finish();
    EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_NE(status.error_message().find("64 MiB"), std::string::npos) << status.error_message();
  }
}

TEST_F(ServeTest, StoppingFailsWhatIsUnderWay) {
  Start();
  auto stream = Serve("gw");
  v1::SetModeResponse response;
  auto result = SetMode("gw", v1::MODE_ON, &response);
  NextCommand(stream.get());
  server_->Stop(std::chrono::seconds(5));
  EXPECT_EQ(result.get().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace sluice::server
