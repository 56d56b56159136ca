"""Safe changes of the policy, with real packets: versions, rollback, trials."""

import contextlib
import json
import subprocess
import time

import pytest
from namespaces import Network

REJECT, ACCEPT = "default reject;\n", "default accept;\n"


@pytest.fixture
def policies(rig):
    """Paths of policy files that reject and that accept everything."""
    files = []
    for name, text in (("reject.policy", REJECT), ("accept.policy", ACCEPT)):
        files.append(rig.directory / name)
        files[-1].write_text(text)
    return files


def ctl(server, *argv):
    code, said = server.sluicectl("policy", *argv)
    assert code == 0, said
    return said


def passes_again(pinger):
    """Waits until a ping passes."""
    end = time.monotonic() + 10
    while not pinger.ping(timeout=0.2):
        assert time.monotonic() < end, "no ping passes"


def test_apply_diff_and_rollback(rig, policies):
    server = rig.server(ACCEPT)
    rig.agent(server)
    pinger = rig.pinger()
    assert pinger.ping()
    ctl(server, "apply", policies[0], "--author", "alice")
    assert not pinger.ping(timeout=0.3)
    code, said = server.sluicectl("policy", "diff")
    assert code == 1 and "-default accept;\n+default reject;" in said
    code, said = server.sluicectl("policy", "diff", policies[0])
    assert (code, said) == (0, "")
    assert "now version 3" in ctl(server, "rollback")
    assert pinger.ping()
    history = [json.loads(line) for line in ctl(server, "history", "-o", "json").splitlines()]
    assert [p["version"] for p in history] == ["3", "2", "1", "0"]
    assert history[1]["author"] == "alice"
    assert "@" in history[0]["author"]
    assert ctl(server, "show", "2").strip() == REJECT.strip()


def test_a_colleagues_policy_is_not_overwritten(rig, policies):
    server = rig.server(ACCEPT)
    ctl(server, "apply", policies[1], "--if-version", "1", "--author", "alice@desk")
    code, said = server.sluicectl("policy", "apply", policies[0], "--if-version", "1")
    assert code == 1
    assert "the policy now is version 2, applied by alice@desk at 2" in said
    assert "now version 2" not in said


def test_who_is_locked_out_need_only_wait(rig, policies):
    server = rig.server(ACCEPT)
    rig.agent(server)
    pinger = rig.pinger()
    assert pinger.ping()
    said = ctl(server, "apply", policies[0], "--confirm-within", "1s")
    assert "unless confirmed by: sluicectl policy confirm 2" in said
    assert not pinger.ping(timeout=0.2)
    passes_again(pinger)
    server.process.wait_for_line("policy 2 was not confirmed in time")
    server.process.wait_for_line("policy 3 is 1 again")
    # A rollback does not bring back the policy that locked everybody out.
    assert "version 1 again" in ctl(server, "rollback")
    assert pinger.ping()


def test_what_is_confirmed_stays(rig, policies):
    server = rig.server(REJECT)
    rig.agent(server)
    pinger = rig.pinger()
    ctl(server, "apply", policies[1], "--confirm-within", "1s")
    ctl(server, "confirm", "2")
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert pinger.ping()
    code, said = server.sluicectl("policy", "confirm")
    assert code == 1 and "policy 2 stays anyway" in said


def test_versions_outlive_the_server(rig, policies):
    server = rig.server(options=["--state", rig.directory / "state"])
    rig.agent(server)
    pinger = rig.pinger()
    ctl(server, "apply", policies[1], "--author", "alice")
    assert pinger.ping()
    ctl(server, "apply", policies[0], "--confirm-within", "1h")
    assert not pinger.ping(timeout=0.2)
    server.kill()
    server.start()
    # The policy that nobody confirmed is reverted; the one before it is in force.
    passes_again(pinger)
    history = [json.loads(line) for line in ctl(server, "history", "-o", "json").splitlines()]
    assert [(p["version"], p["author"]) for p in history[:1] + history[2:3]] == [
        ("3", "sluice-server"),
        ("1", "alice"),
    ]
    assert ctl(server, "show", "2").strip() == REJECT.strip()
    assert server.stop() == 0
    server.start()
    assert "version 3" in ctl(server, "apply", policies[0]).splitlines()[0]


