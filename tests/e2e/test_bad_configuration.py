"""Wrong configurations and policies, and machines that lack something: a clear error says where it
is and what to do, with the exit code that belongs to it."""

import pathlib

import pytest
from processes import AGENT, SERVER, run

GOOD = 'servers: ["10.0.2.2:7654"]\nuser: nobody\n'


@pytest.fixture
def agent(rig):
    """Runs sluice-agent with a configuration; returns (exit code, what it printed)."""

    def start(text, *options, user=None):
        path = rig.directory / "agent.yaml"
        path.write_text(text)
        path.chmod(0o644)
        unprivileged = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"]
        argv = [*(unprivileged if user else ()), AGENT, "--config", path, *options]
        return run(*argv, namespace=rig.network.gateway)

    return start


@pytest.mark.parametrize(
    "text, where, key",
    (
        ("gatway: gw1\n", "3:1", "gatway"),
        ("deadline: 50\n", "3:11", "deadline"),
        ("deadline: 61s\n", "3:11", "deadline"),
        ("deadline: soon\n", "3:11", "deadline"),
        ("copy_range: 65532\n", "3:13", "copy_range"),
        ("max_pending: 0\n", "3:14", "max_pending"),
        ("fail_mode: ajar\n", "3:12", "fail_mode"),
        ("mode_at_start: maybe\n", "3:16", "mode_at_start"),
        ("queues:\n  count: 65\n", "4:10", "queues.count"),
        ("queues:\n  first: 65500\n  count: 64\n", "", "queues"),
        ("queues:\n  lenght: 1\n", "4:3", "queues.lenght"),
        ("queues: 3\n", "3:9", "queues"),
        ("hook:\n  mark_mask: 0xf0f0\n", "4:14", "hook.mark_mask"),
        ("log_level: loud\n", "3:12", "log_level"),
        ("gateway: [\n", "", ""),
        ("\tgateway: gw1\n", "3:1", ""),
        ("user: nobody\n", "3:", "user"),
    ),
)
def test_a_wrong_configuration_is_refused_with_file_line_and_key(rig, agent, text, where, key):
    code, said = agent(GOOD + text)
    assert code == 2, said
    assert f"{rig.directory}/agent.yaml:{where}" in said
    assert key in said


def test_unquoted_on_and_off_are_words(rig, agent):
    code, said = agent(GOOD + "mode_at_start: off\nconntrack: { events: false }\n", "--check")
    assert code == 1 and "agent.yaml" not in said, said  # 1, as there is no such server


def test_a_configuration_without_servers_is_refused(agent):
    code, said = agent("gateway: gw1\n")
    assert code == 2 and "servers" in said


def test_a_configuration_that_is_not_there(rig):
    code, said = run(AGENT, "--config", rig.directory / "missing.yaml")
    assert code == 2 and "missing.yaml" in said and "No such file" in said


def test_a_wrong_option_is_a_usage_error():
    for program in (AGENT, SERVER):
        code, said = run(program, "--no-such-option")
        assert code == 2 and "no-such-option" in said


def test_help_says_what_there_is():
    for program, option in ((AGENT, "--check"), (SERVER, "--policy")):
        code, said = run(program, "--help")
        assert code == 0 and option in said


def test_without_permission_the_agent_says_what_it_lacks(agent):
    code, said = agent(GOOD, user="nobody")
    assert code == 2, said
    assert "CAP_NET_ADMIN" in said


def test_rights_of_another_user_namespace_are_none(rig):
    """As in a container: root and all capabilities, but not in the gateway's network namespace."""
    path = rig.directory / "agent.yaml"
    path.write_text('servers: ["10.0.2.2:7654"]\nuser: ""\n')
    argv = ["unshare", "--user", "--map-root-user", AGENT, "--config", path]
    code, said = run(*argv, namespace=rig.network.gateway)
    assert code == 2, said
    assert "CAP_NET_ADMIN" in said


def test_a_queue_of_another_program_may_come_free(rig, agent):
    rig.agent(rig.decider())
    code, said = agent(GOOD + "hook: { manage: false }\n")
    assert code == 1, said
    assert "queue 0: owned by" in said


@pytest.mark.parametrize("option", ("--check", "--release", None))
def test_a_kernel_without_nfnetlink_is_named_as_the_cause(rig, option):
    path = rig.directory / "agent.yaml"
    path.write_text(GOOD)
    launcher = ["/usr/bin/python3", pathlib.Path(__file__).with_name("harness") / "lesser_kernel.py"]
    argv = [*launcher, AGENT, "--config", path, *([option] if option else ())]
    code, said = run(*argv, namespace=rig.network.gateway)
    assert code == 1, said
    assert "Protocol not supported" in said and "netlink" in said, said


def test_a_user_that_does_not_exist(agent):
    code, said = agent('servers: ["10.0.2.2:7654"]\nuser: no-such-user\n')
    assert code == 2 and "no-such-user" in said


def test_check_says_that_all_is_well(rig, agent):
    server = rig.server()
    code, said = agent(f'servers: ["{server.address}"]\nuser: nobody\n', "--check")
    assert code == 0, said
    assert "FAIL" not in said and said.count("ok") > 3


def test_check_without_permission_or_server_fails_line_by_line(agent):
    code, said = agent(GOOD, "--check", user="nobody")
    assert code == 1, said
    failed = [line for line in said.splitlines() if "FAIL" in line]
    assert any("CAP_NET_ADMIN" in line for line in failed), said
    assert any("10.0.2.2:7654" in line for line in failed), said


def test_check_says_who_has_the_queue(rig, agent):
    owner = rig.agent(rig.decider(), queues={"first": 4})
    code, said = agent(
        f'servers: ["{owner.source.address}"]\nuser: nobody\nqueues: {{ first: 4 }}\n', "--check"
    )
    assert code == 0, said  # an agent that has it is no fault
    about = [line for line in said.splitlines() if "queue 4 is owned" in line]
    assert about and str(owner.process.pid) in about[0] and "sluice-agent" in about[0], said


def test_the_agent_keeps_one_capability_and_no_more(rig):
    agent = rig.agent(rig.decider())
    status = dict(
        line.split(":\t", 1)
        for line in open(f"/proc/{agent.process.pid}/status", encoding="ascii").read().splitlines()
    )
    net_admin = f"{1 << 12:016x}"
    assert set(status["Uid"].split()) == {"65534"}
    assert status["CapEff"] == status["CapPrm"] == net_admin
    assert status["CapBnd"] in (net_admin, f"{0:016x}")
    assert status["NoNewPrivs"] == "1"


def test_a_broken_policy_file_keeps_the_server_from_starting(rig):
    path = rig.directory / "policy"
    path.write_text("default reject;\nfrom any to host 10.0.0.300 accept;\n")
    code, said = run(SERVER, "--policy", path, "--listen", f"unix:{rig.directory}/s.sock")
    assert code == 2
    assert f"{path}:2:" in said


def test_a_policy_file_that_is_not_there(rig):
    code, said = run(SERVER, "--policy", rig.directory / "missing")
    assert code in (1, 2) and "missing" in said


def test_an_address_that_cannot_be_listened_on(rig):
    server = rig.server()
    code, said = run(SERVER, "--listen", server.address, namespace=rig.network.server)
    assert code == 1 and server.address in said
    code, said = run(SERVER, "--listen", "nonsense", namespace=rig.network.server)
    assert code == 2 and "nonsense" in said
