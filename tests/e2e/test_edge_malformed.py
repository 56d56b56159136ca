"""Bytes that are not HTTP/2, frames that come in the wrong order or size, header fields that no
request may have: each costs its sender the stream or the connection."""

import random
import struct

from http2_client import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW,
    MAX_FRAME_SIZE,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    call_block,
    field,
    frame,
    message,
    settings,
)
from siege import Siege

GARBAGE_BYTES = 1 << 16
LARGEST_WINDOW = (1 << 31) - 1  # RFC 9113, section 6.9.1
UNKNOWN = 0xF0  # a type of frame
LATER = 101  # a stream

ASKED = "ControlService/GetServer"
STREAM = "DecisionService/Decide"
_OPEN = frame(HEADERS, END_HEADERS, 1, call_block(STREAM))
_WHOLE = frame(HEADERS, END_HEADERS, 1, call_block(ASKED)) + frame(
    DATA, END_STREAM, 1, message(b"")
)


def ask(*fields, stream=1):
    """A whole call that has just these header fields, or this block."""
    block = b"".join(field(*each) if isinstance(each, tuple) else each for each in fields)
    return frame(HEADERS, END_HEADERS, stream, block) + frame(
        DATA, END_STREAM, stream, message(b"")
    )


def lose(siege, attacks, greets=True):
    """Each of these, by name, sent over a connection of its own, must lose it or stream 1."""
    clients = {name: siege.client(greets=greets) for name in attacks}
    for name, client in clients.items():
        client.send(attacks[name])
    siege.expect_all_lost({name: (client, 1) for name, client in clients.items()})


GARBAGE = {
    "random bytes": random.Random(1).randbytes(GARBAGE_BYTES),
    "zeros": bytes(GARBAGE_BYTES),
    "a ClientHello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(508),
    "a preface with a wrong end": PREFACE[:-1] + b"?" + settings({}),
    "random bytes after the preface": PREFACE + random.Random(2).randbytes(GARBAGE_BYTES),
    "random bytes after the settings": PREFACE
    + settings({})
    + random.Random(3).randbytes(GARBAGE_BYTES),
    "no settings": PREFACE + frame(PING, 0, 0, bytes(8)) + _WHOLE,
}

HTTP_1 = {
    "an unknown version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "an endless line": b"GET /" + b"x" * GARBAGE_BYTES,
    "a field without a name": b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "a space before the colon": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\nx",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "a length and chunks": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a length below zero": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "many fields": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * GARBAGE_BYTES,
    "a tunnel": b"CONNECT 10.0.2.2:22 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


def test_garbage(rig):
    with Siege(rig) as siege:
        lose(siege, GARBAGE, greets=False)


def test_garbage_of_http_1(rig):
    with Siege(rig) as siege:
        lose(siege, HTTP_1, greets=False)


OUT_OF_ORDER = {
    "data before headers": frame(DATA, 0, 1, message(b"")),
    "data in the connection": frame(DATA, 0, 0, message(b"")),
    "headers in the connection": frame(HEADERS, END_HEADERS, 0, call_block(ASKED)),
    "headers in an even stream": frame(HEADERS, END_HEADERS, 2, call_block(ASKED)),
    "headers again, not at the end": _OPEN + _OPEN,
    "a continuation of nothing": frame(CONTINUATION, END_HEADERS, 1, call_block(ASKED)),
    "a continuation of another stream": frame(HEADERS, 0, 1, call_block(STREAM))
    + frame(CONTINUATION, END_HEADERS, 3),
    "a ping within a header": frame(HEADERS, 0, 1, call_block(STREAM))
    + frame(PING, 0, 0, bytes(8)),
    "settings within a header": frame(HEADERS, 0, 1, call_block(STREAM)) + frame(SETTINGS),
    "settings in a stream": _OPEN + frame(SETTINGS, 0, 1),
    "a ping in a stream": _OPEN + frame(PING, 0, 1, bytes(8)),
    "goaway in a stream": _OPEN + frame(GOAWAY, 0, 1, bytes(8)),
    "a reset before headers": frame(RST_STREAM, 0, 1, bytes(4)),
    "a reset of the connection": frame(RST_STREAM, 0, 0, bytes(4)),
    "room before headers": frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"),
    "a promise": _OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + call_block(ASKED)),
}

