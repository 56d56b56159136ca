"""Servers and deciders under names with several addresses, and link-local addresses with zones."""

import pytest
from namespaces import Network, WithFiles
from processes import LOADGEN, SLUICECTL, run

NAME = "sluice.test"
# Nobody has these addresses; packets to them vanish.
NOBODY = {
    4: ("10.0.2.77", "10.0.2.78", "10.0.2.79", "10.0.2.80"),
    6: ("fd00:2::77", "fd00:2::78", "fd00:2::79", "fd00:2::80"),
}
VANISH = """
table inet vanish {
  chain output {
    type filter hook output priority 0
    ip daddr 10.0.2.77-10.0.2.80 drop
    ip6 daddr fd00:2::77-fd00:2::80 drop
  }
}
"""


@pytest.fixture(params=(4, 6), ids=("ipv4 is dead", "ipv6 is dead"))
def hosts(rig, request):
    """A hosts file in which the name's addresses of one family are dead."""
    dead, alive = request.param, 10 - request.param
    path = rig.directory / "hosts"
    addresses = (*NOBODY[dead], Network.SERVER[alive])
    path.write_text("".join(f"{address} {NAME}\n" for address in addresses))
    for namespace in (rig.network.gateway, rig.network.server):
        namespace.nft(VANISH)
    return path


def both(port):
    """Options of a server that listens on its address of each family."""
    return ["--listen", f"{Network.SERVER[4]}:{port}", "--listen", f"[{Network.SERVER[6]}]:{port}"]


def test_an_agent_reaches_the_address_that_answers(rig, hosts):
    server = rig.server("default accept;", options=both(7777))
    rig.agent(server, hosts=hosts, servers=[f"{NAME}:7777"])
    assert rig.pinger().ping()


def test_sluicectl_reaches_the_address_that_answers(rig, hosts):
    rig.server("default accept;", options=both(7777))
    code, said = run(
        SLUICECTL,
        "--server",
        f"{NAME}:7777",
        "policy",
        "show",
        namespace=WithFiles(rig.network.gateway, hosts=hosts),
    )
    assert (code, said) == (0, "default accept;")


def test_a_server_reaches_the_decider_that_answers(rig, hosts):
    decider = rig.server("default accept;", f"{Network.SERVER[4]}:7655", both(7777), name="decider")
    policy = f'decider "d" at "{NAME}:7777";\nfrom any to any ask "d" within 2s else reject;\n'
    server = rig.server(policy, hosts=hosts)
    rig.agent(server)
    server.wait_for_deciders()
    assert rig.pinger().ping()
    assert decider.gateways()


@pytest.mark.parametrize("zone", ("beef0", "22"))
def test_a_zone_may_begin_with_hexadecimal_digits(rig, zone):
    gateway, far = rig.network.gateway, rig.network.server
    gateway.ip(
        f"link add beef0 index 22 type veth peer name beef1 netns {far.path}",
        "link set beef0 up",
    )
    far.ip("address add fe80::77/64 dev beef1 nodad", "link set beef1 up")
    server = rig.server("default accept;", options=["--listen", "[::]:7777"])
    code, said = run(
        SLUICECTL, "--server", f"[fe80::77%{zone}]:7777", "policy", "show", namespace=gateway
    )
    assert (code, said) == (0, "default accept;")
    code, said = run(
        LOADGEN, "--server", f"[fe80::77%{zone}]:7777", "--agents", 1, "--seconds", 0.1,
        namespace=gateway,
    )  # fmt: skip
    assert code == 0, said
    rig.agent(server, servers=[f"[fe80::77%{zone}]:7777"])
    assert rig.pinger().ping()
