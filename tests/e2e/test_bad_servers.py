"""No server, a wrong one, one of another protocol: logged, counted, and the agent never stuck."""

import pytest
from agents import BY_HAND
from namespaces import Network

HERE = f"{Network.SERVER[4]}:7654"


@pytest.fixture
def babbler(rig):
    """Listens where the server should be and speaks something else."""

    def start(words):
        listener = rig.keep(rig.listener(port=7654))

        connections = []

        def babble():
            try:
                while True:
                    connection = listener.accept(timeout=None)
                    connection.sendall(words)
                    connections.append(connection)
            except OSError:
                pass  # closed
            for connection in connections:
                connection.close()

        babbling = rig.background(babble)

        def stop():
            listener.close()
            babbling.result(5)

        return stop

    return start


def recovers(rig, agent, lost):
    """A server comes up where there was none: the agent finds it and has counted what was lost."""
    agent.source = rig.server("default accept;\n")
    agent.wait_for_decider()
    assert agent.settle(len(lost)).no_decider.dropped == len(lost)
    assert rig.pinger().ping()
    assert not [token for token in lost if rig.far.carrying(token)]


def test_no_server_is_there_and_then_there_is_one(rig):
    agent = rig.new_agent(servers=[HERE]).start()
    agent.process.wait_for_line(rf"{HERE}.*(?i:refused|unavailable|failed)")
    recovers(rig, agent, [rig.pinger(version).send() for version in (4, 6)])


@pytest.mark.parametrize(
    "words",
    (b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 4096, b""),
    ids=("ssh", "http1", "zeros", "silence"),
)
def test_a_server_of_another_protocol(rig, babbler, words):
    stop = babbler(words)
    agent = rig.new_agent(servers=[HERE]).start()
    agent.process.wait_for_line(rf"(?i)(warn|error).*{HERE}")
    sent = rig.pinger().send()
    rig.fence()
    stop()
    recovers(rig, agent, [sent])


@pytest.mark.parametrize("server", ("no-such-host.invalid:7654", "10.0.2.99:7654"))
def test_a_server_that_cannot_be_reached_is_passed_over_for_the_next(rig, server):
    decider = rig.decider()
    agent = rig.new_agent(decider, servers=[server, decider.address]).start()
    agent.wait_for_decider()
    assert rig.pinger().ping()
    agent.process.wait_for_line(server)


def test_a_server_that_decides_nothing(rig):
    """UNIMPLEMENTED on Decide: packets get the fallback; the other streams work."""
    decider = rig.decider(services=("report", "serve"))
    agent = rig.new_agent(decider).start()
    agent.process.wait_for_line("DecisionService")
    sent = rig.pinger().send()
    assert agent.settle(1).no_decider.dropped == 1
    assert not rig.far.carrying(sent)


def test_a_decider_that_only_decides_is_enough(rig):
    decider = rig.decider(services=("decide",))
    agent = rig.new_agent(servers=[decider.address]).start()
    decider.wait_for_streams()
    assert rig.pinger(4).ping() and rig.pinger(6).ping()
    agent.stop()
    assert len(decider.packets) == 4


def test_open_without_a_decider_packets_are_forwarded_and_counted(rig):
    decider = rig.decider(services=("report", "serve"))
    agent = rig.new_agent(decider, fail_mode="open").start()
    assert rig.pinger().ping()
    assert agent.settle(2).no_decider.accepted == 2


def test_a_server_that_is_killed_and_back(rig):
    server = rig.server("default accept;\n")
    agent = rig.agent(server)
    assert rig.pinger().ping()
    before = agent.process.line_count()
    server.kill()
    agent.process.wait_for_line("queue 0: .*Connection refused", after=before)
    lost = [rig.pinger().send() for _ in range(3)]
    rig.fence()
    server.start()
    agent.wait_for_decider()
    assert rig.pinger().ping()
    assert agent.settle(7).no_decider.dropped == 3
    assert not [token for token in lost if rig.far.carrying(token)]


def test_a_server_ends_in_good_order_while_agents_are_connected(rig):
    server = rig.server("default accept;\n")
    rig.agent(server)
    assert rig.pinger().ping()
    assert server.stop() == 0
    server.start()


def test_addresses_of_every_kind(rig):
    """IPv6 and Unix sockets as well."""
    server = rig.server("default accept;\n", address=f"[{Network.SERVER[6]}]:7654")
    rig.agent(server)
    rig.new_agent(server, gateway="gw2", servers=[server.local], queues={"first": 9},
                  **BY_HAND).start()  # fmt: skip
    while not {"gw", "gw2"} <= server.gateways().keys():
        pass
    assert rig.pinger().ping()
