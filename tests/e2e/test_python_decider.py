"""An agent pointed at the example decider in Python instead of a server."""

from processes import REPOSITORY, Process


def test_the_example_in_python_decides(rig):
    address = f"unix:{rig.directory}/python.sock"
    decider = rig.keep(
        Example(["/usr/bin/python3", REPOSITORY / "clients/python/examples/decider.py", address])
    )
    agent = rig.new_agent(servers=[address], user="").start()
    agent.process.wait_for_line("queue 0: .* connected")
    for version in (4, 6):
        assert rig.pinger(version).ping()
        rig.begin_connect(version, 23).close()
        service = rig.listener(version, 80)
        rig.connect(version, 80)
        service.accept().close()
    assert not rig.far.arrived(protocol=6, destination_port=23)
    agent.stop()
    assert decider.running


class Example(Process):
    """The example program. It has no socket until it is up; the agent waits for that."""

    def close(self):
        self.kill()