def test_two_servers_do_not_share_a_folder(rig):
    state = rig.directory / "state"
    rig.server(options=["--state", state])
    with pytest.raises(AssertionError, match="in use by another sluice-server, process"):
        rig.server(address=f"{Network.SERVER[4]}:7655", options=["--state", state])


def test_a_full_disk_leaves_the_old_policy(rig, policies):
    full = rig.directory / "full"
    full.mkdir()
    server = rig.server(ACCEPT, options=["--state", full])
    rig.agent(server)
    pinger = rig.pinger()
    assert pinger.ping()
    # A folder where the next version is to be written makes that fail, as a full disk does.
    (full / "policies" / "policy-000002.new").mkdir()
    code, said = server.sluicectl("policy", "apply", policies[0])
    assert code == 1
    assert "policy 2 cannot be kept in" in said
    assert pinger.ping()
    (full / "policies" / "policy-000002.new").rmdir()
    ctl(server, "apply", policies[0])
    assert not pinger.ping(timeout=0.2)


def test_a_trial_counts_what_would_differ(rig, policies):
    server = rig.server(ACCEPT)
    agent = rig.agent(server)
    pinger = rig.pinger()
    datagrams = rig.datagrams()
    tried = rig.directory / "next.policy"
    tried.write_text("between any and any proto icmp accept;\ndefault reject;\n")
    trial = rig.background(
        server.sluicectl, "policy", "trial", tried, "--count", "30", "-o", "json"
    )
    end = time.monotonic() + 15
    sent = 0
    while not trial.done():
        assert time.monotonic() < end
        assert pinger.ping()
        datagrams.send(Network.SERVER[4], 9)
        sent += 1
    code, said = trial.result()
    assert code == 0, said
    last = json.loads(said.splitlines()[-1])
    packets, differing = int(last["packets"]), int(last["differing"])
    assert packets >= 30
    # Of each three packets (a request, a reply, a datagram) the datagram would be dropped.
    assert abs(3 * differing - packets) <= 3
    difference = [json.loads(line) for line in said.splitlines() if "differences" in line][-1]
    difference = difference["differences"][0]
    assert difference["live"]["action"] == "ACTION_ACCEPT"
    assert difference["tried"]["action"] == "ACTION_DROP"
    assert difference["gateway"] == "gw"
    assert difference["example"]["headers"]["destinationPort"] == 9
    total = agent.until(lambda s, t: t.received >= 3 * sent and t.pending == 0)
    assert total.accepted == total.received == 3 * sent


@contextlib.contextmanager
def read_only(folder):
    """Makes the folder read-only, as on a disk that was mounted so."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_state_folder_that_cannot_be_written(rig, policies):
    state = rig.directory / "state"
    server = rig.server(options=["--state", state])
    ctl(server, "apply", policies[1])
    assert server.stop() == 0
    with read_only(state):
        server.start()
        why = rf"cannot be kept in {state}/policies: Read-only file system"
        server.process.wait_for_line(f"policies {why}: changes of the policy are refused")
        agent = rig.agent(server)
        pinger = rig.pinger()
        assert pinger.ping()
        for verb in (("apply", policies[0]), ("rollback",)):
            code, said = server.sluicectl("policy", *verb)
            assert code == 1
            assert f"policy 2 {why}" in said
        assert pinger.ping()
        # The policy that a server is started with is in force all the same.
        server.stop()
        agent.source = other = rig.server(REJECT, options=["--state", state])
        other.process.wait_for_line(f"policy 2 {why}; it is in force all the same")
        assert not pinger.ping(timeout=0.5)
