"""What a caller chooses costs no packet: trials, costly policies, and names that do not resolve."""

import contextlib
import struct
import threading
import time

import grpc
import pytest
from namespaces import Network
from siege import BYSTANDER, Siege
from sluice.v1 import control_pb2

MIB = 1 << 20
TRIALS = 4  # as many as the server runs at once
TRIED_SECONDS = 5
DATAGRAMS_A_SECOND = 500
# A long program that matches no packet here: none has such a version, type of service or offset.
LONG = "ip[1] = 255" + "".join(f" or ip[{(0, 1, 6, 7)[i % 4]}] = {100 + i}" for i in range(60))
SHORT = "ip[1] = 255"
# With so many rules a packet costs a little less than the server allows, 300,000 steps.
ALLOWED = {LONG: 3_400, SHORT: 13_000}


def costly(rules, expression):
    """A policy that runs the expression so many times for each packet, and then accepts it."""
    return f'from any to any match "{expression}" reject;\n' * rules + "default accept;\n"


def allowed(expression):
    """The same, with the rules that are allowed."""
    return costly(ALLOWED[expression], expression)


def forbidden():
    """A policy that costs a little too much."""
    return costly(ALLOWED[SHORT] + 100, SHORT)


@contextlib.contextmanager
def datagrams(rig):
    """Sends many datagrams through the gateway meanwhile."""
    stopping = threading.Event()
    sender = rig.datagrams()

    def send():
        while not stopping.wait(1 / DATAGRAMS_A_SECOND):
            sender.send(Network.SERVER[4], 9)

    sending = rig.background(send)
    try:
        yield
    finally:
        stopping.set()
        sending.result(5)


def try_policy(siege, text):
    """A trial of the policy that has begun."""
    request = control_pb2.TryPolicyRequest(policy=control_pb2.PolicyText(text=text))
    trial = siege.server.control.TryPolicy(request, timeout=60)
    next(trial)
    return trial


def last_of(trials, seconds):
    """What each trial says after so long."""
    end = time.monotonic() + seconds
    said = [next(trial) for trial in trials]
    while time.monotonic() < end:
        said = [next(trial) for trial in trials]
    for trial in trials:
        trial.cancel()
    return said


def test_trials_of_costly_policies_lose_no_packet(rig):
    with Siege(rig, room=128 * MIB) as siege, datagrams(rig):
        trials = [try_policy(siege, allowed(LONG)) for _ in range(TRIALS)]
        for said in last_of(trials, TRIED_SECONDS):
            siege.expect(said.packets > 0, "a trial compared nothing")
            siege.expect(said.left_out > 0, "a trial had time for all packets")
            siege.expect(said.differing == 0, "a trial differs from the policy in force")


def test_trials_of_usual_policies_leave_hardly_anything_out(rig):
    """The control: as many trials, of as many packets."""
    with Siege(rig) as siege, datagrams(rig):
        trials = [try_policy(siege, costly(5, SHORT)) for _ in range(TRIALS)]
        for said in last_of(trials, TRIED_SECONDS):
            siege.expect(said.packets > DATAGRAMS_A_SECOND, f"only {said.packets} were compared")
            # Others may have the processor for a while.
            siege.expect(said.left_out < said.packets / 5, f"{said.left_out} were left out")


