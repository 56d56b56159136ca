"""A relay between Unix sockets that delays every byte, as a long way to a decider does."""

import collections
import select
import socket
import threading
import time


class Relay:
    """Relays connections: each byte leaves `delay` seconds after it came, in either direction."""

    def __init__(self, path, target, delay):
        self.address = f"unix:{path}"
        self._target, self._delay = target, delay
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o666)
        self._listener.listen(16)
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target.removeprefix("unix:"))
            self._sockets += near, far
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._line, args=ends, daemon=True).start()

    def _line(self, source, sink):
        """Relays one direction until one of its ends is closed."""
        line = collections.deque()  # (when it is due, data)
        reading = [source]
        try:
            while reading or line:
                wait = max(0, line[0][0] - time.monotonic()) if line else None
                if select.select(reading, [], [], wait)[0]:
                    data = source.recv(1 << 20)
                    line.append((time.monotonic() + self._delay, data))
                    if not data:
                        reading = []
                while line and line[0][0] <= time.monotonic():
                    sink.sendall(line.popleft()[1])
        except (OSError, ValueError):
            pass  # closed
        finally:
            for end in (source, sink):
                _shut_down(end)

    def close(self):
        _shut_down(self._listener)
        self._listener.close()
        for end in self._sockets:
            _shut_down(end)


def _shut_down(end):
    """Wakes whoever reads from it."""
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
