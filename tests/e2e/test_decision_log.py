"""The decision log: what it says about real packets, and its rotation."""

import os
import re
import signal

from namespaces import Network

POLICY = """
rule "pings" between any and any proto icmp accept log;
from any to any udp port 19 reject;
default reject log;
"""
_WORD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def lines(path):
    """Each line as a dictionary."""
    return [dict(_WORD.findall(line)) for line in path.read_text().splitlines()]


def test_what_rules_log_is_written(rig):
    path = rig.directory / "decisions.log"
    server = rig.server(POLICY, options=["--decision-log", path])
    agent = rig.agent(server)
    assert rig.pinger().ping()
    sender = rig.datagrams()
    sender.send(Network.SERVER[4], 19)
    sender.send(Network.SERVER[4], 7)
    agent.settle(4)
    # The server keeps all decisions, and tells which of them were logged.
    assert len(server.decided(4)) == 4
    assert len(list(server.decisions(logged=True))) == 3
    assert server.stop() == 0  # and has written all of them
    request, reply, dropped = [line for line in lines(path) if "action" in line]
    assert (request["src"], request["dst"]) == (Network.CLIENT[4], Network.SERVER[4])
    assert (request["in"], request["out"]) == ("client", "server")
    assert (reply["in"], reply["out"]) == ("server", "client")
    assert request["action"] == "accept" and dropped["action"] == "drop"
    assert "pings" in request["reason"]
    assert request["gateway"] == "gw" and request["policy"] == "1"
    assert dropped["dport"] == "7" and dropped["proto"] == "udp" and dropped["rule"] == "0"
    assert int(request["waited_us"]) > 0
    report = {line["report"]: line for line in lines(path) if "report" in line}
    assert report["server"]["packets"] == "4"
    assert (report["server"]["accepted"], report["server"]["dropped"]) == ("2", "2")
    assert report["gateway"]["mode"] == "on"
    server.start()  # the rig reads the agent's counters through it at the end


def test_no_line_is_lost_when_the_log_is_rotated(rig):
    path = rig.directory / "decisions.log"
    server = rig.server(POLICY, options=["--decision-log", path, "--log-rate", "1000000"])
    rig.agent(server)
    pinger = rig.pinger()
    sent = 0
    rotated = []
    for number in range(10):
        for _ in range(20):
            assert pinger.ping()
            sent += 1
        rotated.append(path.with_suffix(f".{number}"))
        os.rename(path, rotated[-1])
        said = server.process.line_count()
        server.process.signal(signal.SIGHUP)
        assert pinger.ping()
        sent += 1
        server.process.wait_for_line("opened again", after=said)
        assert path.exists()
    assert server.stop() == 0
    written = [line for file in [*rotated, path] for line in lines(file)]
    decisions = [line for line in written if "action" in line]
    assert len(decisions) == 2 * sent
    assert not [line for line in written if line.get("left_out", "0") != "0"]
    server.start()