WRONG_SIZE = {
    "data larger than a frame": _OPEN + frame(DATA, 0, 1, bytes(FRAME_SIZE + 1)),
    "a header larger than a frame": frame(
        HEADERS, END_HEADERS, 1, call_block(ASKED, x="x" * FRAME_SIZE)
    ),
    "an unknown frame larger than a frame": frame(UNKNOWN, 0, 0, bytes(FRAME_SIZE + 1)),
    "the largest length there is": _OPEN + frame(DATA, 0, 1, b"", length=(1 << 24) - 1),
    "settings of five bytes": frame(SETTINGS, 0, 0, bytes(5)),
    "acknowledged settings with settings": settings({INITIAL_WINDOW: 1}, ACK),
    "a window too large": settings({INITIAL_WINDOW: LARGEST_WINDOW + 1}),
    "frames too small": settings({MAX_FRAME_SIZE: FRAME_SIZE - 1}),
    "frames too large": settings({MAX_FRAME_SIZE: 1 << 24}),
    "a ping of seven bytes": frame(PING, 0, 0, bytes(7)),
    "a reset of three bytes": _OPEN + frame(RST_STREAM, 0, 1, bytes(3)),
    "a priority of four bytes": _OPEN + frame(PRIORITY, 0, 1, bytes(4)),
    "room of three bytes": frame(WINDOW_UPDATE, 0, 0, bytes(3)),
    "no room": frame(WINDOW_UPDATE, 0, 0, bytes(4)),
    "no room in a stream": _OPEN + frame(WINDOW_UPDATE, 0, 1, bytes(4)),
    "too much room": frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", LARGEST_WINDOW)) * 2,
    "too much room in a stream": _OPEN
    + frame(WINDOW_UPDATE, 0, 1, struct.pack("!I", LARGEST_WINDOW)) * 2,
    "more padding than data": _OPEN + frame(DATA, PADDED, 1, b"\xff" + bytes(10)),
    "more padding than header": frame(
        HEADERS, PADDED | END_HEADERS, 1, b"\xff" + call_block(ASKED)[:200]
    ),
    "goaway of seven bytes": frame(GOAWAY, 0, 0, bytes(7)),
}


def test_frames_out_of_order(rig):
    with Siege(rig) as siege:
        lose(siege, OUT_OF_ORDER)


def test_frames_of_the_wrong_size(rig):
    with Siege(rig) as siege:
        lose(siege, WRONG_SIZE)


_ASKED = [(":method", "POST"), (":scheme", "http"), (":path", f"/sluice.v1.{ASKED}")]
_REST = [(":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers")]
_FIELDS = [*_ASKED, *_REST]

WRONG_FIELDS = {
    "upper case": ask(*_FIELDS, ("X-Upper", "1")),
    "connection": ask(*_FIELDS, ("connection", "close")),
    "keep-alive": ask(*_FIELDS, ("keep-alive", "timeout=5")),
    "proxy-connection": ask(*_FIELDS, ("proxy-connection", "close")),
    "transfer-encoding": ask(*_FIELDS, ("transfer-encoding", "chunked")),
    "upgrade": ask(*_FIELDS, ("upgrade", "h2c")),
    "te other than trailers": ask(*_FIELDS[:-1], ("te", "gzip")),
    "an empty name": ask(*_FIELDS, ("", "x")),
    "a name with a space": ask(*_FIELDS, ("a b", "x")),
    "a name with a colon": ask(*_FIELDS, ("a:b", "x")),
    "a value with a line feed": ask(*_FIELDS, ("x-lines", "a\nb: c")),
    "a value with a zero": ask(*_FIELDS, ("x-zero", b"a\0b")),
    "an unknown pseudo field": ask((":unknown", "x"), *_FIELDS),
    "a pseudo field of answers": ask((":status", "200"), *_FIELDS),
    "a pseudo field twice": ask(_ASKED[2], *_FIELDS),
    "a pseudo field after others": ask(*_ASKED[:2], *_REST, _ASKED[2]),
    "no path": ask(*_ASKED[:2], *_REST),
    "an empty path": ask(*_ASKED[:2], (":path", ""), *_REST),
    "no method": ask(*_ASKED[1:], *_REST),
    "no scheme": ask(_ASKED[0], _ASKED[2], *_REST),
    "a method other than POST": ask((":method", "PUT"), *_ASKED[1:], *_REST),
    "CONNECT": ask((":method", "CONNECT"), *_ASKED[1:], *_REST),
    "another content type": ask(*_ASKED, ("content-type", "text/plain"), ("te", "trailers")),
    "no content type": ask(*_ASKED, ("te", "trailers")),
    "a length that is wrong": ask(*_FIELDS, ("content-length", "4000")),
    "a length that is none": ask(*_FIELDS, ("content-length", "x")),
    "a time limit that is none": ask(*_FIELDS, ("grpc-timeout", "soon")),
    "a time limit too long": ask(*_FIELDS, ("grpc-timeout", "123456789S")),
    "a method that is not there": ask(*_ASKED[:2], (":path", "/no/method"), *_REST),
    "an index of no field": ask(*_FIELDS, b"\xfe"),
    "index zero": ask(*_FIELDS, b"\x80"),
    "an index that overflows": ask(*_FIELDS, b"\xff" + b"\xff" * 12 + b"\x01"),
    "a table too large": ask(b"\x3f\xe1\xff\xff\x7f", *_FIELDS),
    "a table resized at the end": ask(*_FIELDS, b"\x20"),
    "a value cut off": ask(*_FIELDS, b"\0\1x\x7f"),
    "Huffman code with a wrong end": ask(*_FIELDS, b"\0\1x\x81\x00"),
    "trailers without an end": _OPEN + frame(HEADERS, END_HEADERS, 1, field("x", "y")),
    "trailers with a path": _OPEN
    + frame(HEADERS, END_HEADERS | END_STREAM, 1, field(":path", "/")),
}


