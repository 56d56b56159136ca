"""Header lists that are huge, or become so once they are decoded."""

import time

import pytest
from http2_client import (
    DATA,
    END_STREAM,
    FRAME_SIZE,
    call_block,
    field,
    frame,
    header_frames,
    integer,
    message,
)
from siege import Siege

ATTACK_SECONDS = 2
STREAMS = 50  # of one connection, each with such a header, or until it is lost
LONG = 1 << 20  # bytes; every limit is expected to be far below
MANY = 20_000
TABLE = 4096  # bytes of a dynamic table, unless the peer allows more (RFC 7541)

ASKED = "ControlService/GetServer"
_ADD, _INDEXED = 0x40, 0x80  # RFC 7541, section 6
_LAST_ADDED = 62  # index of the field that entered the dynamic table last
_OVERHEAD = 32  # of an entry of that table


def bomb():
    """A field that fills the table, then the same again and again for a byte each: 60 MiB."""
    name = "x-bomb"
    fills = field(name, b"x" * (TABLE - _OVERHEAD - len(name)), _ADD)
    return fills + integer(_LAST_ADDED, 7, _INDEXED) * (FRAME_SIZE - TABLE - 256)


HEADERS_TOO_LARGE = {
    "a_long_value": call_block(ASKED, x_long="x" * LONG),
    "a_long_path": call_block("x" * LONG),
    "a_long_name": call_block(ASKED) + field("x" * LONG, b""),
    "many_fields": call_block(ASKED) + b"".join(field(f"x-{n}", b"") for n in range(MANY)),
    "a_bomb": call_block(ASKED) + bomb(),
}


def request(stream, block):
    """A whole call with this header."""
    return header_frames(stream, block) + frame(DATA, END_STREAM, stream, message(b""))


@pytest.mark.parametrize("block", HEADERS_TOO_LARGE.values(), ids=HEADERS_TOO_LARGE)
def test_over_a_connection_each(rig, block):
    with Siege(rig) as siege:
        end = time.monotonic() + ATTACK_SECONDS
        while time.monotonic() < end:
            attacker = siege.client()
            attacker.send(request(1, block))
            siege.expect_lost(attacker, 1)
            attacker.close()


@pytest.mark.parametrize("block", HEADERS_TOO_LARGE.values(), ids=HEADERS_TOO_LARGE)
def test_over_one_connection(rig, block):
    with Siege(rig) as siege:
        attacker = siege.client()
        attacker.flood((request(1 + 2 * n, block) for n in range(STREAMS)), ATTACK_SECONDS)
        siege.expect_lost(attacker, 1)
