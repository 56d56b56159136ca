"""Exempt connections: nobody is asked about them. They pass both ways even without a decider."""

from namespaces import Network

FAR = Network.SERVER


def test_exempt_connections_pass_without_a_decider_and_nothing_else_does(rig):
    agent = rig.new_agent(
        servers=[f"unix:{rig.directory}/later.sock"],
        exempt=[
            {"destination": FAR[4], "protocol": "tcp", "port": 80},
            {"source": f"{Network.CLIENT[6]}/128", "protocol": "icmpv6"},
        ],
    ).start()
    listener = rig.listener()
    near = rig.connect(timeout=5)
    far = rig.keep(listener.accept())
    near.sendall(b"question")
    assert far.recv(8) == b"question"
    far.sendall(b"answer")
    assert near.recv(6) == b"answer"
    assert rig.pinger(6).ping()

    lost = [rig.pinger(4).send(), rig.datagrams().send(FAR[4], 80)]
    rig.begin_connect(port=81).close()
    rig.fence()
    assert not [token for token in lost if rig.far.carrying(token)]
    assert not rig.far.arrived(destination_port=81)

    exempted = len(rig.far.packets(source_port=80)) + len(rig.far.packets(destination_port=80)) + 2
    agent.source = rig.decider(name="later")
    agent.wait_for_decider()
    stats = agent.stats()
    assert stats.exempted == exempted
    assert stats.asked == 3 == agent.settle(3).no_decider.dropped
    assert stats.guard_dropped == 0


def test_what_is_exempt_may_not_connect_the_other_way(rig):
    agent = rig.new_agent(
        servers=[f"unix:{rig.directory}/later.sock"],
        exempt=[{"source": FAR[4], "protocol": "tcp"}],
    ).start()
    listener = rig.listener()
    # The far side may connect, so packets to it pass, except those that open a connection.
    dropped = rig.begin_connect()
    rig.fence()
    assert not rig.far.arrived(destination_port=80)
    dropped.close()
    listener.close()
    agent.source = rig.decider(name="later")
    agent.wait_for_decider()
    assert agent.stats().exempted == 0
