"""sluice-server under test, and calls to it."""

import time

import grpc

from processes import SERVER, SLUICECTL, Process, run
from sluice.v1 import control_pb2, control_pb2_grpc, observe_pb2, observe_pb2_grpc


class Server:
    """A server that listens in a namespace for agents, and on a Unix socket for the test."""

    def __init__(
        self,
        directory,
        namespace,
        address,
        policy=None,
        options=(),
        name="server",
        ready=True,
        env=None,
    ):
        self.address = address
        self.local = f"unix:{directory}/{name}.sock"
        self._argv = [SERVER, "--listen", address, "--listen", self.local]
        if policy is not None:
            path = directory / ("policy" if name == "server" else f"{name}.policy")
            path.write_text(policy)
            self._argv += ["--policy", path]
        self._argv += options
        self._namespace = namespace
        self.process = None
        self._channel = None
        self.start(env, ready)

    def start(self, env=None, ready=True):
        """Starts it with `env` added to its environment; with `ready`, waits until it says so."""
        self.process = Process(self._argv, self._namespace, env)
        if ready:
            self.process.wait_for_line(r"\bready\b")
        self._channel = grpc.insecure_channel(self.local)
        self.control = control_pb2_grpc.ControlServiceStub(self._channel)
        self.observer = observe_pb2_grpc.ObserveServiceStub(self._channel)

    def stop(self):
        """Ends it in good order; returns its exit code."""
        self._channel.close()
        return self.process.stop()

    def kill(self):
        self._channel.close()
        self.process.kill()

    def stats(self, gateway="gw"):
        request = control_pb2.GetStatsRequest(gateway=gateway)
        return self.control.GetStats(request, timeout=5).stats

    def set_mode(self, mode, gateway="gw", **fields):
        request = control_pb2.SetModeRequest(gateway=gateway, mode=mode, **fields)
        return self.control.SetMode(request, timeout=5)

    def apply(self, text):
        request = control_pb2.ApplyPolicyRequest(policy=control_pb2.PolicyText(text=text))
        return self.control.ApplyPolicy(request, timeout=5)

    def gateways(self):
        answer = self.control.ListGateways(control_pb2.ListGatewaysRequest(), timeout=5)
        return {g.name: g for g in answer.gateways}

    def deciders(self):
        """The deciders that the policy asks, by address."""
        answer = self.control.ListDeciders(control_pb2.ListDecidersRequest(), timeout=5)
        return {d.address: d for d in answer.deciders}

    def wait_for_deciders(self):
        """Waits until all of them are connected."""
        end = time.monotonic() + 10
        while not all(decider.connected for decider in self.deciders().values()):
            assert time.monotonic() < end, self.deciders()

    def decisions(self, last=10000, follow=False, **fields):
        """The decisions it kept and, with follow, those to come: a call that can be cancelled."""
        return self.observer.ObserveDecisions(
            observe_pb2.ObserveDecisionsRequest(last=last, follow=follow, **fields), timeout=20
        )

    def decided(self, count):
        """All decisions it kept, once there are so many."""
        following = self.decisions(follow=True)
        for _ in range(count):
            next(following)
        following.cancel()
        return [d.decision for d in self.decisions()]

    def connections(self, last=100000, follow=False, **fields):
        """The connections it kept and, with follow, the events to come."""
        return self.observer.ObserveConnections(
            observe_pb2.ObserveConnectionsRequest(last=last, follow=follow, **fields), timeout=20
        )

    def sluicectl(self, *argv):
        """Runs sluicectl with this server; returns (exit code, everything it printed)."""
        return run(SLUICECTL, "--server", self.local, *argv)
