"""The Python kit against an agent: the examples of docs/deciders.md, word for word."""

import concurrent.futures
import struct
import threading
import time

import pytest
from namespaces import Network
from processes import REPOSITORY
from sluice.v1 import decision_pb2 as pb
from sluice_decider import Decider

SERVER = Network.SERVER[4]
UDP = 17


def example(name):
    """The code below this heading of the page."""
    page = (REPOSITORY / "docs/deciders.md").read_text()
    section = page.split(f"\n### {name}\n")[1].split("\n#")[0]
    return compile(section.split("```")[1].removeprefix("python"), f"{name} in the docs", "exec")


class Kit:
    """A Decider that runs an example for each packet, in a thread, and keeps the packets."""

    def __init__(self, rig, name, names=None, **packet_options):
        path = rig.directory / "kit.sock"
        self.decider = Decider(f"unix:{path}", **packet_options)
        path.chmod(0o666)
        self.packets, self.failures = [], []
        self._names = {"decider": self.decider, "pb": pb, **(names or {})}
        self._code = example(name)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.agent_config = {"servers": [f"unix:{path}"]}

    def _run(self):
        for packet in self.decider:
            self.packets.append(packet)
            try:
                exec(self._code, {**self._names, "packet": packet})
            except Exception as error:  # close() asserts that there is none
                self.failures.append(error)

    def close(self):
        self.decider.close()
        self._thread.join()
        assert not self.failures


@pytest.fixture
def start(rig):
    def started(name, names=None, packet_options=None, **config):
        kit = rig.keep(Kit(rig, name, names, **(packet_options or {})))
        agent = rig.new_agent(**kit.agent_config, **config).start()
        queues = config.get("queues", {"first": 0, "count": 1})
        for queue in range(queues["first"], queues["first"] + queues["count"]):
            agent.process.wait_for_line(f"queue {queue}: .* connected")
        return kit

    return started


def arrives(rig, sent):
    return rig.far.wait_for(lambda far: far.carrying(sent))


def test_notify(rig, start):
    start("Notify")
    with pytest.raises(ConnectionRefusedError):
        rig.connect(port=23)
    assert rig.pinger().ping()


def test_remember(rig, start):
    kit = start("Remember")
    pinger = rig.pinger()
    end = time.monotonic() + 10
    while True:
        asked = len(kit.packets)
        assert pinger.ping()
        if len(kit.packets) == asked:
            break
        assert time.monotonic() < end
    while True:
        asked = len(kit.packets)
        with pytest.raises((ConnectionRefusedError, TimeoutError)):
            rig.connect(port=23, timeout=1)
        if len(kit.packets) == asked:
            break
        assert time.monotonic() < end


def test_mark(rig, start):
    rig.network.gateway.nft(
        """
        table inet theirs {
          chain late {
            type filter hook postrouting priority 0;
            oifname server meta mark & 0xf0 != 0x20 drop
          }
        }
        """
    )
    start("Mark")
    arrives(rig, rig.datagrams().send(SERVER, 9))


def test_payload(rig, start):
    start("Payload", packet_options={"rewrite": True})
    arrives(rig, rig.datagrams().send(SERVER, 9))
    receiver = rig.datagrams("server", port=4000)
    body = b"the secret is out"
    header = struct.pack("!HHHH", 4000, 4000, 8 + len(body), 0)
    rig.crafted().send(Network.CLIENT[4], SERVER, UDP, header + body)
    assert receiver.receive() == b"the public is out"[:16]


def test_hold(rig, start):
    def ask_registry(_):
        time.sleep(0.5)  # a slow registry
        return True

    with concurrent.futures.ThreadPoolExecutor() as pool:
        names = {"pool": pool, "ask_registry": ask_registry}
        kit = start("Hold", names, deadline="200ms")
        began = time.monotonic()
        arrives(rig, rig.datagrams().send(SERVER, 9))
        assert time.monotonic() - began >= 0.5
        assert len(kit.packets) == 1


def test_repeat(rig, start):
    kit = start("Repeat")
    arrives(rig, rig.datagrams().send(SERVER, 9))
    assert [p.mark & 0x10 for p in kit.packets] == [0, 0x10]


def test_requeue(rig, start):
    kit = start("Requeue", queues={"first": 3, "count": 2})
    crafted = rig.crafted()
    for n in range(10, 30):  # hosts are spread over the queues
        datagram = struct.pack("!HHHH", 4096, 9, 8, 0)
        crafted.send(f"10.0.1.{n}", SERVER, UDP, datagram)
    rig.far.wait_for(lambda far: len(far.arrived(protocol=UDP)) == 20)
    queues = [packet.hello.queue for packet in kit.packets]
    assert queues.count(4) == 20
    assert queues.count(3) > 0


def test_retune(rig, start):
    kit = start("Retune")
    sender = rig.datagrams()
    arrives(rig, sender.send(SERVER, 9, 600))
    end = time.monotonic() + 5
    while len(kit.packets[-1].payload) == 128:
        arrives(rig, sender.send(SERVER, 9, 600))
        assert time.monotonic() < end
    assert len(kit.packets[-1].payload) == kit.packets[-1].original_length == 628


def test_next_waits_no_longer_than_told(rig):
    path = rig.directory / "kit.sock"
    decider = rig.keep(Decider(f"unix:{path}"))
    path.chmod(0o666)
    agent = rig.new_agent(servers=[f"unix:{path}"]).start()
    agent.process.wait_for_line("queue 0: .* connected")
    assert decider.next(timeout=0) is None
    began = time.monotonic()
    assert decider.next(timeout=0.3) is None
    assert 0.3 <= time.monotonic() - began < 3
    sent = rig.datagrams().send(SERVER, 9)
    decider.next(timeout=5).accept("in time")
    arrives(rig, sent)
