"""A kit for deciders: read packets and answer them; the kit talks to the agents.

    with Decider("0.0.0.0:7654") as decider:
        for packet in decider:
            if packet.headers.cut_short or packet.headers.destination_port == 23:
                packet.drop("telnet is not allowed", notify="tcp-reset")
            else:
                packet.accept("ok")

Any thread may read packets and answer them. The kit uses two threads for each queue of an agent.
"""

import collections
import concurrent.futures
import logging
import threading
import time

import grpc
from google.protobuf.duration_pb2 import Duration

from sluice.v1 import decision_pb2 as pb, decision_pb2_grpc

_log = logging.getLogger(__name__)
_MOST_STREAMS = 256
_MOST_UNREAD = 65536  # packets; beyond that the oldest are discarded, which expire first
_MOST_VERDICTS = 32  # per message: gRPC takes 4 MiB, and each verdict may carry a packet


class Packet:
    """A packet that waits for an answer until `expires` (on time.monotonic()). It has the fields of
    sluice.v1.Packet (headers, payload …), the hello of its stream (hello.agent.incarnation,
    hello.queue …) and the name of its `gateway`. The name differs from the hello's if a server asks
    about packets of several gateways.

    accept and drop answer for this packet. With scope="connection", "peer" or "source" they also
    answer for later packets: the gateway's kernel remembers the verdict for lifetime= seconds (1 to
    86400, default 60; an accepted connection for as long as it lasts) and asks no more.

    `fields` of the answers are those of sluice.v1.Verdict: mark= sets the bits of mark_mask=
    (default: all); payload= replaces the packet and repairs its checksums, if the packet options
    ask for rewrite.
    """

    def __init__(self, packet, stream, expires, gateway):
        self._packet, self._stream, self._answered = packet, stream, False
        self.hello, self.expires, self.gateway = stream.hello, expires, gateway

    def __getattr__(self, name):
        return getattr(self._packet, name)

    def accept(self, reason="accepted", scope="packet", lifetime=None, **fields):
        self._answer(pb.ACTION_ACCEPT, reason=reason, **_reach(scope, lifetime), **fields)

    def drop(self, reason="dropped", notify="unspecified", scope="packet", lifetime=None):
        """notify: host-unreachable, admin-prohibited, port-unreachable or tcp-reset."""
        kind = pb.Notify.Value("NOTIFY_" + notify.upper().replace("-", "_"))
        self._answer(pb.ACTION_DROP, reason=reason, notify=kind, **_reach(scope, lifetime))

    def repeat(self, reason="repeated", **fields):
        """Runs the hook again; the packet comes back as a new packet."""
        self._answer(pb.ACTION_REPEAT, reason=reason, **fields)

    def requeue(self, queue, reason="requeued", **fields):
        self._answer(pb.ACTION_REQUEUE, reason=reason, requeue_to=queue, **fields)

    def hold(self, seconds):
        """Waits longer, at most until hello.hold_limit after the packet's arrival. The packet still
        needs an answer."""
        self.expires += seconds
        more = Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
        self._answer(pb.ACTION_HOLD, hold_for=more)

    def _answer(self, action, **fields):
        if self._answered:
            raise RuntimeError("this packet has been answered already")
        if "mark" in fields:
            fields.setdefault("mark_mask", 0xFFFFFFFF)
        fields.setdefault("fix_checksums", "payload" in fields)
        verdict = pb.Verdict(transaction_id=self.transaction_id, action=action, **fields)
        self._answered = action != pb.ACTION_HOLD
        self._stream.put(verdict)


def _reach(scope, lifetime):
    """The fields for the scope and lifetime of a verdict."""
    fields = {} if scope == "packet" else {"scope": pb.Scope.Value("SCOPE_" + scope.upper())}
    if lifetime is not None:
        fields["lifetime"] = Duration(seconds=int(lifetime))
    return fields


def _tuning(policy_version, packet_options):
    """The fields of a welcome, which are those of a Retune."""
    return {
        "packet_options": pb.PacketOptions(**packet_options),
        "policy_token": policy_version.encode(),
        "policy_label": policy_version,
    }


