"""The gateway's modes, and its rules: which packets are asked about, and when."""

import pytest
from agents import BY_HAND
from deciders import accept_all, drop_all, mute
from google.protobuf.duration_pb2 import Duration
from namespaces import Network
from sluice.v1 import stats_pb2

OFF, ON, READ = stats_pb2.MODE_OFF, stats_pb2.MODE_ON, stats_pb2.MODE_UNSPECIFIED
SHADOW = stats_pb2.MODE_SHADOW


def test_traffic_to_and_from_the_gateway_itself_is_not_asked_about(rig):
    agent = rig.agent(rig.decider(drop_all))
    for version in (4, 6):
        assert rig.pinger(version, to=Network.GATEWAY[version]).ping()
    stats = agent.stats()
    assert stats.asked == 0 and stats.guard_dropped == 0


def test_mode_off_forwards_everything_though_no_decider_answers(rig):
    rig.new_agent(mode_at_start="off", servers=["unix:/nonexistent/decider.sock"]).start()
    for version in (4, 6):
        assert rig.pinger(version).ping()


def test_mode_on_asks_about_every_forwarded_packet(rig):
    agent = rig.agent(rig.decider())
    for version in (4, 6):
        assert rig.pinger(version).ping()
    total = agent.settle(4)
    assert total.received == total.accepted == 4
    assert agent.stats().asked == 4


