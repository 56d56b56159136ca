"""What the copy of a packet hides cannot open the gateway: copy ranges shorter than the headers,
and IPv6 headers that hosts do not look behind."""

import socket
import struct

import pytest
from namespaces import Network
from traffic import checksum, token

BY_ADDRESS = "from {10.0.1.0/24, fd00:1::/64} to any reject; default accept;"
BY_PORT = "from any to any tcp port 23 reject; default accept;"


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("copy_range", (1, 19, 39))
def test_short_copies_hide_no_address(rig, version, copy_range):
    agent = rig.agent(rig.server(BY_ADDRESS), copy_range=copy_range)
    sent = rig.datagrams("client", version).send(Network.SERVER[version], 9)
    rig.begin_connect(version, 80)
    total = agent.settle(2)
    assert (total.accepted, total.dropped) == (0, 2)
    assert not rig.far.carrying(sent)


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("copy_range", (1, 19, 39))
def test_short_copies_hide_no_port(rig, version, copy_range):
    agent = rig.agent(rig.server(BY_PORT), copy_range=copy_range)
    rig.listener(version, 80)
    rig.begin_connect(version, 23)
    assert agent.settle(1).dropped == 1
    assert not rig.far.arrived(destination=Network.SERVER[version])
    rig.connect(version, 80)
    agent.until(lambda s, t: t.accepted >= 2 and t.dropped == 1 and t.pending == 0)


def looks_like_a_query(mark):
    """What would be an extension header of eight bytes if it were one, then UDP to port 53."""
    body = struct.pack("!HHHH", 40000, 53, 8 + len(mark), 0) + mark
    pseudo = socket.inet_pton(socket.AF_INET6, Network.CLIENT[6])
    pseudo += socket.inet_pton(socket.AF_INET6, Network.SERVER[6])
    pseudo += struct.pack("!II", len(body), 17)
    return bytes([17]) + bytes(7) + body[:6] + struct.pack("!H", checksum(pseudo + body)) + body[8:]


@pytest.mark.parametrize("protocol", (135, 139, 140))
def test_what_is_no_extension_header_hides_behind_no_port(rig, protocol):
    agent = rig.agent(rig.server("from any to any udp port 53 accept; default reject;"))
    crafted, mark = rig.crafted(6), token()
    crafted.send(Network.CLIENT[6], Network.SERVER[6], protocol, looks_like_a_query(mark))
    assert agent.settle(1).dropped == 1
    # After destination options it is a query, to the host too.
    options = token()
    crafted.send(Network.CLIENT[6], Network.SERVER[6], 60, looks_like_a_query(options))
    assert agent.settle(2).accepted == 1
    assert rig.far.wait_for(lambda far: far.carrying(options)) and not rig.far.carrying(mark)


@pytest.mark.parametrize("protocol", (135, 139, 140))
def test_rules_match_what_is_no_extension_header(rig, protocol):
    agent = rig.agent(rig.server("from any to any proto {135, 139, 140} accept; default reject;"))
    mark = token()
    rig.crafted(6).send(Network.CLIENT[6], Network.SERVER[6], protocol, looks_like_a_query(mark))
    agent.until(lambda s, t: t.accepted == 1)
    assert rig.far.wait_for(lambda far: far.carrying(mark))


def test_mapped_addresses_are_those_of_ipv4(rig):
    policy = "from ::ffff:10.0.1.2 to ::ffff:10.0.2.0/120 reject; default accept;"
    agent = rig.agent(rig.server(policy))
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    assert agent.settle(1).dropped == 1
    assert not rig.far.carrying(sent)


def test_mapped_addresses_of_exemptions_are_those_of_ipv4(rig):
    agent = rig.agent(
        rig.server("default reject;"), exempt=[{"source": "::ffff:10.0.1.2", "protocol": "udp"}]
    )
    sent = rig.datagrams().send(Network.SERVER[4], 9)
    assert rig.far.wait_for(lambda far: far.carrying(sent))
    assert agent.settle(0).received == 0
