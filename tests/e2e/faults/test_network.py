"""The network between agent and server is cut, silently or with a reset, and mended."""

import contextlib
import time

import pytest
from steady import ALLOWED, POLICY, DROPPED, Steady

both_modes = pytest.mark.parametrize("fail_mode", ("closed", "open"))
DEADLINE = 0.05  # seconds; the preset
# A server that says nothing for 600 ms is taken for dead. The agent checks when a heartbeat is due,
# every 200 ms; the rest is for a busy machine.
SILENCE = 0.6
NOTICED_WITHIN = SILENCE + 0.2 + 0.2


@contextlib.contextmanager
def cut(rig, how):
    """Nothing that agent and server send reaches the other: nftables gives it this verdict."""
    server = rig.network.server
    server.nft(
        f"""
        table inet cut {{
          chain in {{ type filter hook input priority 0; tcp dport 7654 {how}; }}
          chain out {{ type filter hook output priority 0; tcp sport 7654 tcp flags != rst {how}; }}
        }}
        """
    )
    try:
        yield
    finally:
        server.run("nft", "delete", "table", "inet", "cut")


@both_modes
@pytest.mark.parametrize("how", ("drop", "reject with tcp reset"), ids=("silently", "with_a_reset"))
def test_network_cut(rig, fail_mode, how):
    agent = rig.agent(rig.server(POLICY), fail_mode=fail_mode, deadline=f"{DEADLINE}s")
    steady = Steady(rig)
    steady.passes(0)
    said = agent.process.line_count()
    with cut(rig, how):
        began = time.monotonic()
        agent.process.wait_for_line(r"queue 0: server .*; trying again", after=said)
        noticed = time.monotonic()
        assert noticed - began < (NOTICED_WITHIN if how == "drop" else SILENCE)
        ending = steady.sends_for(0.7)
    steady.resumes(time.monotonic())
    total = steady.balance(agent, fail_mode == "open")
    counted = total.no_decider.accepted + total.no_decider.dropped
    # Once it was noticed, nothing is stale any more.
    assert counted >= steady.both(noticed, ending - DEADLINE)
    counted += total.stale.accepted + total.stale.dropped
    assert counted >= steady.both(began, ending - DEADLINE)
    if fail_mode == "closed":
        assert not steady.passed(DROPPED)
        assert not steady.passed(ALLOWED) & steady.sent(ALLOWED, began, ending - DEADLINE)
    else:
        assert not steady.lost(ALLOWED)
        assert not steady.lost(DROPPED, began, ending - DEADLINE)
