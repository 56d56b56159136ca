"""An HTTP/2 server that answers each stream with what it is told, valid or not (RFC 9113)."""

import socket
import struct
import threading

from http2_client import (
    ACK,
    DATA,
    END_HEADERS,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    PING,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    field,
    frame,
    settings,
)

OK = field(":status", "200") + field("content-type", "application/grpc")
_STREAMS = 1 << 30


def answer(stream, *fields):
    """The head of a gRPC answer, with these further fields."""
    return frame(HEADERS, END_HEADERS, stream, OK + b"".join(field(*pair) for pair in fields))


class Http2Server:
    """Listens on a port of its own. `answers(stream)` yields the bytes to send once the caller has
    opened a stream; of what the caller sends, nothing is looked at. A connection is closed once all
    was sent, unless `stays`.
    """

    def __init__(self, answers, address="127.0.0.1", stays=False):
        self._answers = answers
        self._stays = stays
        self._listener = socket.create_server((address, 0))
        self.address = f"{address}:{self._listener.getsockname()[1]}"
        self._opened = threading.Semaphore(0)
        self._connections = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_for_streams(self, count, timeout=20):
        """Waits until so many more streams were opened."""
        for number in range(count):
            assert self._opened.acquire(timeout=timeout), f"{number} streams came, not {count}"

    def close(self):
        for connection in (self._listener, *self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # It was closed already.
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        lock = threading.Lock()  # Frames of several streams must not mix.

        def send(data):
            with lock:
                connection.sendall(data)

        try:
            with connection, connection.makefile("rb") as reader:
                reader.read(len(PREFACE))
                greeting = settings({MAX_CONCURRENT_STREAMS: _STREAMS})
                send(greeting + frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 1 << 30)))
                while len(head := reader.read(9)) == 9:
                    kind, flags, stream = struct.unpack("!BBI", head[3:])
                    payload = reader.read(int.from_bytes(head[:3], "big"))
                    if kind == SETTINGS and not flags & ACK:
                        send(frame(SETTINGS, ACK))
                    elif kind == PING and not flags & ACK:
                        send(frame(PING, ACK, 0, payload))
                    elif kind == HEADERS:
                        self._opened.release()
                        arguments = (connection, send, stream)
                        threading.Thread(target=self._attack, args=arguments, daemon=True).start()
        except OSError:
            pass  # The caller left.
        finally:
            self._connections.discard(connection)

    def _attack(self, connection, send, stream):
        try:
            for data in self._answers(stream):
                send(data)
            if not self._stays:
                connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # The caller left.


def data(stream, payload):
    """Frames of at most 16 KiB."""
    return b"".join(
        frame(DATA, 0, stream, payload[i : i + 16384]) for i in range(0, len(payload), 16384)
    )
