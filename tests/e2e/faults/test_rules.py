"""Others flush, delete or alter the agent's rules while traffic goes on: the kernel does not let
them. An older kernel does. Then the agent restores the rules at once and counts that, and in closed
mode the guard holds as long as it is there."""

import re
import time

import pytest
from processes import AGENT, run
from steady import ALLOWED, DROPPED, Steady, decide

both_modes = pytest.mark.parametrize("fail_mode", ("closed", "open"))
RESTORED_WITHIN = 1.0  # seconds; some ten milliseconds on an idle machine

WHOLE = {
    "flush_ruleset": ("flush", "ruleset"),
    "delete_table": ("delete", "table", "inet", "sluice"),
}
PARTS = {
    "flush_ask": ("flush", "chain", "inet", "sluice", "ask"),
    "flush_exempt": ("flush", "chain", "inet", "sluice", "exempt"),
    "flush_remember": ("flush", "chain", "inet", "sluice", "remember"),
    "flush_notify": ("flush", "chain", "inet", "sluice", "notify"),
    "flush_guard": ("flush", "chain", "inet", "sluice", "guard"),
    "flush_prepare": ("flush", "chain", "inet", "sluice", "prepare"),
    "add_a_rule": ("insert", "rule", "inet", "sluice", "ask", "accept"),
    "flush_table": ("flush", "table", "inet", "sluice"),
}


def named(table):
    return pytest.mark.parametrize("change", table.values(), ids=table.keys())


def table_of(rig):
    """The agent's rules, without counters and generation: restoring them forgets all verdicts, so
    accepted connections have another mark afterwards."""
    listed = rig.network.gateway.run("nft", "list", "table", "inet", "sluice")
    listed = re.sub(r"ct mark (set ct mark & 0x[89a-f]\w{7} \| )?0x[89a-f]\w{7}", "generation", listed)
    return re.sub(r"packets \d+ bytes \d+", "", listed)


def change_and_wait(rig, agent, change):
    """Another program changes the rules; returns the times just before and when they were back."""
    made, said = table_of(rig), agent.process.line_count()
    began = time.monotonic()
    rig.network.gateway.run("nft", *change)
    changed = time.monotonic()
    agent.process.wait_for_line("changed by another program; restored", after=said)
    restored = time.monotonic()
    assert restored - changed < RESTORED_WITHIN
    assert table_of(rig) == made
    return began, restored


@both_modes
def test_nobody_else_changes_the_rules(rig, fail_mode):
    """Each change again and again, faster than it could be repaired."""
    agent = rig.agent(rig.decider(decide), fail_mode=fail_mode)
    steady = Steady(rig)
    steady.passes(0)
    made = table_of(rig)
    for _ in range(3):
        for change in (*WHOLE.values(), *PARTS.values()):
            code, said = run("nft", *change, namespace=rig.network.gateway)
            # Allowed, so that a firewall can still load its rules anew.
            assert code == (0 if change == WHOLE["flush_ruleset"] else 1), said
            assert not code or "Operation not permitted" in said, said
            steady.sends(5)
    assert table_of(rig) == made
    steady.balance(agent, fail_mode == "open")
    assert not steady.passed(DROPPED) and not steady.lost(ALLOWED)
    assert agent.stats().hook_lost == 0 and agent.stats().guard_dropped == 0


WAYS_OUT = {
    "release": (AGENT, "--release"),
    **{name: ("nft", *change) for name, change in WHOLE.items()},
}


@named(WAYS_OUT)
def test_rules_of_an_agent_that_was_killed(rig, change):
    """They stay, and drop packets, until somebody removes them; now anybody can."""
    agent = rig.agent(rig.decider(decide))
    steady = Steady(rig)
    steady.passes(0)
    for _ in range(2):
        agent.kill()
        killed = time.monotonic()
        reached = steady.sends(50)
        assert not steady.passed(ALLOWED) & steady.sent(ALLOWED, killed, reached)
        agent.start()
        steady.resumes(time.monotonic())
    agent.kill()
    steady.sends(20)
    code, said = run(*change, namespace=rig.network.gateway)
    assert code == 0, said
    opened = time.monotonic()
    assert not steady.passed(DROPPED) & steady.sent(DROPPED, until=opened - 0.25)
    steady.passes(opened, DROPPED)
    steady.stop()
    assert not steady.lost(ALLOWED, opened)


