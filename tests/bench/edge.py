"""What a message costs the server, and what it carries, beside a server of another commit.

The agents speak HTTP/2 without gRPC (server_load), each with a connection of its own and one Decide
stream, so that they are not what is measured. `old` is the server in --other-bin, `new` that of
this tree, and `tls` the same with TLS. Without --listen-tls, it is measured in plaintext only.
"""

import contextlib
import functools
import json
import os
import subprocess
import tempfile

import agents
import setups
from measurement import Column, Ratio
from topology import BenchError, Program

TITLE = "Agents without gRPC on one server, each with two batches of 8 packets unanswered"
_SIZES = (16, 128, 1000)
_SERVERS = {"old": "the other server", "new": "this server", "tls": "this server, TLS"}
CONFIGURATIONS = {f"{server}/{size}": f"{label}, {size:,} agents"
                  for server, label in _SERVERS.items() for size in _SIZES}
_LOAD, _SERVER = "tests/bench/programs/server_load", "server/sluice-server"
PROGRAMS = [_LOAD, _SERVER]
TOOLS = []
COLUMNS = [
    Column("cpu_us_per_message", "server µs/message", "{:.2f}"),
    Column("decisions_per_second", "decisions/s", "{:.0f}k", 1e-3),
    Column("p50_us", "round trip p50 µs"),
    Column("p99_us", "p99 µs"),
    Column("busy_processors", "server's processors", "{:.2f}"),
    Column("busy_own_processors", "load's", "{:.2f}"),
    Column("idle_bytes_per_agent", "server kB/agent, idle", "{:.0f}", 1e-3),
    Column("idle_processors", "processors, idle", "{:.2f}"),
]

_BATCH = 8
_IN_FLIGHT = 2
# What happens before the server's caches and the kernel's buffers are as they stay.
_WARM_UP = 0.5


def _path(server, size, key):
    return ("edge", f"{server}/{size}", key)


def _ratios():
    """The targets of issue 12, and the same ratios of the other server without targets. Where the
    issue names no second bound, the aim is the target."""
    # The other server has no TLS: with TLS, too, a message is compared with one of its plaintext.
    for server in ("new", "tls"):
        for size, reach, aim in ((16, 0.5, 0.5), (1000, 0.4, 0.25)):
            yield Ratio(f"{_SERVERS[server]}: CPU a message, {size:,} agents ÷ the other server's",
                        _path(server, size, "cpu_us_per_message"),
                        _path("old", size, "cpu_us_per_message"),
                        bound="max", reach=reach, aim=aim)
    for server, label in _SERVERS.items():
        target = {} if server == "old" else {"bound": "max", "reach": 1.6, "aim": 1.6}
        yield Ratio(f"{label}: CPU a message, 1,000 agents ÷ 16",
                    _path(server, 1000, "cpu_us_per_message"),
                    _path(server, 16, "cpu_us_per_message"), **target)
        for size, reach, aim in ((128, 0.95, 1.0), (1000, 0.65, 0.9)):
            target = {} if server == "old" else {"bound": "min", "reach": reach, "aim": aim}
            yield Ratio(f"{label}: decisions/s, {size:,} agents ÷ 16",
                        _path(server, size, "decisions_per_second"),
                        _path(server, 16, "decisions_per_second"), **target)
        target = {} if server == "old" else {"bound": "max", "reach": 0.15, "aim": 0.15}
        yield Ratio(f"{label}: processors, 1,000 idle agents",
                    _path(server, 1000, "idle_processors"), **target)
    for server in ("new", "tls"):
        yield Ratio(f"{_SERVERS[server]}: memory a connected agent, of 1,000 ÷ the other server's",
                    _path(server, 1000, "idle_bytes_per_agent"),
                    _path("old", 1000, "idle_bytes_per_agent"))


RATIOS = list(_ratios())


def measure(context):
    return {name: _run(context, *name.split("/")) for name in context.each(_possible(context))}


def _possible(context):
    """The configurations that can be measured; says of the others why not."""
    missing = {}
    if context.other_bin is None:
        missing["old"] = "needs --other-bin, with the server of another commit"
    elif not os.access(f"{context.other_bin}/{_SERVER}", os.X_OK):
        missing["old"] = f"there is no {_SERVER} in {context.other_bin}"
    if not _has_tls(context.binary(_SERVER)):
        missing["tls"] = "this server has no --listen-tls"
    for name in CONFIGURATIONS:
        if name.split("/")[0] in missing:
            context.leave_out(name, missing[name.split("/")[0]])
    return [name for name in CONFIGURATIONS if name.split("/")[0] not in missing]


@functools.cache
def _has_tls(binary):
    found = subprocess.run([binary, "--help"], capture_output=True, text=True, check=False)
    return "--listen-tls" in found.stdout


def listen(address, folder, tls):
    """The server's arguments. With TLS, makes a key and a certificate that nobody signed."""
    if not tls:
        return ["--listen", address]
    key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                        "-subj", "/CN=bench", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"a certificate: {error} (Debian's openssl)") from None
    return ["--listen-tls", address, "--tls-cert", certificate, "--tls-key", key]


def _run(context, which, size):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-bench-"))
        with open(f"{folder}/policy", "w", encoding="ascii") as file:
            file.write(agents.policy())
        binary = f"{context.other_bin}/{_SERVER}" if which == "old" else context.binary(_SERVER)
        server = stack.enter_context(Program(
            context.topology.decider,
            [binary, "--policy", f"{folder}/policy",
             *listen(setups.DECIDER_ADDRESS, folder, which == "tls")]))
        # Only of many agents can the idle cost be told from the server's own.
        idle = context.seconds if int(size) >= 1000 else 0
        printed = context.topology.gateway.run(
            [context.binary(_LOAD), "--server", setups.DECIDER_ADDRESS, "--agents", size,
             "--batch", str(_BATCH), "--in-flight", str(_IN_FLIGHT), "--idle", str(idle),
             "--warm-up", str(_WARM_UP), "--seconds", str(context.seconds),
             "--server-pid", str(server.pid), *(["--tls"] if which == "tls" else [])],
            timeout=2 * context.seconds + 60)
        server.check_running()
    return agents.numbers(json.loads(printed))
