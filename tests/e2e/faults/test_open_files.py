"""Too few files may be open: programs say so at the start. Later the lack fills no log and keeps no
program from ending."""

import os
import resource

import pytest
from processes import AGENT, SERVER, run

POLICY = "default accept;\n"
MOST_OUTPUT = 100_000


@pytest.mark.parametrize("program", (AGENT, SERVER), ids=lambda program: program.name)
def test_too_few_are_said_at_the_start(rig, program):
    if program == AGENT:
        configuration = rig.new_agent(servers=["10.0.2.2:7654"]).config
        argv = [AGENT, "--config", configuration]
    else:
        argv = [SERVER, "--listen", f"unix:{rig.directory}/few.sock"]
    limited = ["sh", "-c", 'ulimit -n 40; exec "$@"', "sh", *argv]
    code, said = run(*limited, namespace=rig.network.gateway)
    assert code == 2, said
    assert "open files, and 40 are allowed" in said and "LimitNOFILE" in said


def limit(agent, soft):
    _, hard = resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (soft, hard))


def next_number(agent):
    """The number of the next file it opens; a refused connection may have it for a moment."""

    def look():
        opened = {int(number) for number in os.listdir(f"/proc/{agent.process.pid}/fd")}
        return next(number for number in range(1024) if number not in opened)

    return min(look() for _ in range(1000))


@pytest.mark.parametrize("back", (True, False), ids=("and_more_again", "until_it_is_stopped"))
def test_none_is_left(rig, back):
    server = rig.server(POLICY)
    agent = rig.agent(server, user="")  # Of ours, so that its limit is ours to change.
    assert rig.pinger().ping()
    server.kill()
    for who in ("queue 0", "events", "commands"):
        agent.process.wait_for_line(f"{who}: .*refused")
    limit(agent, next_number(agent))
    agent.process.wait_for_line("Too many open files")
    server.start()
    if back:
        limit(agent, 1024)
        agent.wait_for_decider()
        assert rig.pinger().ping()
    agent.stop()
    assert len(agent.process.output) < MOST_OUTPUT