def test_a_policy_that_costs_too_much_is_refused(rig):
    server = rig.server("default accept;\n")
    rig.agent(server)
    pinger = rig.pinger()
    path = rig.directory / "costly.policy"
    capture = rig.directory / "empty.pcap"
    capture.write_bytes(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
    verbs = (
        ["check", path],
        ["apply", path],
        ["trial", path, "--for", "1s"],
        ["test", capture, "--policy", path],
        ["explain", Network.CLIENT[4], Network.SERVER[4], "icmp", "--policy", path],
    )
    path.write_text(forbidden())
    for verb in verbs:
        code, said = server.sluicectl("policy", *verb)
        assert code != 0, verb
        assert "costly.policy:1:1: a packet may cost " in said, (verb, said)
        assert "at most 300000 are allowed" in said and "rule 3, line 3: " in said, (verb, said)
    assert version_now(server) == 1
    path.write_text(allowed(SHORT))
    for verb in verbs:
        code, said = server.sluicectl("policy", *verb)
        assert code == 0, (verb, said)
    assert version_now(server) == 2
    assert pinger.ping()


def test_a_costly_policy_that_is_kept_still_decides(rig):
    """It was applied before there was a limit."""
    state = ["--state", rig.directory / "state"]
    server = rig.server(forbidden(), options=state, name="first")
    assert "warning: a packet may cost " in server.process.output
    assert server.stop() == 0
    server = rig.server(options=state)
    assert version_now(server) == 1
    server.process.wait_for_line("policy 1: 1:1: a packet may cost ")
    rig.agent(server, deadline="0.5s")
    pinger = rig.pinger()
    assert pinger.ping()
    with pytest.raises(grpc.RpcError) as failed:
        server.apply(forbidden())
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    server.apply("default reject;")
    assert not pinger.ping(timeout=0.3)
    code, said = server.sluicectl("policy", "rollback", "1")
    assert code == 0 and "warning: a packet may cost " in said, said
    assert pinger.ping()


def version_now(server):
    """The version of the policy in force."""
    return server.control.GetPolicy(control_pb2.GetPolicyRequest(), timeout=5).policy.version


NAME, SLOW = "mail.test", "slow.test"  # DNS answers the first; nothing about names below the second
QUICK = 3  # seconds; a lookup that is not answered takes ten
CHECKS = 60
ASKERS = 8  # threads for the checks of one peer
FLOOD = 80  # checks of the attacker
CHECK = "ControlService/CheckPolicy"


def named(host, **fields):
    text = f"between host {host} and any accept;\ndefault accept;\n"
    return {"policy": control_pb2.PolicyText(text=text), **fields}


@pytest.fixture
def resolver(rig):
    made = rig.resolver(patience=30)
    made.names[NAME] = [Network.CLIENT[4]]
    made.silent_domains = [SLOW]
    return made


def checks(server, count, host):
    """So many checks under way, each of a host of its own."""
    return [
        server.control.CheckPolicy.future(
            control_pb2.CheckPolicyRequest(**named(host.format(i))), timeout=60
        )
        for i in range(count)
    ]


def quick(siege, what, call, *requests):
    """The call must succeed soon."""
    try:
        call(*requests, timeout=QUICK)
    except grpc.RpcError as error:
        siege.expect(False, f"{what}: {error.code()}, {error.details()}")


def change_policy(siege, what):
    """Applies and goes back, to policies with names and without, as tools and people do."""
    control = siege.server.control
    text = control_pb2.PolicyText(text="default accept;\n")
    quick(siege, f"apply {what}", control.ApplyPolicy, control_pb2.ApplyPolicyRequest(**named(NAME)))
    quick(siege, f"apply {what}", control.ApplyPolicy, control_pb2.ApplyPolicyRequest(policy=text))
    back = control_pb2.RollbackPolicyRequest()
    quick(siege, f"rollback {what}", control.RollbackPolicy, back)
    path = siege.server.local.removeprefix("unix:") + ".policy"
    with open(path, "w", encoding="utf-8") as file:
        file.write(named(NAME)["policy"].text)
    began = time.monotonic()
    code, said = siege.server.sluicectl("policy", "apply", path)
    took = time.monotonic() - began
    siege.expect(code == 0 and took < QUICK, f"sluicectl apply {what}: {code} in {took:.1f} s: {said}")


def test_checks_that_wait_for_dns_delay_no_change(rig, resolver):
    """All from one peer, which is refused more of them than its share."""
    with Siege(rig, resolver=resolver) as siege:
        waiting = checks(siege.server, CHECKS, "host{}." + SLOW)
        resolver.wait_for_names(ASKERS)
        change_policy(siege, "beside checks")
        refused = [call.exception() for call in waiting if call.done()]
        siege.expect(0 < len(refused) < CHECKS, f"{len(refused)} checks were refused")
        for error in refused:
            siege.expect(
                error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                and "from your address already" in error.details()
                and "try again later" in error.details(),
                f"a check got {error}",
            )
        for call in waiting:
            call.cancel()


def test_checks_that_dns_answers_are_all_answered(rig, resolver):
    """The control: a peer's share of checks, beside the same changes."""
    with Siege(rig, resolver=resolver) as siege:
        for i in range(16):
            resolver.names[f"host{i}.test"] = [Network.CLIENT[4]]
        waiting = checks(siege.server, 16, "host{}.test")
        change_policy(siege, "beside checks that are answered")
        for call in waiting:
            siege.expect(not call.result(10).problems, "a check found problems")


def test_a_peer_that_floods_checks_leaves_others_theirs(rig, resolver):
    with Siege(rig, resolver=resolver) as siege:
        attacker = siege.client()
        streams = [
            attacker.begin(
                CHECK,
                control_pb2.CheckPolicyRequest(**named(f"host{i}.{SLOW}")).SerializeToString(),
            )
            for i in range(FLOOD)
        ]
        resolver.wait_for_names(ASKERS)
        attacker.wait(lambda: attacker.fate(streams[-1]))
        other = siege.client(BYSTANDER)
        for host in (NAME, Network.CLIENT[4]):
            request = control_pb2.CheckPolicyRequest(**named(host)).SerializeToString()
            answer = other.call(CHECK, request, timeout=QUICK)
            siege.expect(answer.status == 0, f"another's check of {host} got {answer}")
        change_policy(siege, "beside a flood")
        refused = [stream for stream in streams if attacker.fate(stream)]
        siege.expect(0 < len(refused) < FLOOD, f"{len(refused)} checks were refused")