@both_modes
@named(WHOLE)
def test_table_gone(rig, fail_mode, change):
    """Packets pass unasked until the table is back, and not after that."""
    agent = rig.agent(rig.decider(decide), older_kernel=True, fail_mode=fail_mode)
    steady = Steady(rig)
    steady.passes(0)
    began, restored = change_and_wait(rig, agent, change)
    steady.resumes(restored)
    steady.stop()
    agent.until(lambda s, t: s.hook_lost == 1 and t.pending == 0)
    assert steady.passed(DROPPED) <= steady.sent(DROPPED, began - 0.25, restored)
    assert not steady.lost(ALLOWED, restored)


@named(PARTS)
def test_rules_altered(rig, change):
    """Where the ask rule or the guard is altered, the other one still stops packets."""
    agent = rig.agent(rig.decider(decide), older_kernel=True)
    steady = Steady(rig)
    steady.passes(0)
    _, restored = change_and_wait(rig, agent, change)
    steady.resumes(restored)
    steady.stop()
    agent.until(lambda s, t: s.hook_lost == 1 and t.pending == 0)
    assert not steady.passed(DROPPED)
    assert not steady.lost(ALLOWED, restored)
    # While packets meet the ask rule and the guard knows what is decided, restoring loses none.
    if change[-1] in ("exempt", "remember", "notify"):
        assert not steady.lost(ALLOWED)


def test_rules_altered_again_and_again(rig):
    agent = rig.agent(rig.decider(decide), older_kernel=True)
    steady = Steady(rig)
    for number in range(1, 11):
        steady.passes(time.monotonic())
        change_and_wait(rig, agent, PARTS["flush_ask"])
        agent.until(lambda s, _: s.hook_lost == number)
    steady.resumes(time.monotonic())
    steady.stop()
    agent.until(lambda s, t: t.pending == 0)
    assert not steady.passed(DROPPED)


def test_rules_that_others_keep_changing(rig):
    """They are restored, but at a limited rate; the log says who it was and is not flooded."""
    agent = rig.agent(rig.decider(decide), older_kernel=True)
    steady = Steady(rig)
    steady.passes(0)
    # In one process: a slow machine could not start many of them fast enough.
    loop = "yes 'delete table inet sluice' | timeout 4 nft -i >/dev/null 2>&1; true"
    began, said = time.monotonic(), agent.process.line_count()
    rig.network.gateway.run("sh", "-c", loop)
    ended = time.monotonic()
    line = agent.process.wait_for_line("changed by another program again and again", after=said)
    assert re.search(r"\(it was nft, process \d+\)", line.string)
    steady.resumes(ended)
    restored = agent.stats().hook_lost
    assert 10 < restored <= 10 + 10 * (time.monotonic() - began) + 1
    lines = agent.process.output.splitlines()[said:]
    assert sum("changed by another program" in line for line in lines) <= 13
    sent = steady.sends(50)
    steady.stop()
    assert not steady.passed(DROPPED) & steady.sent(DROPPED, sent)
    assert not steady.lost(ALLOWED, sent)


def test_rules_flushed_while_the_agent_is_dead(rig):
    """Nobody is there to restore them; the next agent does."""
    agent = rig.agent(rig.decider(decide))
    steady = Steady(rig)
    agent.kill()
    rig.network.gateway.run("nft", "flush", "ruleset")
    flushed = time.monotonic()
    steady.passes(flushed, DROPPED)
    agent.start()
    ready = time.monotonic()
    steady.resumes(ready)
    steady.sends(50)
    steady.stop()
    agent.settle(1)
    assert not steady.passed(DROPPED) & steady.sent(DROPPED, ready)
