"""Programs under test: starts them, waits for what they print, ends them by their own pid."""

import os
import pathlib
import re
import signal
import subprocess
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
# tests/run says where Bazel put them; without it, the convenience link in the repository.
BINARIES = pathlib.Path(os.environ.get("SLUICE_BIN", REPOSITORY / "bazel-bin"))

AGENT = BINARIES / "agent/sluice-agent"
SERVER = BINARIES / "server/sluice-server"
SLUICECTL = BINARIES / "clients/cli/sluicectl"
LOADGEN = BINARIES / "clients/loadgen/sluice-loadgen"

# What a sanitizer prints before it ends the program.
_SANITIZER = re.compile(r"(Address|Thread|Leak|UndefinedBehavior)Sanitizer|runtime error:")

# The environment of a program whose memory is measured: AddressSanitizer keeps little freed memory.
LITTLE_QUARANTINE = {
    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")
    + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
}


class Process:
    """A program whose output is read by a thread, line by line, as it comes."""

    def __init__(self, argv, namespace=None, env=None):
        argv = [str(a) for a in argv]
        self.name = pathlib.Path(argv[0]).name
        self._lines = []
        self._closed = False
        self._changed = threading.Condition()
        self._popen = subprocess.Popen(
            namespace.enter(argv) if namespace else argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
        self.pid = self._popen.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self._popen.stdout:
            with self._changed:
                self._lines.append(raw.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def output(self):
        with self._changed:
            return "\n".join(self._lines)

    def wait_for_line(self, pattern, timeout=10, after=0):
        """Waits for a line that matches, from line number `after` on; returns the match."""
        end = time.monotonic() + timeout
        with self._changed:
            position = after
            while True:
                for line in self._lines[position:]:
                    if match := re.search(pattern, line):
                        return match
                position = len(self._lines)
                left = end - time.monotonic()
                said = "\n  ".join(self._lines)
                assert not self._closed, (
                    f"{self.name} ended ({self._popen.wait(5)}) without {pattern!r}:\n  {said}"
                )
                assert left > 0, f"{self.name}: no {pattern!r} in {timeout} s:\n  {said}"
                self._changed.wait(left)

    def line_count(self):
        """For wait_for_line(after=…)."""
        with self._changed:
            return len(self._lines)

    def signal(self, number):
        os.kill(self.pid, number)

    def peak_memory(self):
        """The most memory it has had resident, in bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s*(\d+) kB", status.read()).group(1)) << 10

    def pause(self):
        """Stops it (SIGSTOP) and waits until all of its threads stand still."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self):
        self.signal(signal.SIGCONT)

    @property
    def running(self):
        return self._popen.poll() is None

    def wait(self, timeout=10):
        """Waits for its end; returns its exit code."""
        code = self._popen.wait(timeout)
        self._reader.join(timeout)
        assert not _SANITIZER.search(self.output), f"{self.name}:\n{self.output}"
        return code

    def stop(self, timeout=10):
        """Ends it by SIGTERM, as systemd would; returns its exit code."""
        if self.running:
            self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end on SIGTERM:\n{self.output}") from None

    def kill(self):
        """Ends it by SIGKILL."""
        if self.running:
            self.signal(signal.SIGKILL)
        self._popen.wait()


def run(*argv, namespace=None, timeout=20):
    """Runs a program to its end; returns (exit code, everything it printed)."""
    process = Process(argv, namespace)
    try:
        return process.wait(timeout), process.output
    finally:
        process.kill()
