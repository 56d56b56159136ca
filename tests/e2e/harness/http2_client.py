"""An HTTP/2 client that sends what it is told, valid or not (RFC 9113), and notes what it is
answered. Its header blocks use no compression, so that they are the same on every connection."""

import dataclasses
import itertools
import select
import socket
import struct
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
(
    DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
    CONTINUATION,
) = range(10)  # fmt: skip
END_STREAM = ACK = 1
END_HEADERS, PADDED, WITH_PRIORITY = 4, 8, 32
CANCEL = struct.pack("!I", 8)

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW, MAX_FRAME_SIZE = range(1, 6)
FRAME_SIZE = 16384  # the largest payload, unless a peer allows more
_WINDOW = 65535  # until a peer says otherwise
AT_ONCE = 1 << 16  # bytes of a flood that are sent together


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """A frame; its header declares `length`, if given, in place of the payload's own."""
    length = len(payload) if length is None else length
    return struct.pack("!I", length)[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def header_frames(stream, block):
    """A header block, in as many frames as that takes."""
    frames, kind = b"", HEADERS
    while block:
        part, block = block[:FRAME_SIZE], block[FRAME_SIZE:]
        frames += frame(kind, 0 if block else END_HEADERS, stream, part)
        kind = CONTINUATION
    return frames


def endless(one):
    """The same bytes again and again, AT_ONCE together."""
    return itertools.repeat(one * max(1, AT_ONCE // len(one)))


def settings(values, flags=0, stream=0):
    pairs = b"".join(struct.pack("!HI", *pair) for pair in values.items())
    return frame(SETTINGS, flags, stream, pairs)


def message(body, flag=0, length=None):
    """A gRPC message; its prefix declares `length`, if given, in place of the body's own."""
    return struct.pack("!BI", flag, len(body) if length is None else length) + body


def proto_field(number, data):
    """A field of a protobuf message: bytes, text or a message, whatever it holds."""
    size = len(data)
    length = bytes(size >> shift & 127 | 128 for shift in (0, 7, 14)) + bytes([size >> 21])
    return bytes([number << 3 | 2]) + length + data


def integer(value, bits, pattern=0):
    """An integer of HPACK whose first byte has the pattern and so many bits (RFC 7541, 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([pattern | value])
    encoded, value = bytearray([pattern | most]), value - most
    while value >= 128:
        encoded.append(128 | value & 127)
        value >>= 7
    return bytes(encoded) + bytes([value])


def field(name, value, pattern=0):
    """A header field that enters no table; with the pattern 0x40 it enters the dynamic one."""
    name, value = (x if isinstance(x, bytes) else x.encode() for x in (name, value))
    return bytes([pattern]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def call_fields(method, **replaced):
    """The header fields of a call, as pairs. `replaced` are named as in `content_type`; a pseudo
    field lacks its colon, and None leaves a field out."""
    fields = {
        ":method": "POST", ":scheme": "http", ":path": f"/sluice.v1.{method}",
        ":authority": "sluice", "content-type": "application/grpc", "te": "trailers",
    }  # fmt: skip
    for name, value in replaced.items():
        name = name.replace("_", "-")
        fields[f":{name}" if f":{name}" in fields else name] = value
    return [(name, value) for name, value in fields.items() if value is not None]


def call_block(method, **replaced):
    return b"".join(field(*pair) for pair in call_fields(method, **replaced))


@dataclasses.dataclass
class Stream:
    """What came in a stream: fields of all its header blocks, data, and how it ended."""

    fields: dict = dataclasses.field(default_factory=dict)
    data: bytearray = dataclasses.field(default_factory=bytearray)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self):
        """The status of its call; None if there is none."""
        return int(self.fields["grpc-status"]) if "grpc-status" in self.fields else None


class Http2Client:
    """A connection. It reads while it sends or waits, unless `reads` is false.

    `lost` says how the connection was lost, and is empty until then. No method raises because the
    peer is gone.
    """

    def __init__(self, connected, greets=True, window=None, patience=10):
        """Without `greets` nothing is sent by itself, ever. `window` is what the peer may send
        unasked in a stream and in all. The peer's own greeting is waited for with `patience`."""
        connected.setblocking(False)
        self._socket = connected
        self._greets = greets
        self._unsent, self._received, self._block = bytearray(), bytearray(), bytearray()
        self._ids = itertools.count(1, 2)
        self._decoder = hpack.Decoder()
        self._windows = {0: _WINDOW}
        self.reads = True
        self.lost = ""
        self.streams = {}
        self.settings = {}  # the peer's
        if greets:
            greeting = PREFACE + settings({} if window is None else {INITIAL_WINDOW: window})
            if (window or 0) > _WINDOW:
                greeting += frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", window - _WINDOW))
            self.send(greeting)
            self.wait(lambda: self.settings, patience)
            self.send(b"")  # the acknowledgement

    @property
    def port(self):
        """Its own TCP port."""
        return self._socket.getsockname()[1]

    def send(self, data, timeout=10):
        """Sends bytes, in whatever state the connection is; returns whether all were taken."""
        self._unsent += data
        return self._run(lambda: not self._unsent, timeout)

    def wait(self, wanted, timeout=10):
        """Reads until wanted(); returns whether it came to that."""
        return self._run(wanted, timeout)

    def flood(self, chunks, seconds):
        """Sends these bytes until the connection is lost or the time is over. Then the last of
        them may be sent in part."""
        end = time.monotonic() + seconds
        for chunk in chunks:
            left = end - time.monotonic()
            if left <= 0 or not self.send(chunk, left):
                return

    def begin(self, method, *bodies, more=False, flag=0, **replaced):
        """Begins a call with these messages, regardless of flow control; returns its stream. With
        `more`, the request is not ended."""
        stream = self.open(method, **replaced)
        data = b"".join(message(body, flag) for body in bodies)
        parts = [data[i : i + FRAME_SIZE] for i in range(0, len(data), FRAME_SIZE)]
        frames = b"".join(frame(DATA, 0, stream, part) for part in parts)
        self.send(frames if more else frames + frame(DATA, END_STREAM, stream))
        return stream

    def open(self, method, **replaced):
        """Begins a call without a message; returns its stream."""
        stream = next(self._ids)
        self.send(frame(HEADERS, END_HEADERS, stream, call_block(method, **replaced)))
        return stream

    def upload(self, stream, data, timeout=10):
        """Sends data as flow control allows; returns whether all was sent in time, and the stream
        lives."""
        end = time.monotonic() + timeout
        data = memoryview(data)
        while data:
            left = end - time.monotonic()
            self.wait(lambda: self.room(stream) > 0 or self.fate(stream), left)
            if self.room(stream) <= 0 or self.fate(stream):
                return False
            part = data[: min(self.room(stream), FRAME_SIZE)]
            for window in (0, stream):
                self._windows[window] = self._window(window) - len(part)
            if not self.send(frame(DATA, 0, stream, bytes(part)), end - time.monotonic()):
                return False
            data = data[len(part) :]
        return True

    def room(self, stream):
        """How much uploads may send in a stream now."""
        return min(self._window(0), self._window(stream))

    def call(self, method, body=b"", timeout=10, **replaced):
        """Makes a unary call; returns its Stream, ended or not."""
        stream = self.begin(method, body, **replaced)
        self.wait(lambda: self.streams.get(stream, Stream()).ended or self.fate(stream), timeout)
        return self.streams.get(stream, Stream())

    def messages(self, stream):
        """The messages of a stream that have come whole."""
        data, found = bytes(self.streams.get(stream, Stream()).data), []
        while len(data) >= 5:
            end = 5 + int.from_bytes(data[1:5], "big")
            if len(data) < end:
                break
            found.append(data[5:end])
            data = data[end:]
        return found

    def fate(self, stream):
        """How a stream was lost; empty while it lives, and if its call succeeded."""
        seen = self.streams.get(stream, Stream())
        if seen.ended:
            http = seen.fields.get(":status")
            return "" if seen.status == 0 else f"status {seen.status}, HTTP {http}"
        return self.lost if seen.reset is None else f"RST_STREAM {seen.reset}"

    def close(self):
        self._socket.close()

    def _run(self, wanted, timeout):
        end = time.monotonic() + timeout
        poll = select.poll()
        while not self.lost and not wanted():
            reading = select.POLLIN if self.reads else 0
            poll.register(self._socket, reading | (select.POLLOUT if self._unsent else 0))
            left = end - time.monotonic()
            for _, events in poll.poll(max(0, left * 1000)):
                try:
                    self._move(events)
                except OSError as error:
                    self.lost = f"closed ({error.strerror})"
            if left <= 0:
                break
        return bool(wanted())

    def _move(self, events):
        if events & select.POLLOUT and self._unsent:
            del self._unsent[: self._socket.send(self._unsent)]
        if events & select.POLLIN and self.reads:
            data = self._socket.recv(1 << 18)
            self._received += data
            self._parse()
            if not data:
                self.lost = self.lost or "closed"
        elif events & (select.POLLHUP | select.POLLERR):
            self.lost = self.lost or "closed"

    def _parse(self):
        at, received = 0, self._received
        while len(received) - at >= 9:
            end = at + 9 + int.from_bytes(received[at : at + 3], "big")
            if len(received) < end:
                break
            kind, flags, stream = struct.unpack_from("!BBI", received, at + 3)
            self._take(kind, flags, stream, bytes(received[at + 9 : end]))
            at = end
        del received[:at]

    def _take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.settings.update({0: 0, **dict(struct.iter_unpack("!HI", payload))})
            self._answer(frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self._answer(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            self._windows[stream] = self._window(stream) + struct.unpack("!I", payload)[0]
        elif kind == GOAWAY:
            code = struct.unpack_from("!I", payload, 4)[0]
            self.lost = f"GOAWAY {code} {payload[8:108].decode(errors='replace')}".rstrip()
        elif kind in (DATA, HEADERS, CONTINUATION, RST_STREAM):
            self._take_of_stream(kind, flags, self.streams.setdefault(stream, Stream()), payload)

    def _take_of_stream(self, kind, flags, stream, payload):
        if kind == DATA:
            stream.data += payload
        elif kind == RST_STREAM:
            stream.reset = struct.unpack("!I", payload)[0]
        else:
            self._block += payload
            if flags & END_HEADERS:
                stream.fields.update(self._decoder.decode(bytes(self._block)))
                self._block.clear()
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            stream.ended = True

    def _answer(self, data):
        if self._greets:
            self._unsent += data

    def _window(self, stream):
        return self._windows.get(stream, self.settings.get(INITIAL_WINDOW, _WINDOW))


def dial(namespace, address, source=None, receive_buffer=None):
    """A connected socket: to HOST:PORT, from the address `source` if given, or to unix:PATH."""
    if address.startswith("unix:"):
        made = socket.socket(socket.AF_UNIX)
        target = address.removeprefix("unix:")
    else:
        made = namespace.call(socket.socket, socket.AF_INET, socket.SOCK_STREAM)
        host, port = address.rsplit(":", 1)
        target = (host, int(port))
    try:
        made.settimeout(10)
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            made.bind((source, 0))
        made.connect(target)
    except OSError:
        made.close()
        raise
    return made
