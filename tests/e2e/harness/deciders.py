"""Deciders in the test's own process, on Unix sockets, that answer whatever a test wants.

A Decider also serves the agent's Report and Serve streams, so that a test can read counters and
set the mode without a sluice-server.
"""

import concurrent.futures
import itertools
import queue
import threading
import time

import grpc

from sluice.v1 import (
    command_pb2,
    command_pb2_grpc,
    decision_pb2,
    decision_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
)

ACCEPT, DROP = decision_pb2.ACTION_ACCEPT, decision_pb2.ACTION_DROP


def verdict(packet, action=ACCEPT, **fields):
    return decision_pb2.Verdict(
        transaction_id=packet.transaction_id, action=action, **{"reason": "test", **fields}
    )


def accept_all(_stream, packet):
    return [verdict(packet)]


def drop_all(_stream, packet):
    return [verdict(packet, DROP)]


def mute(_stream, _packet):
    return []


def accept_carrying(*tokens):
    """A script that accepts packets which carry one of these, and drops the rest."""
    return lambda _stream, packet: [
        verdict(packet, ACCEPT if any(t in packet.payload for t in tokens) else DROP)
    ]


class Stream:
    """One Decide stream: what the agent sent, and a way to answer at any time."""

    def __init__(self):
        self.hello = None
        self.packets = []
        self.batches = []
        self.errors = []
        self.received_batch = 0
        self.outgoing = queue.SimpleQueue()

    def send(self, **message):
        self.outgoing.put(decision_pb2.DecideResponse(**message))

    def answer(self, *verdicts):
        self.send(
            verdicts=decision_pb2.VerdictBatch(
                received_batch=self.received_batch, verdicts=verdicts
            )
        )

    def retune(self, policy_version="", **packet_options):
        tuning = decision_pb2.Retune(
            packet_options=decision_pb2.PacketOptions(**packet_options),
            policy_token=policy_version.encode(),
            policy_label=policy_version,
        )
        self.send(retune=tuning)


