"""sluice-agent under test: its configuration, its start and stop, its counters."""

import json
import time

import grpc
import stats
from processes import AGENT, Process

# What every test's agent has unless the test says otherwise. The deadline is long, so that only
# the tests about deadlines depend on the machine's speed.
_DEFAULTS = {
    "gateway": "gw",
    "deadline": "5s",
    "mode_at_start": "on",
    "user": "nobody",
    "log_level": "debug",
}

# Settings of an agent that leaves the rules to the operator. Such an agent always asks.
BY_HAND = {"hook": {"manage": False}, "mode_at_start": "off"}


class Agent:
    """An agent in a namespace. Its counters are read through `source`, a Server or a Decider."""

    def __init__(self, directory, namespace, source, env, **config):
        settings = {**_DEFAULTS, "servers": [source.address] if source else [], **config}
        # JSON is YAML.
        self.config = directory / f"agent-{settings['gateway']}.yaml"
        self.config.write_text(json.dumps(settings, indent=1) + "\n")
        self.gateway = settings["gateway"]
        self.source = source
        self._namespace = namespace
        self._env = env
        self.process = None
        self._last_stats = None

    def start(self, env=None):
        """Starts it with `env` added to its environment; waits until it says it is ready."""
        self.launch(env)
        self.process.wait_for_line(r"\bready\b")
        return self

    def launch(self, env=None):
        """Starts it and does not wait."""
        env = {**self._env, **(env or {})}
        self.process = Process([AGENT, "--config", self.config], self._namespace, env)

    def stats(self):
        """Its counters, read through its source. Waits up to 10 s for the agent to connect."""
        end = time.monotonic() + 10
        while True:
            try:
                return self.source.stats()
            except grpc.RpcError as error:
                away = error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE)
                if not away or time.monotonic() > end:
                    raise

    def until(self, wanted, timeout=5):
        """Waits until wanted(stats, total of the queues) is true; returns the total."""
        return stats.total(
            stats.until(self.stats, wanted, timeout, f"counters of {self.gateway}")
        )

    def wait_for_decider(self):
        """Waits until each queue has a decider that has sent its welcome."""
        self.until(lambda s, total: s.queues and total.decider_connected, timeout=10)
        return self

    def settle(self, received, timeout=5):
        """Waits until so many packets were received and none is pending; returns the total."""
        return self.until(lambda s, t: t.received >= received and t.pending == 0, timeout)

    @property
    def running(self):
        return self.process is not None and self.process.running

    def check(self):
        """Asserts what must hold at the end of each test: the identity, and no pending packet."""
        self.until(lambda s, t: t.pending == 0, timeout=10)

    def stop(self, timeout=10):
        code = self.process.stop(timeout)
        assert code == 0, f"the agent ended with {code}:\n{self.process.output}"

    def kill(self):
        if self.process:
            self.process.kill()
