"""Policies name hosts, and the DNS server that is asked for them is dead or slow."""

import signal
import time

import grpc
import pytest
from namespaces import Network
from sluice.v1 import control_pb2

NAME = "mail.test"
# The server has threads for this many policies of one peer that wait for DNS.
ASKERS = 8
CLIENT = Network.CLIENT[4]
NOBODY = "10.0.1.99"


def accept_host(name):
    return f"between host {name} and any accept;\n"


@pytest.fixture
def state(rig):
    """Options of a server that keeps its policies."""
    return ["--state", rig.directory / "state"]


@pytest.fixture(params=("fails", "silent"))
def kill(request):
    """Makes a resolver answer SERVFAIL, or say nothing."""
    return lambda resolver: setattr(resolver, request.param, True)


def write(rig, text, name="next.policy"):
    path = rig.directory / name
    path.write_text(text)
    return path


def restart(server, **options):
    assert server.stop() == 0
    server.start(**options)


def version_now(server):
    """The version of the policy in force, and its text."""
    policy = server.control.GetPolicy(control_pb2.GetPolicyRequest(), timeout=5).policy
    return policy.version, policy.text


def hosts_file(rig, version):
    return rig.directory / f"state/policies/policy-{version:06}.hosts"


def ends_within_a_second(server):
    """Ends it by SIGTERM, in time; returns its exit code."""
    begin = time.monotonic()
    code = server.process.stop()
    # A second is promised; the machine may be busy.
    assert time.monotonic() - begin < 2
    return code


def test_a_policy_without_names_never_waits_for_one_with(rig):
    resolver = rig.resolver(patience=30)
    server = rig.server("default reject;", resolver=resolver)
    resolver.silent = True
    waiting = []
    for i in range(ASKERS + 2):
        policy = control_pb2.PolicyText(text=accept_host(f"host{i}.test"))
        request = control_pb2.CheckPolicyRequest(policy=policy)
        waiting.append(server.control.CheckPolicy.future(request, timeout=60))
    resolver.wait_for_names(ASKERS)
    next_policy = write(rig, "from any to any accept;\n")
    for verb in (
        ["check", next_policy],
        ["explain", CLIENT, "10.0.2.2", "icmp", "--policy", next_policy],
        ["trial", next_policy, "--for", "1s"],
        ["apply", next_policy],
        ["rollback"],
    ):
        code, said = server.sluicectl("policy", *verb)
        assert code == 0, (verb, said)
    assert not any(call.done() for call in waiting)
    assert ends_within_a_second(server) == 0


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
@pytest.mark.parametrize("kept", (False, True), ids=("--policy", "--state"))
def test_a_start_that_waits_for_dns_can_be_stopped(rig, state, kept, number):
    resolver = rig.resolver(patience=30)
    resolver.names[NAME] = [CLIENT]
    if kept:
        server = rig.server(accept_host(NAME), resolver=resolver, options=state)
        assert server.stop() == 0
        hosts_file(rig, 1).unlink()
        resolver.silent = True
        server = rig.server(resolver=resolver, options=state, ready=False)
    else:
        resolver.silent = True
        server = rig.server(accept_host(NAME), resolver=resolver, ready=False)
    resolver.wait_for_another(NAME)
    server.process.signal(signal.SIGHUP)  # only a started server reacts to it
    begin = time.monotonic()
    server.process.signal(number)
    assert server.process.wait() == 0
    assert time.monotonic() - begin < 2
    assert "stopping before it was ready" in server.process.output


def test_a_restart_without_dns_decides_by_what_names_meant(rig, state, kill):
    resolver = rig.resolver()
    resolver.names[NAME] = [CLIENT, "fd00:1::2"]
    server = rig.server("default reject;", resolver=resolver, options=state, name="first")
    assert server.sluicectl("policy", "apply", write(rig, accept_host(NAME)))[0] == 0
    assert server.stop() == 0
    kill(resolver)
    server = rig.server(resolver=resolver, options=state)
    assert version_now(server) == (2, accept_host(NAME))
    server.process.wait_for_line(
        r"policy 2: host `mail.test` cannot be looked up now: .*; it means what it meant before, "
    )
    rig.agent(server)
    pinger = rig.pinger()
    assert pinger.ping()
    # DNS is back, and says something else.
    resolver.names[NAME] = [NOBODY]
    resolver.fails = resolver.silent = False
    server.process.wait_for_line("policy 2: names have changed their meaning: mail.test", timeout=20)
    server.process.wait_for_line("policy 2: its names can be looked up again")
    assert not pinger.ping(timeout=0.3)
    assert version_now(server)[0] == 2