class Decider:
    """Answers each packet with the verdicts script(stream, packet) returns.

    `first` is sent in place of the welcome. `packet_options` and `policy_version` go into the
    welcome.
    """

    def __init__(
        self,
        path,
        script=accept_all,
        packet_options=None,
        services=("decide", "report", "serve"),
        first=None,
        policy_version="",
    ):
        self.address = f"unix:{path}"
        self.script = script
        self.heartbeats = True  # echo them
        self.silent = False  # neither acknowledge nor answer packets
        self.streams = []
        self.events = []
        self._packet_options = decision_pb2.PacketOptions(**(packet_options or {}))
        self.policy_version = policy_version
        self._first = first
        self._changed = threading.Condition()
        self._commands, self._parts = {}, {}
        self._serving = None
        self._ids = itertools.count(1)
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(32))
        if "decide" in services:
            decision_pb2_grpc.add_DecisionServiceServicer_to_server(self, self._server)
        if "report" in services:
            event_pb2_grpc.add_EventServiceServicer_to_server(self, self._server)
        if "serve" in services:
            command_pb2_grpc.add_CommandServiceServicer_to_server(self, self._server)
        assert self._server.add_insecure_port(self.address)
        self._server.start()
        path.chmod(0o666)

    def stop(self):
        """Ends every stream, as when a decider is killed."""
        self._server.stop(0).wait()

    # What agents call.

    def Decide(self, requests, context):
        stream = Stream()
        context.add_callback(lambda: stream.outgoing.put(None))
        threading.Thread(target=self._hear, args=(requests, stream), daemon=True).start()
        return iter(stream.outgoing.get, None)

    def _hear(self, requests, stream):
        try:
            for request in requests:
                self._take(stream, request)
        except grpc.RpcError:
            pass  # the stream ended
        stream.outgoing.put(None)

    def _take(self, stream, request):
        kind = request.WhichOneof("message")
        if kind == "hello":
            stream.hello = request.hello
            welcome = decision_pb2.DecideWelcome(
                packet_options=self._packet_options,
                policy_token=self.policy_version.encode(),
                policy_label=self.policy_version,
            )
            stream.outgoing.put(self._first or decision_pb2.DecideResponse(welcome=welcome))
        elif kind == "heartbeat" and self.heartbeats:
            stream.send(heartbeat=request.heartbeat)
        elif kind == "packets":
            stream.received_batch = request.packets.batch
            stream.batches.append(request.packets)
            stream.packets.extend(request.packets.packets)
            if not self.silent:
                stream.answer(*(v for p in request.packets.packets for v in self.script(stream, p)))
        elif kind == "errors":
            stream.errors.extend(request.errors.entries)
        with self._changed:
            if kind == "hello":
                self.streams.append(stream)
            self._changed.notify_all()

    def Report(self, requests, _context):
        for request in requests:
            kind = request.WhichOneof("message")
            if kind == "hello":
                yield event_pb2.ReportResponse(welcome=event_pb2.ReportWelcome())
            elif kind == "heartbeat":
                yield event_pb2.ReportResponse(heartbeat=request.heartbeat)
            elif kind == "events":
                with self._changed:
                    self.events.extend(request.events.events)
                    self._changed.notify_all()
                yield event_pb2.ReportResponse(ack=event_pb2.EventAck(batch=request.events.batch))

    def Serve(self, requests, context):
        outgoing = queue.SimpleQueue()
        context.add_callback(lambda: outgoing.put(None))
        threading.Thread(target=self._serve, args=(requests, outgoing), daemon=True).start()
        return iter(outgoing.get, None)

    def _serve(self, requests, outgoing):
        try:
            for request in requests:
                kind = request.WhichOneof("message")
                if kind == "heartbeat":
                    outgoing.put(command_pb2.ServeResponse(heartbeat=request.heartbeat))
                    continue
                with self._changed:
                    if kind == "hello":
                        outgoing.put(
                            command_pb2.ServeResponse(welcome=command_pb2.ServeWelcome())
                        )
                        self._serving = outgoing
                    else:
                        self._take_reply(request.reply)
                    self._changed.notify_all()
        except grpc.RpcError:
            pass  # the stream ended
        with self._changed:
            if self._serving is outgoing:
                self._serving = None
            self._changed.notify_all()
        outgoing.put(None)

    def _take_reply(self, part):
        """Puts a reply together that comes in several parts."""
        whole = self._parts.setdefault(part.id, command_pb2.CommandReply())
        whole.MergeFrom(part)
        if part.last:
            self._commands[part.id] = self._parts.pop(part.id)

    # What tests call.

    def wait(self, wanted, timeout=5, what="it"):
        """Waits until wanted() is true, checked after each message; returns its result."""
        end = time.monotonic() + timeout
        with self._changed:
            while not (result := wanted()):
                left = end - time.monotonic()
                assert left > 0, f"the decider did not see {what} within {timeout} s"
                self._changed.wait(left)
        return result

    def wait_for_streams(self, count=1, timeout=10):
        return self.wait(
            lambda: len(self.streams) >= count and self.streams, timeout, f"{count} Decide streams"
        )

    @property
    def stream(self):
        """The latest Decide stream."""
        return self.wait_for_streams()[-1]

    @property
    def packets(self):
        """The packets of all streams, one stream after the other."""
        return [p for stream in self.streams for p in stream.packets]

    def wait_for_packets(self, count, timeout=5):
        self.wait(lambda: len(self.packets) >= count, timeout, f"{count} packets")
        return self.packets

    def command(self, timeout=5, **command):
        """Sends a command to the agent; returns the reply."""
        self.wait(lambda: self._serving, 10, "a Serve stream")
        number = next(self._ids)
        with self._changed:
            self._serving.put(
                command_pb2.ServeResponse(command=command_pb2.Command(id=number, **command))
            )
        return self.wait(lambda: self._commands.pop(number, None), timeout, f"a reply to {command}")

    def stats(self):
        return self.command(get_stats=command_pb2.GetStatsCommand()).stats

    def remembered(self, limit=0):
        """The verdicts that the agent's kernel remembers."""
        listed = self.command(list_remembered=command_pb2.ListRememberedCommand(limit=limit))
        return list(listed.remembered.verdicts)

    def forget_remembered(self):
        """Makes the agent forget its remembered verdicts; returns how many there were."""
        forgotten = self.command(forget_remembered=command_pb2.ForgetRememberedCommand())
        return forgotten.forget_remembered.forgotten

    def set_mode(self, mode, **fields):
        return self.command(set_mode=command_pb2.SetModeCommand(mode=mode, **fields)).set_mode


class RawDecider:
    """Serves only Decide, by decide(requests, context), whose messages are bytes."""

    def __init__(self, path, decide):
        self.address = f"unix:{path}"
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        handlers = {"Decide": grpc.stream_stream_rpc_method_handler(decide)}
        service = grpc.method_handlers_generic_handler("sluice.v1.DecisionService", handlers)
        self._server.add_generic_rpc_handlers((service,))
        assert self._server.add_insecure_port(self.address)
        self._server.start()
        path.chmod(0o666)

    def close(self):
        self._server.stop(0).wait()
