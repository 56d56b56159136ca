"""What a caller chooses costs no packet: trials, costly policies, and names that do not resolve."""

import contextlib
import threading
import time

from namespaces import Network
from siege import Siege
from sluice.v1 import control_pb2

MIB = 1 << 20
TRIALS = 4  # as many as the server runs at once
TRIED_SECONDS = 5
DATAGRAMS_A_SECOND = 500
# A long program that matches no packet here: none has such a version, type of service or offset.
LONG = "ip[1] = 255" + "".join(f" or ip[{(0, 1, 6, 7)[i % 4]}] = {100 + i}" for i in range(60))
# Rules of which each packet costs a little less than what the server allows, 300,000 steps.
ALLOWED_RULES = 2_900


def costly(rules, expression=LONG):
    """A policy that runs the expression so many times for each packet, and then accepts it."""
    return f'from any to any match "{expression}" reject;\n' * rules + "default accept;\n"


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
        trials = [try_policy(siege, costly(ALLOWED_RULES)) for _ in range(TRIALS)]
        for said in last_of(trials, TRIED_SECONDS):
            siege.expect(said.packets > 0, "a trial compared nothing")
            siege.expect(said.left_out > said.packets, "a trial had time for all packets")
            siege.expect(said.differing == 0, "a trial differs from the policy in force")


def test_trials_of_usual_policies_leave_nothing_out(rig):
    """The control: as many trials, of as many packets."""
    with Siege(rig) as siege, datagrams(rig):
        trials = [try_policy(siege, costly(5)) for _ in range(TRIALS)]
        for said in last_of(trials, TRIED_SECONDS):
            siege.expect(said.packets > DATAGRAMS_A_SECOND, f"only {said.packets} were compared")
            siege.expect(said.left_out == 0, f"{said.left_out} packets were left out")
