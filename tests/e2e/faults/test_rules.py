"""Others flush, delete or alter the agent's rules while traffic goes on: they are back at once, it
is counted, and in closed mode the guard holds as long as it is there."""

import re
import time

import pytest
from steady import ALLOWED, REFUSED, Steady, decide

both_modes = pytest.mark.parametrize("fail_mode", ("closed", "open"))
RESTORED_WITHIN = 1.0  # seconds; some ten milliseconds where the machine has nothing else to do

WHOLE = {
    "flush_ruleset": ("flush", "ruleset"),
    "delete_table": ("delete", "table", "inet", "sluice"),
}
PARTS = {
    "flush_ask": ("flush", "chain", "inet", "sluice", "ask"),
    "flush_exempt": ("flush", "chain", "inet", "sluice", "exempt"),
    "flush_remember": ("flush", "chain", "inet", "sluice", "remember"),
    "flush_refuse": ("flush", "chain", "inet", "sluice", "refuse"),
    "flush_guard": ("flush", "chain", "inet", "sluice", "guard"),
    "flush_prepare": ("flush", "chain", "inet", "sluice", "prepare"),
    "add_a_rule": ("insert", "rule", "inet", "sluice", "ask", "accept"),
    "flush_table": ("flush", "table", "inet", "sluice"),
}


def named(table):
    return pytest.mark.parametrize("change", table.values(), ids=table.keys())


def table_of(rig):
    """The agent's rules, but for what counts and what numbers them: nothing is remembered over a
    restoration, so accepted connections have another mark."""
    listed = rig.network.gateway.run("nft", "list", "table", "inet", "sluice")
    listed = re.sub(r"ct mark (set ct mark & 0x[89a-f]\w{7} \| )?0x[89a-f]\w{7}", "generation", listed)
    return re.sub(r"packets \d+ bytes \d+", "", listed)


def change_and_wait(rig, agent, change):
    """Another program changes the rules; (just before, when they were back)."""
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
@named(WHOLE)
def test_table_gone(rig, fail_mode, change):
    """Packets pass unasked until it is back, and not after that."""
    agent = rig.agent(rig.decider(decide), fail_mode=fail_mode)
    steady = Steady(rig)
    steady.passes(0)
    began, restored = change_and_wait(rig, agent, change)
    steady.resumes(restored)
    steady.stop()
    agent.until(lambda s, t: s.hook_lost == 1 and t.pending == 0)
    assert steady.passed(REFUSED) <= steady.sent(REFUSED, began - 0.25, restored)
    assert not steady.lost(ALLOWED, restored)


@named(PARTS)
def test_rules_altered(rig, change):
    """Neither the ask rule nor the guard lets pass what the other would have stopped."""
    agent = rig.agent(rig.decider(decide))
    steady = Steady(rig)
    steady.passes(0)
    _, restored = change_and_wait(rig, agent, change)
    steady.resumes(restored)
    steady.stop()
    agent.until(lambda s, t: s.hook_lost == 1 and t.pending == 0)
    assert not steady.passed(REFUSED)
    assert not steady.lost(ALLOWED, restored)
    # While the ask rule is met, and the guard knows what is decided, nothing is lost to the repair.
    if change[-1] in ("exempt", "remember", "refuse"):
        assert not steady.lost(ALLOWED)


def test_rules_altered_again_and_again(rig):
    agent = rig.agent(rig.decider(decide))
    steady = Steady(rig)
    for number in range(1, 11):
        steady.passes(time.monotonic())
        change_and_wait(rig, agent, PARTS["flush_ask"])
        agent.until(lambda s, _: s.hook_lost == number)
    steady.resumes(time.monotonic())
    steady.stop()
    agent.until(lambda s, t: t.pending == 0)
    assert not steady.passed(REFUSED)


def test_rules_flushed_while_the_agent_is_dead(rig):
    """Nobody is there to put them back: they are with the next agent."""
    agent = rig.agent(rig.decider(decide))
    steady = Steady(rig)
    agent.kill()
    rig.network.gateway.run("nft", "flush", "ruleset")
    flushed = time.monotonic()
    steady.passes(flushed, REFUSED)
    agent.start()
    ready = time.monotonic()
    steady.resumes(ready)
    steady.sends(50)
    steady.stop()
    agent.settle(1)
    assert not steady.passed(REFUSED) & steady.sent(REFUSED, ready)
