"""A server whose messages are small on the wire and huge once decompressed: nobody does that."""

import gzip
import socket
import struct
import subprocess
import threading

import pytest
from processes import SLUICECTL

_DATA, _HEADERS, _SETTINGS, _PING = 0, 1, 4, 6  # RFC 9113, section 6
_ACK = 1
_UNFOLDED = 60 << 20


def _frame(kind, flags, stream, payload):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def _literal(name, value):
    """A header field without indexing, RFC 7541, section 6.2.2."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Compressor:
    """Speaks as much HTTP/2 as it takes to answer every call with one compressed message."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._answered = threading.Semaphore(0)
        message = gzip.compress(bytes(_UNFOLDED))
        assert len(message) < 65000  # less than the initial flow-control window
        body = b"\1" + struct.pack("!I", len(message)) + message
        self._body = [body[i : i + 16384] for i in range(0, len(body), 16384)]
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_for_answers(self, count):
        for number in range(count):
            assert self._answered.acquire(timeout=20), f"{number} calls came, not {count}"

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection, connection.makefile("rb") as reader:
                reader.read(24)  # the preface
                connection.sendall(_frame(_SETTINGS, 0, 0, b""))
                while head := reader.read(9):
                    kind, flags, stream = struct.unpack("!BBI", head[3:])
                    payload = reader.read(int.from_bytes(head[:3], "big"))
                    if kind == _SETTINGS and not flags & _ACK:
                        connection.sendall(_frame(_SETTINGS, _ACK, 0, b""))
                    elif kind == _PING and not flags & _ACK:
                        connection.sendall(_frame(_PING, _ACK, 0, payload))
                    elif kind == _HEADERS:
                        connection.sendall(self._answer(stream))
                        self._answered.release()
        except OSError:
            pass  # the caller left

    def _answer(self, stream):
        headers = b"\x88"  # :status 200
        headers += _literal(b"content-type", b"application/grpc")
        headers += _literal(b"grpc-encoding", b"gzip")
        end_headers = 4
        return _frame(_HEADERS, end_headers, stream, headers) + b"".join(
            _frame(_DATA, 0, stream, part) for part in self._body
        )


@pytest.fixture
def compressor(rig):
    made = rig.network.gateway.call(Compressor)
    yield made
    made.close()


def test_an_agent_unfolds_nothing(rig, compressor):
    agent = rig.new_agent(servers=[compressor.address]).start()
    compressor.wait_for_answers(12)  # several of each of its streams
    assert agent.process.running
    assert agent.process.peak_memory() < _UNFOLDED


def test_sluicectl_unfolds_nothing(rig, compressor):
    argv = rig.network.gateway.enter(
        ["/usr/bin/time", "-f", "%M", SLUICECTL, "--server", compressor.address, "gateways"]
    )
    done = subprocess.run(argv, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1, done.stderr
    assert int(done.stderr.splitlines()[-1]) << 10 < _UNFOLDED, done.stderr
