"""Puts the parts of a test together, and checks at its end what must hold after each test."""

import concurrent.futures
import contextlib
import pathlib
import shutil
import tempfile
import time

import traffic
from agents import Agent
from capture import Capture
from deciders import Decider, accept_all
from namespaces import FewDescriptors, Network, WithFiles
from older_kernel import environment as older_kernel_environment
from resolver import Resolver
from servers import Server


class Rig:
    """A network of client, gateway and server, with captures on both sides of the gateway.

    Agents and servers are made by agent(), server() and decider(). finish() asserts the identity
    and that nothing is pending for each agent still running, and that everything ends cleanly.
    """

    def __init__(self):
        # Not pytest's own folder: the agent is unprivileged and must reach the sockets in it.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
        self.directory.chmod(0o755)
        self.network = Network()
        self.near = Capture(self.network.client)
        # What agent and server send each other is ignored, as it holds copies of the packets.
        self.far = Capture(self.network.server, ignore=Network.GATEWAY_FAR)
        self._open = [self.near, self.far]
        for version in (4, 6):  # the discard service: what is sent there draws no answer
            self.datagrams("server", version, 9)
        self._agents, self._servers, self._deciders = [], [], []
        self._executor = None

    def server(
        self,
        policy=None,
        address=f"{Network.SERVER[4]}:7654",
        options=(),
        name="server",
        hosts=None,
        resolver=None,
        ready=True,
        open_files=None,
        env=None,
    ):
        """A sluice-server on the far side, which agents reach over the network. `name` tells
        several apart, `hosts` takes the place of its /etc/hosts, `resolver` that of its DNS
        server, and `open_files` that of its limit of descriptors; `env` is added to its
        environment. With `ready`, returns once the server is ready."""
        conf = resolver.conf if resolver else None
        namespace = WithFiles(self.network.server, hosts=hosts, resolv_conf=conf)
        if open_files:
            namespace = FewDescriptors(namespace, open_files)
        server = Server(self.directory, namespace, address, policy, options, name, ready, env)
        self._servers.append(server)
        return server

    def resolver(self, **options):
        """A DNS server in the server's namespace; `options` are those of Resolver."""
        return self.keep(Resolver(self.directory, self.network.server, **options))

    def decider(self, script=accept_all, name="decider", **options):
        """A decider in this process; `options` are those of Decider."""
        decider = Decider(self.directory / f"{name}.sock", script, **options)
        self._deciders.append(decider)
        return decider

    def agent(self, source, older_kernel=False, **config):
        """A running agent with its table in place; with a source, its decider has welcomed it."""
        agent = self.new_agent(source, older_kernel, **config).start()
        if source:
            agent.wait_for_decider()
        return agent

    def new_agent(self, source=None, older_kernel=False, hosts=None, **config):
        """An agent that is not started yet. With `older_kernel` others can change its table;
        `hosts` takes the place of its /etc/hosts."""
        env = older_kernel_environment(self.directory) if older_kernel else {}
        gateway = self.network.gateway
        namespace = WithFiles(gateway, hosts=hosts) if hosts else gateway
        agent = Agent(self.directory, namespace, source, env, **config)
        self._agents.append(agent)
        return agent

    # Traffic between the client and the server; all sockets are closed by finish().

    def keep(self, closable):
        self._open.append(closable)
        return closable

    def pinger(self, version=4, to=None, apart=False):
        """Pings the server, or another address; `apart` as in Pinger."""
        to = to or Network.SERVER[version]
        return self.keep(traffic.Pinger(self.network.client, version, to, apart))

    def fence(self):
        """Returns when the gateway has forwarded, dropped or queued all that the client sent so
        far: the veth and the gateway's stack keep the order."""
        pinger = self.pinger(to=Network.GATEWAY[4])
        end = time.monotonic() + 10
        while not pinger.ping(timeout=0.2):  # just after a link came up, packets may be lost
            assert time.monotonic() < end, "the gateway itself does not answer"

    @contextlib.contextmanager
    def paused(self, agent):
        """Makes the agent stand still (SIGSTOP)."""
        agent.process.pause()
        try:
            yield
        finally:
            agent.process.go_on()

    def background(self, function, *args):
        """Runs function in a thread of its own; returns its Future."""
        if self._executor is None:
            self._executor = concurrent.futures.ThreadPoolExecutor(4)
        return self._executor.submit(function, *args)

    def datagrams(self, end="client", version=4, port=0):
        return self.keep(traffic.Datagrams(getattr(self.network, end), version, port))

    def listener(self, version=4, port=80):
        return self.keep(traffic.Listener(self.network.server, version, port))

    def connect(self, version=4, port=80, timeout=5):
        address = Network.SERVER[version]
        return self.keep(
            traffic.connect(self.network.client, version, address, port, timeout)
        )

    def begin_connect(self, version=4, port=80):
        address = Network.SERVER[version]
        return self.keep(traffic.begin_connect(self.network.client, version, address, port))

    def crafted(self, version=4):
        return self.keep(traffic.Crafted(self.network.client, version))

    def finish(self, failed):
        """Checks (unless the test failed already) and ends everything."""
        try:
            if not failed:
                for agent in self._agents:
                    if agent.running and agent.source:
                        agent.check()
                for agent in self._agents:
                    if agent.running:
                        agent.stop()
                for server in self._servers:
                    if server.process.running:
                        assert server.stop() == 0
        finally:
            for agent in self._agents:
                agent.kill()
            for server in self._servers:
                server.kill()
            for decider in self._deciders:
                decider.stop()
            for closable in self._open:
                closable.close()
            if self._executor:
                self._executor.shutdown(wait=False, cancel_futures=True)
            self.network.close()
            shutil.rmtree(self.directory)

    def report(self):
        """What the programs printed, for a test that failed."""
        processes = [a.process for a in self._agents if a.process]
        processes += [s.process for s in self._servers]
        return "".join(f"\n--- {p.name} ---\n{p.output}\n" for p in processes)