def test_packets_pending_when_the_mode_is_turned_off_are_forwarded_and_counted(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s")
    pinger = rig.pinger()
    sent = pinger.send()
    decider.wait_for_packets(1)
    assert decider.set_mode(OFF).previous == ON
    assert pinger.answered(sent, 5)
    total = agent.settle(1)
    assert (total.mode_off.accepted, total.mode_off.dropped) == (1, 0)
    assert pinger.ping()
    assert agent.stats().asked == 1


def test_packets_drop_while_the_agent_is_dead_and_pass_when_it_is_back(rig):
    agent = rig.agent(rig.decider())
    assert rig.pinger().ping()
    agent.kill()
    lost = [rig.pinger(version).send() for version in (4, 6)]
    rig.fence()
    assert not [token for token in lost if rig.far.carrying(token)]
    agent.start().wait_for_decider()
    for version in (4, 6):
        assert rig.pinger(version).ping()


def test_setting_the_mode_returns_the_one_before(rig):
    server = rig.server("default accept;\n")
    rig.agent(server, mode_at_start="off")
    answers = [server.set_mode(mode) for mode in (ON, ON, OFF, READ)]
    assert [(a.previous, a.current) for a in answers] == [
        (OFF, ON), (ON, ON), (ON, OFF), (OFF, OFF),
    ]  # fmt: skip


def test_a_mode_nobody_confirms_reverts_though_the_server_is_gone(rig):
    server = rig.server("default accept;\n")
    agent = rig.agent(server, mode_at_start="off")
    answer = server.set_mode(ON, confirm_within=Duration(seconds=4))
    assert answer.current == ON and 0 < answer.reverts_in.ToSeconds() <= 4
    assert rig.pinger().ping()
    server.kill()
    agent.source = None
    lost = rig.pinger().send()
    rig.fence()
    assert not rig.far.carrying(lost)
    agent.process.wait_for_line("mode on was not confirmed: mode off again")
    assert rig.pinger().ping()
    assert "inet sluice" not in rig.network.gateway.run("nft", "list", "tables")


def test_a_mode_that_is_set_again_is_confirmed_and_reading_does_not(rig):
    server = rig.server("default accept;\n")
    rig.agent(server, mode_at_start="off")
    code, said = server.sluicectl("mode", "gw", "on", "--confirm-within", "1h")
    assert code == 0 and "unless confirmed by: sluicectl mode gw on" in said, said
    for verb in ("mode", "stat"):
        code, said = server.sluicectl(verb, "gw")
        assert code == 0 and "reverts in " in said, said
    assert server.stats().HasField("mode_reverts_in")
    code, said = server.sluicectl("mode", "gw", "on")
    assert code == 0 and "was on, is now on" in said and "reverts" not in said, said
    assert not server.stats().HasField("mode_reverts_in")
    assert server.set_mode(READ).current == ON


def test_stopped_before_it_is_confirmed_the_mode_is_as_before(rig):
    agent = rig.agent(decider := rig.decider(drop_all), mode_at_start="off")
    decider.set_mode(ON, confirm_within=Duration(seconds=3600))
    agent.stop()
    assert rig.pinger().ping()


def test_an_agent_that_dies_before_the_mode_is_confirmed_comes_back_in_the_one_before(rig):
    agent = rig.agent(decider := rig.decider(drop_all), mode_at_start="off")
    decider.set_mode(ON, confirm_within=Duration(seconds=3600))
    agent.kill()
    lost = rig.pinger().send()
    rig.fence()
    assert not rig.far.carrying(lost)
    agent.start().wait_for_decider()
    assert agent.stats().mode == OFF
    assert rig.pinger().ping()


def test_mode_shadow_asks_and_forwards_whatever_the_answer(rig):
    agent = rig.agent(decider := rig.decider(drop_all), mode_at_start="off")
    assert decider.set_mode(SHADOW).current == SHADOW
    for version in (4, 6):
        assert rig.pinger(version).ping()
    total = agent.settle(4)
    assert total.shadow_dropped == 4
    assert agent.stats().asked == 4 and agent.stats().guard_dropped == 0


def test_mode_shadow_outlives_the_agent_and_its_decider(rig):
    agent = rig.agent(decider := rig.decider(drop_all), mode_at_start="off")
    decider.set_mode(SHADOW)
    agent.kill()
    assert rig.pinger().ping()
    agent.start().wait_for_decider()
    assert agent.stats().mode == SHADOW
    assert rig.pinger().ping()
    agent.settle(2)


def test_packets_pending_over_a_change_to_shadow_and_back_are_not_lost(rig):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s")
    first, second = rig.pinger(), rig.pinger()
    waiting = first.send()
    decider.wait_for_packets(1)
    decider.set_mode(SHADOW)
    assert first.answered(waiting, 5)
    decider.set_mode(ON)
    waiting = second.send()
    decider.wait_for_packets(3)
    assert not rig.far.carrying(waiting)
    decider.set_mode(OFF)
    assert second.answered(waiting, 5)
    total = agent.settle(3)
    assert total.flushed.dropped == 0 and total.mode_off.accepted >= 1


def test_nothing_passes_undecided_when_the_agent_starts_before_the_link(rig):
    rig.network.gateway.ip("link set client down")
    agent = rig.new_agent(servers=[f"unix:{rig.directory}/later.sock"]).start()
    rig.network.gateway.ip("link set client up")
    rig.fence()
    lost = [rig.pinger().send() for _ in range(5)]
    rig.fence()
    assert not rig.far.arrived(version=4)
    agent.source = rig.decider(accept_all, name="later")
    agent.wait_for_decider()
    assert rig.pinger().ping()
    assert agent.settle(7).no_decider.dropped == 5
    assert not [token for token in lost if rig.far.carrying(token)]


@pytest.mark.parametrize("fail_mode", ("closed", "open"))
def test_stopped_on_purpose_pending_packets_get_the_fallback(rig, fail_mode):
    agent = rig.agent(decider := rig.decider(mute), deadline="60s", fail_mode=fail_mode)
    sent = rig.pinger().send()
    decider.wait_for_packets(1)
    agent.stop()
    rig.fence()
    assert len(rig.far.carrying(sent)) == (1 if fail_mode == "open" else 0)


@pytest.mark.parametrize("on_stop, passes", (("keep", False), ("release", True)))
def test_stopped_on_purpose_the_rules_stay_or_go_as_configured(rig, on_stop, passes):
    agent = rig.agent(rig.decider(), on_stop=on_stop)
    agent.stop()
    sent = rig.pinger().send()
    rig.fence()
    assert bool(rig.far.carrying(sent)) == passes


def test_rules_of_others_are_never_touched(rig):
    rig.network.gateway.nft(
        """
        table ip theirs {
          chain forward { type filter hook forward priority filter; ct state invalid drop; }
        }
        table inet theirs {
          set guests { type ipv4_addr; elements = { 10.9.9.9 }; }
        }
        """
    )

    def theirs():
        return [
            rig.network.gateway.run("nft", "list", "table", family, "theirs")
            for family in ("ip", "inet")
        ]

    before = theirs()
    agent = rig.agent(decider := rig.decider(), on_stop="release")
    assert rig.pinger().ping()
    assert theirs() == before
    decider.set_mode(OFF)
    assert theirs() == before
    agent.check()
    agent.stop()
    assert theirs() == before


def test_rules_flushed_by_others_are_restored_and_counted(rig):
    agent = rig.agent(rig.decider(drop_all), older_kernel=True)
    rig.network.gateway.run("nft", "flush", "ruleset")
    agent.until(lambda stats, _: stats.hook_lost == 1)
    dropped = rig.pinger().send()
    agent.settle(1)
    rig.network.gateway.run("nft", "flush", "chain", "inet", "sluice", "ask")
    agent.until(lambda stats, _: stats.hook_lost == 2)
    assert not rig.far.carrying(dropped)


def test_rules_managed_by_hand(rig):
    for command in ("iptables", "ip6tables"):
        rig.network.gateway.run(
            command, "-t", "mangle", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", "7"
        )
    agent = rig.agent(
        decider := rig.decider(drop_all), **BY_HAND, queues={"first": 7}
    )
    dropped = [rig.pinger(version).send() for version in (4, 6)]
    assert agent.settle(2).dropped == 2
    decider.script = accept_all
    assert rig.pinger(4).ping() and rig.pinger(6).ping()
    assert not [token for token in dropped if rig.far.carrying(token)]
    assert "inet sluice" not in rig.network.gateway.run("nft", "list", "tables")
