"""Large policies: of the promised size, and of more than there is memory for."""

import contextlib
import pathlib
import re
import subprocess

from processes import SLUICECTL, run

ROOM = 192 << 20


def ctl(server, *argv):
    """As Server.sluicectl, but waits as long as sluicectl does for a policy."""
    return run(SLUICECTL, "--server", server.local, "policy", *argv, timeout=130)


@contextlib.contextmanager
def little_room(process):
    """Leaves the process ROOM bytes of address space, until the end of the block.

    To end it may need more, as sanitizers keep what was freed.
    """
    pid = str(process.pid)
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    used = int(re.search(r"VmSize:\s+(\d+) kB", status)[1]) << 10
    subprocess.run(["prlimit", "--pid", pid, f"--as={used + ROOM}:unlimited"], check=True)
    try:
        yield
    finally:
        subprocess.run(["prlimit", "--pid", pid, "--as=unlimited"], check=True)


def rules(count):
    return "".join(
        f"from any to 10.{n >> 16}.{n >> 8 & 255}.{n & 255} tcp port 80 reject;\n"
        for n in range(count)
    )


def test_a_policy_of_many_megabytes_is_applied_and_comes_back(rig):
    server = rig.server("default reject;\n")
    large = rig.directory / "large.policy"
    large.write_text("# the old one\n" * 700_000 + "default accept;\n")
    assert large.stat().st_size > 9 << 20
    code, said = ctl(server, "apply", large)
    assert code == 0, said
    # The answer has both the former policy and the new one.
    large.write_text("# the new one\n" * 700_000 + rules(1000) + "default accept;\n")
    code, said = ctl(server, "apply", large)
    assert code == 0 and "(large.policy, 1000 rules)" in said.replace(f"{rig.directory}/", "")
    code, said = ctl(server, "show", "2")
    assert code == 0 and said.startswith("# the old one\n") and len(said) > 9 << 20
    code, said = ctl(server, "diff", large)
    assert (code, said) == (0, "")
    rig.agent(server)
    assert rig.pinger().ping()


def test_a_policy_too_large_for_the_machine_is_refused(rig):
    server = rig.server("default accept;\n")
    server.stop()
    server.start({"MALLOC_ARENA_MAX": "1"})  # Else each thread takes 64 MiB of address space.
    rig.agent(server)
    pinger = rig.pinger()
    large = rig.directory / "large.policy"
    with little_room(server.process):
        large.write_text(rules(110_000))
        for verb in ("check", "apply"):
            code, said = ctl(server, verb, large)
            assert code != 0
            needed = re.search(r"takes some (\d+) MiB of memory, and (\d+) MiB are free", said)
            assert needed and int(needed[1]) > ROOM >> 20 >= int(needed[2]), said
        assert pinger.ping()
        large.write_text("default accept;\n")
        code, said = ctl(server, "apply", large)
        assert code == 0, said
