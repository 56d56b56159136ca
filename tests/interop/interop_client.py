"""Plays the interop cases (interop.proto) with gRPC's Python library.

    interop_client.py ADDRESS [--ca FILE] [CASE...]

Needs the stubs, interop_pb2 and interop_pb2_grpc, on PYTHONPATH. Prints "passed CASE" or "failed
CASE: why" for each, and fails if one of them did. The last case stops the server.
"""

import argparse
import pathlib
import queue
import sys
import threading
import time
import traceback

import grpc

import interop_pb2
import interop_pb2_grpc

PATIENCE = 30  # No case takes nearly as long: one that does hangs.
DEADLINE = 0.2  # What a call gets that is to end by its deadline.
GRACE_MS = 2000  # The calls under way when the server stops may go on for so long.
OK = grpc.StatusCode.OK
PATTERN = bytes(range(251))


def payload(size):
    """As interop.proto says."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


def asking(size, *sizes, **fields):
    return interop_pb2.Request(payload=payload(size), sizes=sizes, **fields)


def asking_for(code, message):
    status = interop_pb2.Status(code=code.value[0], message=message)
    return interop_pb2.Request(status=status)


def expect_status(call, code):
    """`call` is one that has not ended yet, or the error of one that has."""
    assert call.code() is code, f"{call.code()}, {call.details()}"


def expect_error(code, function, *arguments, **options):
    """Returns the error of a call that fails."""
    try:
        function(*arguments, **options)
    except grpc.RpcError as error:
        expect_status(error, code)
        return error
    raise AssertionError(f"{code} was expected, but the call succeeded")


class Conversation:
    """A call of Converse."""

    def __init__(self, stub, **options):
        self._requests = queue.SimpleQueue()
        options.setdefault("timeout", PATIENCE)
        self.call = stub.Converse(iter(self._requests.get, None), **options)

    def say(self, request):
        self._requests.put(request)

    def ping_pong(self, up, down):
        self.say(asking(up, down))
        assert next(self.call).payload == payload(down)

    def end(self):
        self._requests.put(None)
        assert next(self.call, None) is None
        expect_status(self.call, OK)


class Cases:
    def __init__(self, channel):
        self._channel = channel
        self._stub = interop_pb2_grpc.InteropServiceStub(channel)
        self._unserved = interop_pb2_grpc.UnservedServiceStub(channel)

    def empty_unary(self):
        self._ping()

    def large_unary(self):
        response = self._stub.Answer(asking(271828, 314159), timeout=PATIENCE)
        assert response.payload == payload(314159)
        assert response.received == 271828

    def client_streaming(self):
        sizes = [27182, 8, 1828, 45904]
        response = self._stub.Collect(map(asking, sizes), timeout=PATIENCE)
        assert response.received == sum(sizes)

    def server_streaming(self):
        sizes = [31415, 9, 2653, 58979]
        call = self._stub.Send(asking(0, *sizes), timeout=PATIENCE)
        assert [r.payload for r in call] == [payload(size) for size in sizes]
        expect_status(call, OK)

    def ping_pong(self):
        conversation = Conversation(self._stub)
        for up, down in ((27182, 31415), (8, 9), (1828, 2653), (45904, 58979)):
            conversation.ping_pong(up, down)
        conversation.end()

    def thousand_ping_pongs(self):
        conversation = Conversation(self._stub)
        for _ in range(1000):
            conversation.ping_pong(100, 200)
        conversation.end()

    def empty_stream(self):
        Conversation(self._stub).end()

    def empty_messages(self):
        conversation = Conversation(self._stub)
        for _ in range(3):
            conversation.say(interop_pb2.Request())
            assert next(conversation.call).ByteSize() == 0
        conversation.end()
        requests = [interop_pb2.Request() for _ in range(3)]
        assert self._stub.Collect(iter(requests), timeout=PATIENCE).ByteSize() == 0

    def cancel_after_begin(self):
        ended = threading.Event()
        requests = iter(ended.wait, True)  # none, until the call has ended
        call = self._stub.Collect.future(requests, timeout=PATIENCE)
        call.cancel()
        assert call.cancelled()
        expect_status(call, grpc.StatusCode.CANCELLED)
        ended.set()

    def cancel_after_first_response(self):
        conversation = Conversation(self._stub)
        conversation.ping_pong(27182, 31415)
        conversation.call.cancel()
        expect_error(grpc.StatusCode.CANCELLED, next, conversation.call)
        conversation.say(None)

    def timeout_on_sleeping_server(self):
        # The deadline has hardly begun when it passes: wherever the call is then, it ends.
        conversation = Conversation(self._stub, timeout=0.001)
        conversation.say(asking(27182, sleep=True))
        expect_error(grpc.StatusCode.DEADLINE_EXCEEDED, next, conversation.call)
        conversation.say(None)

    def deadline_passes(self):
        self._expect_deadline(timeout=DEADLINE)

    def deadline_passes_at_the_server(self):
        # This library does not know of the deadline, so it is the server that ends the calls.
        self._expect_deadline(metadata=(("grpc-timeout", f"{DEADLINE * 1000:.0f}m"),))

    def status_code_and_message(self):
        self._expect_status_back(grpc.StatusCode.UNKNOWN, "nothing is known of it")

    def special_status_message(self):
        self._expect_status_back(
            grpc.StatusCode.UNKNOWN, '\tTür 7:\r\n 日本語, 🚪 und 100 %41 "\\\r\n\t'
        )

    def custom_metadata(self):
        # The seam has no way to read or send metadata, so the server echoes none; what is tried is
        # that it takes them.
        metadata = (
            ("x-sluice-text", "a value, with spaces; and = signs"),
            ("x-sluice-text", "a second one"),
            ("x-sluice-long", "x" * 4096),
            ("x-sluice-bytes-bin", bytes(range(256))),
        )
        response = self._stub.Answer(asking(1, 9), timeout=PATIENCE, metadata=metadata)
        assert response.payload == payload(9)
        conversation = Conversation(self._stub, metadata=metadata)
        conversation.ping_pong(1, 9)
        conversation.end()

    def unimplemented_method(self):
        request = interop_pb2.PingRequest()
        expect_error(
            grpc.StatusCode.UNIMPLEMENTED, self._stub.Unserved, request, timeout=PATIENCE
        )

    def unimplemented_service(self):
        request = interop_pb2.PingRequest()
        expect_error(
            grpc.StatusCode.UNIMPLEMENTED, self._unserved.Ping, request, timeout=PATIENCE
        )

    def slow_reader(self):
        size = 256 << 10
        whole = payload(size)
        call = self._stub.Send(asking(0, *[size] * 64), timeout=PATIENCE)
        for _ in range(64):
            time.sleep(0.01)
            assert next(call).payload == whole
        assert next(call, None) is None
        expect_status(call, OK)

    def every_call_ends(self):
        """The server has forgotten every call of the cases before."""
        end = time.monotonic() + PATIENCE
        while True:
            counts = self._stub.CountCalls(interop_pb2.CountCallsRequest(), timeout=PATIENCE)
            if counts.begun == counts.ended:
                return
            assert time.monotonic() < end, counts

    def server_stops(self):
        """A call that is under way goes on until its end. One that has none is broken off."""
        parted = threading.Event()
        self._channel.subscribe(
            lambda state: state is not grpc.ChannelConnectivity.READY and parted.set()
        )
        ending, endless = Conversation(self._stub), Conversation(self._stub)
        ending.ping_pong(8, 9)
        endless.ping_pong(8, 9)
        parted.clear()
        self._stub.Stop(interop_pb2.StopRequest(grace_ms=GRACE_MS), timeout=PATIENCE)
        assert parted.wait(PATIENCE), "GOAWAY did not have the channel part with its connection"
        for _ in range(10):
            ending.ping_pong(27182, 31415)
        expect_error(grpc.StatusCode.UNAVAILABLE, self._ping)
        ending.end()
        expect_error(grpc.StatusCode.UNAVAILABLE, next, endless.call)
        endless.say(None)

    def _ping(self):
        response = self._stub.Ping(interop_pb2.PingRequest(), timeout=PATIENCE)
        assert response.ByteSize() == 0

    def _expect_deadline(self, **options):
        """It passes before a response, after one, and while requests are still to come."""
        passed = grpc.StatusCode.DEADLINE_EXCEEDED
        expect_error(passed, self._stub.Answer, asking(1, sleep=True), **options)
        call = self._stub.Send(asking(1, 9, sleep=True), **options)
        assert next(call).payload == payload(9)
        expect_error(passed, next, call)
        requests = queue.SimpleQueue()
        requests.put(asking(1))
        expect_error(passed, self._stub.Collect, iter(requests.get, None), **options)
        requests.put(None)

    def _expect_status_back(self, code, message):
        """The status comes back as it was asked for, alone and after a message."""
        request = asking_for(code, message)
        error = expect_error(code, self._stub.Answer, request, timeout=PATIENCE)
        assert error.details() == message, repr(error.details())
        conversation = Conversation(self._stub)
        conversation.ping_pong(8, 9)
        conversation.say(request)
        error = expect_error(code, next, conversation.call)
        assert error.details() == message, repr(error.details())
        conversation.say(None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address", help="ADDRESS:PORT or unix:/PATH")
    parser.add_argument("cases", nargs="*", help="cases to play, instead of all")
    parser.add_argument("--ca", help="PEM file: call with TLS, and trust these certificates")
    flags = parser.parse_args()
    if flags.ca:
        credentials = grpc.ssl_channel_credentials(pathlib.Path(flags.ca).read_bytes())
        channel = grpc.secure_channel(flags.address, credentials)
    else:
        channel = grpc.insecure_channel(flags.address)
    cases = Cases(channel)
    failed = False
    for name in flags.cases or [name for name in vars(Cases) if not name.startswith("_")]:
        try:
            getattr(cases, name)()
            print("passed", name, flush=True)
        except Exception as error:  # whatever it is, the next case is played
            line = traceback.extract_tb(error.__traceback__)[-1].lineno
            why = " ".join(repr(error).split())
            print(f"failed {name}: line {line}: {why}", flush=True)
            failed = True
    channel.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
