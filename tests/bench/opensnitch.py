"""OpenSnitch as a peer: it asks a user interface over gRPC about each new connection."""

import contextlib
import os
import re
import shutil
import tempfile
import time

from topology import BenchError, Program

PROGRAMS = ["tests/bench/programs/opensnitch_ui"]


def daemon():
    """The path of opensnitchd, or None."""
    return shutil.which(os.environ.get("OPENSNITCHD", "opensnitchd"))


def asked(program):
    """How many questions the stand-in for the user interface got."""
    counts = re.findall(r"^asked (\d+)$", program.log(), re.MULTILINE)
    return int(counts[-1]) if counts else 0


@contextlib.contextmanager
def asking(context, connect):
    """Has OpenSnitch ask about the client's own connections, as it looks at OUTPUT alone.

    `connect` opens one or more connections. Yields the user interface and the daemon.
    """
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder, \
            contextlib.ExitStack() as stack:
        socket = f"unix://{folder}/ui.sock"
        interface = Program(context.topology.client,
                            [context.binary("tests/bench/programs/opensnitch_ui"), socket])
        stack.callback(interface.stop)
        stack.callback(context.topology.client.run, ["nft", "flush", "ruleset"])
        os.mkdir(f"{folder}/rules")
        # The only way to find a connection's process that needs nothing of the host.
        program = Program(context.topology.client, [
            daemon(), "-rules-path", f"{folder}/rules", "-ui-socket", socket,
            "-process-monitor-method", "proc", "-error"], ready="")
        stack.callback(program.stop)
        deadline = time.monotonic() + 10
        while asked(interface) == 0:
            if time.monotonic() > deadline:
                raise BenchError(f"opensnitchd does not ask\n{program.log()[-2000:]}")
            program.check_running()
            connect()
        yield [interface, program]