def test_a_policy_that_waits_for_its_names_decides_once_they_are_known(rig, state, kill):
    resolver = rig.resolver()
    resolver.names[NAME] = [CLIENT]
    server = rig.server("default reject;", resolver=resolver, options=state, name="first")
    assert server.sluicectl("policy", "apply", write(rig, accept_host(NAME)))[0] == 0
    assert server.stop() == 0
    hosts_file(rig, 2).write_text("damaged")
    kill(resolver)
    server = rig.server(resolver=resolver, options=state)
    assert version_now(server)[0] == 1
    said = server.process.output
    assert "policy-000002.hosts: not a file of names; its names are looked up anew" in said
    assert "policy 2 cannot decide until its names are known: 1:14: host `mail.test`" in said
    assert "policy 1 decides until policy 2 can" in said
    rig.agent(server)
    pinger = rig.pinger()
    assert not pinger.ping(timeout=0.3)
    resolver.fails = resolver.silent = False
    server.process.wait_for_line("policy 2 decides, now that its names are known", timeout=20)
    assert version_now(server) == (2, accept_host(NAME))
    assert pinger.ping()
    assert hosts_file(rig, 2).read_text().startswith("sluice names, format 1\n")


def test_a_new_policy_means_by_names_what_they_meant_before(rig, kill):
    resolver = rig.resolver()
    resolver.names[NAME] = [CLIENT]
    server = rig.server(accept_host(NAME), resolver=resolver)
    kill(resolver)
    code, said = server.sluicectl(
        "policy", "apply", write(rig, accept_host(NAME) + "default reject log;\n")
    )
    assert code == 0 and "now version 2" in said
    assert "next.policy:1:14: warning: host `mail.test` cannot be looked up now: " in said
    assert f"; it means what it meant before, {CLIENT}" in said
    server.process.wait_for_line("policy 2: host `mail.test` cannot be looked up now")
    # A name that was never known has no former meaning.
    with pytest.raises(grpc.RpcError) as failed:
        server.apply(accept_host("new.test"))
    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "1:14: host `new.test` cannot be looked up now: " in failed.value.details()
    resolver.fails = resolver.silent = False
    # Nor has a name that does not exist.
    with pytest.raises(grpc.RpcError) as failed:
        server.apply(accept_host("new.test"))
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "1:14: no host `new.test`: " in failed.value.details()
    assert version_now(server)[0] == 2
    server.process.wait_for_line("policy 2: its names can be looked up again", timeout=20)


def test_what_looks_at_policies_knows_what_names_meant(rig, kill):
    resolver = rig.resolver()
    resolver.names[NAME] = [CLIENT]
    server = rig.server(accept_host(NAME), resolver=resolver)
    kill(resolver)
    before = resolver.asked()
    code, said = server.sluicectl("policy", "explain", CLIENT, "10.0.2.2", "icmp")
    assert code == 0 and "between host mail.test and any accept" in said, said
    assert resolver.asked() == before, "the policy that decides is not looked up again"
    code, said = server.sluicectl("policy", "explain", NAME, "10.0.2.2", "icmp")
    assert code == 0 and "between host mail.test and any accept" in said, said
    path = write(rig, accept_host(NAME))
    for verb in (["check", path], ["trial", path, "--for", "1s"]):
        code, said = server.sluicectl("policy", *verb)
        assert code == 0, (verb, said)
    code, said = server.sluicectl("policy", "explain", "new.test", "10.0.2.2", "icmp")
    assert code != 0 and "host `new.test` cannot be looked up now" in said


def test_a_file_that_waits_for_its_names_is_applied_once_they_are_known(rig, state):
    resolver = rig.resolver()
    server = rig.server("default reject;", resolver=resolver, options=state)
    resolver.fails = True
    (rig.directory / "policy").write_text(accept_host(NAME))
    restart(server)
    assert version_now(server)[0] == 1
    assert "policy 1 decides until they can" in server.process.output
    resolver.names[NAME] = [CLIENT]
    resolver.fails = False
    server.process.wait_for_line("policy 2 decides, now that its names are known", timeout=20)
    assert version_now(server) == (2, accept_host(NAME))


@pytest.mark.parametrize("kept", (False, True), ids=("--policy", "--state"))
def test_a_start_with_nothing_to_fall_back_on_fails(rig, state, kill, kept):
    resolver = rig.resolver()
    resolver.names[NAME] = [CLIENT]
    if kept:
        server = rig.server(accept_host(NAME), resolver=resolver, options=state, name="first")
        assert server.stop() == 0
        hosts_file(rig, 1).unlink()
    kill(resolver)
    policy = None if kept else accept_host(NAME)
    server = rig.server(policy, resolver=resolver, options=state if kept else [], ready=False)
    assert server.process.wait() == 1
    assert "host `mail.test` cannot be looked up now" in server.process.output
    assert "there is no other policy to begin with" in server.process.output


def test_a_name_there_is_not_is_a_bad_policy(rig):
    server = rig.server(accept_host(NAME), resolver=rig.resolver(), ready=False)
    assert server.process.wait() == 2
    assert "no host `mail.test`" in server.process.output