class Decider(decision_pb2_grpc.DecisionServiceServicer):
    """Serves agents at `address` until it is closed. `packet_options` are the fields of
    sluice.v1.PacketOptions: families=, copy_mode=, copy_range=, ordering=, rewrite=. When
    policy_version changes (see retune), gateways forget all remembered verdicts."""

    def __init__(self, address="127.0.0.1:7654", policy_version="", **packet_options):
        self._tuning = _tuning(policy_version, packet_options)
        self._packets = collections.deque(maxlen=_MOST_UNREAD)
        self._changed, self._closed, self._streams = threading.Condition(), False, set()
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(_MOST_STREAMS))
        decision_pb2_grpc.add_DecisionServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(address)
        self._server.start()

    def next(self, timeout=None):
        """The next packet that is still in time. None after `timeout` seconds (0: does not wait,
        None: waits for ever), or once the decider is closed."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                while self._packets:
                    packet = self._packets.popleft()
                    if packet.expires > time.monotonic():
                        return packet
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
        return None

    def __iter__(self):
        return iter(self.next, None)

    def retune(self, policy_version="", **packet_options):
        """Replaces all packet options and the version of your policy, from here on: repeat what
        stays."""
        with self._changed:
            self._tuning = _tuning(policy_version, packet_options)
            for stream in self._streams:
                stream.put(pb.DecideResponse(retune=pb.Retune(**self._tuning)))

    def close(self):
        """Ends every stream. Agents give unanswered packets the fallback or ask the next server."""
        self._server.stop(grace=None).wait()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def Decide(self, requests, context):
        stream = _Stream()
        context.add_callback(stream.end)
        threading.Thread(target=self._hear, args=(requests, stream), daemon=True).start()
        return stream.speak()

    def _hear(self, requests, stream):
        try:
            for said in requests:
                with self._changed:
                    self._take(said, stream)
        except grpc.RpcError:
            pass  # The stream has ended.
        with self._changed:
            self._streams.discard(stream)
        stream.end()

    def _take(self, said, stream):
        kind = said.WhichOneof("message")
        if kind == "hello":
            stream.hello = said.hello
            stream.put(pb.DecideResponse(welcome=pb.DecideWelcome(**self._tuning)))
            self._streams.add(stream)
        elif kind == "heartbeat":
            stream.put(pb.DecideResponse(heartbeat=said.heartbeat))
        elif kind == "packets":
            batch, now = said.packets, time.monotonic()
            stream.received = batch.batch
            stream.put(pb.DecideResponse(verdicts=pb.VerdictBatch(received_batch=batch.batch)))
            oldest = max((packet.waited_us for packet in batch.packets), default=0)
            end = now + batch.time_left.ToMicroseconds() / 1e6 + oldest / 1e6
            gateway = batch.gateway or stream.hello.agent.gateway
            for packet in batch.packets:
                expires = end - packet.waited_us / 1e6
                self._packets.append(Packet(packet, stream, expires, gateway))
            self._changed.notify_all()
        elif kind == "errors":
            for error in said.errors.entries:
                why = f"{pb.VerdictError.Name(error.error)} {error.text}"
                _log.warning("verdict on %x not carried out: %s", error.transaction_id, why)


class _Stream:
    """What waits to be sent on one Decide stream: verdicts and whole messages. Any thread may put."""

    def __init__(self):
        self.hello, self.received, self._ended = None, 0, False
        self._messages, self._verdicts, self._changed = [], [], threading.Condition()

    def put(self, said):
        with self._changed:
            (self._verdicts if isinstance(said, pb.Verdict) else self._messages).append(said)
            self._changed.notify()

    def end(self):
        with self._changed:
            self._ended = True
            self._changed.notify()

    def speak(self):
        """Yields all messages until the stream ends; verdicts that have piled up go together."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._messages or self._verdicts or self._ended)
                messages, self._messages, verdicts, self._verdicts = (
                    self._messages, [], self._verdicts, [])  # fmt: skip
            if not messages and not verdicts:
                return
            yield from messages
            for i in range(0, len(verdicts), _MOST_VERDICTS):
                some = verdicts[i : i + _MOST_VERDICTS]
                batch = pb.VerdictBatch(received_batch=self.received, verdicts=some)
                yield pb.DecideResponse(verdicts=batch)
