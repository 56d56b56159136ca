"""The files of a policy: sets, which are read again when they change, and included files."""

import os

import pytest
from namespaces import Network
from processes import SERVER, run
from sluice.v1 import control_pb2

BLOCKED = 'set blocked from "{}";\nfrom @blocked to any reject;\nfrom any to @blocked reject;\ndefault accept;\n'
AGAIN = "set files were read again"


def replace(path, text):
    """Replaces a file as a careful writer does: readers see the old file or the new one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.rename(new, path)


def version(server):
    return server.control.GetPolicy(control_pb2.GetPolicyRequest(), timeout=5).policy.version


def test_a_set_file_is_replaced_under_traffic(rig):
    path = rig.directory / "blocked"
    path.write_text("192.0.2.1\n")
    server = rig.server(BLOCKED.format(path))
    agent = rig.agent(server)
    pinger = rig.pinger()
    assert pinger.ping()

    before = server.process.line_count()
    replace(path, f"192.0.2.1\n{Network.CLIENT[4]}\n")
    server.process.wait_for_line(AGAIN, after=before)
    dropped = pinger.send()
    assert agent.settle(3).dropped == 1
    assert version(server) == 1

    # The file is gone: its last content stays in force, and the log says so.
    before = server.process.line_count()
    path.unlink()
    server.process.wait_for_line(f"{path}.*No such file.*stay in force", after=before)
    dropped += pinger.send()
    assert agent.settle(4).dropped == 2
    assert version(server) == 1

    before = server.process.line_count()
    path.write_text("")
    server.process.wait_for_line(AGAIN, after=before)
    assert pinger.ping()
    assert agent.settle(6).dropped == 2
    arrived = b"".join(p.payload for p in rig.far.arrived())
    assert dropped not in arrived


@pytest.mark.parametrize(
    "published",
    (
        b"; Spamhaus DROP List\n{}/32 ; SBL1\n",
        b"\xef\xbb\xbf# FireHOL\r\n{}\r\n",
        b"# IPsum\r{}\t7\r",
        b"10.0.0.0-{}\n",
    ),
)
def test_lists_load_as_they_are_published(rig, published):
    path = rig.directory / "blocked"
    path.write_bytes(published.replace(b"{}", Network.CLIENT[4].encode()))
    server = rig.server(BLOCKED.format(path))
    agent = rig.agent(server)
    rig.pinger().send()
    assert agent.settle(1).dropped == 1


def test_a_line_that_is_no_address_is_named(rig):
    path = rig.directory / "blocked"
    path.write_text("10.0.0.1\nsecret\n")
    server = rig.server("default reject;")
    policy = rig.directory / "next.policy"
    policy.write_text(BLOCKED.format(path))
    code, said = server.sluicectl("policy", "check", policy)
    assert code == 1
    assert f"{policy}:1:18: line 2 of `{path}`: it has no address" in said


@pytest.mark.parametrize("verb", ("check", "apply", "trial", "explain", "test"))
def test_a_policy_has_the_server_read_no_other_files(rig, verb):
    outside = rig.directory.parent / f"{rig.directory.name}.secret"
    outside.write_text("10.0.0.1\n")
    (rig.directory / "link").symlink_to(outside)
    server = rig.server("default reject;", options=["--set-dir", rig.directory])
    capture = rig.directory / "empty.pcap"
    capture.write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
    more = {
        "trial": ["--count", "1"],
        "test": [capture, "--policy"],
        "explain": ["10.0.0.1", "10.0.0.2", "icmp", "--policy"],
    }.get(verb, [])
    policy = rig.directory / "next.policy"
    try:
        for path in (outside, rig.directory / "link", "/etc/shadow", "/no/such/file"):
            policy.write_text(BLOCKED.format(path))
            words = [*more, policy] if verb in ("test", "explain") else [policy, *more]
            code, said = server.sluicectl("policy", verb, *words)
            assert code == 1
            assert f"cannot read `{path}`: files of sets are read below {rig.directory} only" in said
    finally:
        outside.unlink()


def test_a_policy_applied_later_is_watched_too(rig):
    path = rig.directory / "blocked"
    path.write_text("")
    server = rig.server("default reject;")
    agent = rig.agent(server)
    server.apply(BLOCKED.format(path))
    pinger = rig.pinger()
    assert pinger.ping()
    before = server.process.line_count()
    replace(path, f"{Network.CLIENT[4]}\n")
    server.process.wait_for_line(AGAIN, after=before)
    pinger.send()
    assert agent.settle(3).dropped == 1


def folder_of_policy(rig, name):
    folder = rig.directory / name
    (folder / "lists").mkdir(parents=True)
    (folder / "main").write_text('include "lists/services";\ndefault reject;\n')
    (folder / "lists/services").write_text('include "pings";\n')
    (folder / "lists/pings").write_text("# pings\nbetween any and any icmp type infotype accept;\n")
    return folder


def test_an_included_file_decides(rig):
    folder = folder_of_policy(rig, "policy.d")
    server = rig.server("default reject;")
    agent = rig.agent(server)
    code, said = server.sluicectl("policy", "apply", folder / "main")
    assert code == 0, said
    assert rig.pinger().ping()
    agent.settle(2)
    reasons = {d.decision.reason for d in server.decisions() if d.HasField("decision")}
    assert "rule 1, lists/pings line 2" in reasons
    policy = server.control.GetPolicy(control_pb2.GetPolicyRequest(), timeout=5).policy
    assert [f.name for f in policy.files] == ["lists/services", "lists/pings"]


def test_what_is_wrong_in_an_included_file_is_shown_there(rig):
    folder = folder_of_policy(rig, "policy.d")
    server = rig.server("default reject;")
    (folder / "lists/pings").write_text("from any two any accept;\n")
    for verb in ("check", "apply"):
        code, said = server.sluicectl("policy", verb, folder / "main")
        assert code == 1
        assert f"{folder}/lists/pings:1:10: " in said
        assert "  from any two any accept;\n           ^~~\n" in said
    code, said = run(SERVER, "--policy", folder / "main", "--listen", f"unix:{rig.directory}/s.sock")
    assert code == 2
    assert f"{folder}/lists/pings:1:10: " in said and "\n           ^~~" in said

    (folder / "lists/pings").unlink()
    for argv in (("check", folder / "main"), ("apply", folder / "main")):
        code, said = server.sluicectl("policy", *argv)
        assert code == 1
        assert f"{folder}/lists/services:1:9: cannot read {folder}/lists/pings: No such file" in said
    code, said = run(SERVER, "--policy", folder / "main", "--listen", f"unix:{rig.directory}/s.sock")
    assert code == 2
    assert f"{folder}/lists/services:1:9: " in said and "No such file" in said
    assert version(server) == 1


def test_the_server_begins_with_included_files(rig):
    folder = folder_of_policy(rig, "policy.d")
    server = rig.server((folder / "main").read_text().replace("lists/", "policy.d/lists/"))
    rig.agent(server)
    assert rig.pinger().ping()


def test_rules_that_never_decide_are_warned_of(rig):
    server = rig.server("default reject;")
    path = rig.directory / "covered"
    path.write_text("from any to any tcp port 25 reject;\nfrom any to 10.0.2.2 tcp port 25 accept;\n")
    code, said = server.sluicectl("policy", "check", path)
    assert code == 0
    assert f"{path}:2:1: warning: shadowed: rule 1, line 1, " in said
    code, said = server.sluicectl("policy", "apply", path)
    assert code == 0 and "warning: shadowed" in said
