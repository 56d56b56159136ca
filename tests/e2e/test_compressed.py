"""A server whose messages are small on the wire and huge once decompressed: nobody does that."""

import gzip
import subprocess

import pytest
from http2_client import message
from http2_server import Http2Server, answer, data
from processes import SLUICECTL

_UNFOLDED = 60 << 20
_MESSAGE = message(gzip.compress(bytes(_UNFOLDED)), flag=1)
assert len(_MESSAGE) < 65000  # less than the initial flow-control window


def compressed(stream):
    return [answer(stream, ("grpc-encoding", "gzip")) + data(stream, _MESSAGE)]


@pytest.fixture
def compressor(rig):
    return rig.keep(rig.network.gateway.call(Http2Server, compressed, stays=True))


def test_an_agent_unfolds_nothing(rig, compressor):
    agent = rig.new_agent(servers=[compressor.address]).start()
    compressor.wait_for_streams(12)  # several of each of its streams
    assert agent.process.running
    assert agent.process.peak_memory() < _UNFOLDED


def test_sluicectl_unfolds_nothing(rig, compressor):
    argv = rig.network.gateway.enter(
        ["/usr/bin/time", "-f", "%M", SLUICECTL, "--server", compressor.address, "gateways"]
    )
    done = subprocess.run(argv, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1, done.stderr
    assert int(done.stderr.splitlines()[-1]) << 10 < _UNFOLDED, done.stderr