def test_header_fields_that_no_request_may_have(rig):
    with Siege(rig) as siege:
        lose(siege, WRONG_FIELDS)


# Whoever sends these may lose, too, or be served as if the frame or field had not been there.
MAY_BE_IGNORED = {
    "data after the end": _WHOLE + frame(DATA, 0, 1, message(b"")),
    "headers after the end": _WHOLE + frame(HEADERS, END_HEADERS, 1, call_block(ASKED)),
    "a reset after the end": _WHOLE + frame(RST_STREAM, 0, 1, bytes(4)),
    "headers in an older stream": frame(HEADERS, END_HEADERS, 3, call_block(STREAM)) + _OPEN,
    "a priority of the connection": frame(PRIORITY, 0, 0, bytes(5)) + _WHOLE,
    "a stream that depends on itself": frame(PRIORITY, 0, 1, b"\0\0\0\1\x10") + _WHOLE,
    "settings acknowledged twice": frame(SETTINGS, ACK) * 2 + _WHOLE,
}


def test_what_may_be_ignored(rig):
    with Siege(rig) as siege:
        for name, data in MAY_BE_IGNORED.items():
            client = siege.client()
            client.send(data)
            client.send(ask(*_FIELDS, stream=LATER))
            client.wait(lambda: LATER in client.streams and client.streams[LATER].ended)
            served = LATER in client.streams and client.streams[LATER].status == 0
            siege.expect(served or client.lost, f"{name}: neither served nor lost")


UNUSUAL = {
    "an unknown frame": frame(UNKNOWN, 0xFF, 0, b"?") + _WHOLE,
    "an unknown setting": settings({0xF0F0: 1}) + _WHOLE,
    "priorities": frame(PRIORITY, 0, 3, bytes(4) + b"\x10") + _WHOLE,
    "headers with a priority": frame(
        HEADERS, END_HEADERS | WITH_PRIORITY, 1, bytes(4) + b"\x10" + call_block(ASKED)
    )
    + frame(DATA, END_STREAM, 1, message(b"")),
    "padding": frame(HEADERS, END_HEADERS | PADDED, 1, b"\x05" + call_block(ASKED) + bytes(5))
    + frame(DATA, END_STREAM | PADDED, 1, b"\x05" + message(b"") + bytes(5)),
    "the end in a frame of its own": _WHOLE[: -len(message(b"")) - 9]
    + frame(DATA, 0, 1, message(b""))
    + frame(DATA, END_STREAM, 1),
    "a smaller table": ask(b"\x20", *_FIELDS),
    "fields in another order": ask(_REST[0], *reversed(_ASKED), *reversed(_REST[1:]), ("x", "")),
    "fields of a browser": ask(*_FIELDS, ("user-agent", "x"), ("grpc-accept-encoding", "gzip")),
}


def test_what_is_unusual_but_right_is_served(rig):
    """The control of all of these."""
    with Siege(rig) as siege:
        for name, data in UNUSUAL.items():
            client = siege.client()
            client.send(data)
            client.wait(lambda: 1 in client.streams and client.streams[1].ended)
            seen = client.streams.get(1)
            siege.expect(seen and seen.status == 0, f"{name}: {client.fate(1)} {client.lost}")
