"""The policy is replaced again and again under a flood: no packet waits, none is lost."""

from steady import ALLOWED, POLICY, Steady
from traffic import PROTOCOLS

POLICIES = (
    f"{POLICY}between any and any proto 1 accept;\n",
    "default accept;\n",
)
BROKEN = "default accept;\nfrom any to nowhere reject;\n"


def test_policy_swapped_under_a_flood(rig):
    server = rig.server(POLICIES[0])
    agent = rig.agent(server, deadline="2s")
    files = []
    for number, text in enumerate((*POLICIES, BROKEN)):
        files.append(rig.directory / f"policy{number}")
        files[-1].write_text(text)
    pinger = rig.pinger()
    assert pinger.ping()  # so that the flood belongs to a known connection
    steady = Steady(rig)
    sent = []
    flooding = True

    def flood():
        while flooding:
            sent.append(pinger.send())
            assert pinger.answered(sent[-1], 5)
            rig.far.keep_up()

    flood_ended = rig.background(flood)
    for number in range(50):
        code, said = server.sluicectl("policy", "apply", files[number % 2])
        assert code == 0, said
        code, _ = server.sluicectl("policy", "apply", files[2])
        assert code == 1
    flooding = False
    flood_ended.result(10)
    steady.stop()
    assert len(sent) > 100
    assert server.gateways()["gw"].connected
    total = agent.until(lambda s, t: t.pending == 0)
    assert not steady.lost(ALLOWED)
    assert total.stale.dropped == total.no_decider.dropped == 0
    assert total.decider_connects == 1
    # Each ping was answered, so each request and each reply has passed; and nothing else did.
    pings = rig.far.packets(protocol=PROTOCOLS["ping"][4])
    assert len(pings) == 2 * (1 + len(sent))
    datagrams = rig.far.arrived(protocol=PROTOCOLS["udp"][4])
    assert total.accepted == len(pings) + len(datagrams)
    assert total.accepted + total.dropped == total.received
