"""sluice-agent --release: the way out when nothing else works."""

import pytest
from processes import AGENT, run


def release(rig, config="/nonexistent/agent.yaml"):
    return run(AGENT, "--config", config, "--release", namespace=rig.network.gateway)


def tables(rig):
    return rig.network.gateway.run("nft", "list", "tables")


def test_release_forwards_everything(rig):
    agent = rig.agent(rig.decider())
    agent.kill()
    for _ in range(2):  # the second time there is nothing to do, which is no error
        code, said = release(rig, agent.config)
        assert code == 0, said
    assert tables(rig) == ""
    assert rig.pinger().ping()


@pytest.mark.parametrize("text", (None, "servers: [\n", "queues: { first: 99999 }\n", "\xff\n"))
def test_release_reads_no_configuration(rig, text):
    agent = rig.agent(rig.decider(), queues={"first": 4, "count": 2}, hook={"mark_mask": 0xFF0})
    agent.kill()
    if text is None:
        agent.config.unlink()
    else:
        agent.config.write_text(text, encoding="latin-1")
    code, said = release(rig, agent.config)
    assert code == 0 and "is gone" in said, said
    assert tables(rig) == ""
    assert rig.pinger().ping()


def test_release_needs_no_other_program(rig):
    agent = rig.agent(rig.decider())
    agent.kill()
    code, said = run("/usr/bin/env", "-i", AGENT, "--release", namespace=rig.network.gateway)
    assert code == 0 and "is gone" in said, said


@pytest.mark.parametrize("mode", ("on", "off"))
def test_release_beside_a_running_agent_says_that_it_would_not_last(rig, mode):
    agent = rig.agent(
        rig.decider(), mode_at_start=mode, queues={"first": 7, "count": 2}
    )
    code, said = release(rig)
    assert code == 1 and "stop it first" in said, said
    who = f"process {agent.process.pid}, gateway gw, configuration {agent.config}"
    assert who in said, said
    assert rig.pinger().ping()
    assert agent.settle(2 if mode == "on" else 0).accepted == (2 if mode == "on" else 0)


def test_release_without_permission_says_what_it_lacks(rig):
    agent = rig.agent(rig.decider())
    agent.kill()
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", AGENT, "--release"]
    code, said = run(*argv, namespace=rig.network.gateway)
    assert code == 2 and "CAP_NET_ADMIN" in said, said
    assert "inet sluice" in tables(rig)
