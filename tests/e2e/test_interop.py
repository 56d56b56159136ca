"""gRPC's interop cases, and some of our own, against the server's edge (tests/interop).

Clients in C++, Python and Node call it by gRPC; Connect's libraries call it by gRPC-Web, in Node and
in a page. Each test is one client on one transport, which plays all cases one after the other; their results are
properties of the test in the report of --junit-xml.
"""

import contextlib
import queue
import re
import subprocess

import pytest

from browser import Page
from processes import BINARIES, REPOSITORY, Process

SOURCES = REPOSITORY / "tests/interop"
# Those that gRPC-Web has: its callers send one request.
WEB_CASES = [
    "empty_unary",
    "large_unary",
    "server_streaming",
    "empty_stream",
    "empty_messages",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "deadline_passes",
    "deadline_passes_at_the_server",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "slow_reader",
    "every_call_ends",
    "server_stops",
]
CASES = [*WEB_CASES, "client_streaming", "ping_pong", "thousand_ping_pongs"]
# Seconds for all cases. They take ten; a server or client under a sanitizer takes longer.
PATIENCE = 180


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    """A folder with the stubs for Python, and with the descriptors for gRPC-Web's client."""
    out = tmp_path_factory.mktemp("stubs")
    command = ["protoc", f"-I{SOURCES}", "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin"]
    command += [f"--python_out={out}", f"--grpc_out={out}", f"--descriptor_set_out={out}/interop"]
    subprocess.run([*command, SOURCES / "interop.proto"], check=True)
    return out


@pytest.fixture(scope="module")
def node_modules():
    """What the clients for Node import, from npm: versions and checksums are pinned."""
    installed = SOURCES / "node_modules/.package-lock.json"
    lock = SOURCES / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        # Into a folder that .gitignore has.
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([*command, "--no-update-notifier"], cwd=SOURCES, check=True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 and its key."""
    made = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    command += " -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    files = ["-out", made / "certificate.pem", "-keyout", made / "key.pem"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return made / "certificate.pem", made / "key.pem"


class InteropServer:
    """interop_server on a transport: "unix", "tcp" or "tls"."""

    def __init__(self, transport, directory, certificate, options=()):
        listen = f"unix:{directory}/s" if transport == "unix" else "127.0.0.1:0"
        argv = [BINARIES / "tests/interop/interop_server", "--listen", listen]
        self.ca = None
        if transport == "tls":
            self.ca, key = certificate
            argv += ["--certificate", self.ca, "--key", key]
        self._process = Process([*argv, *options])
        self.address = self._process.wait_for_line(r"^listening on (\S+)$")[1]
        self.tls_flags = ["--ca", self.ca] if self.ca else []

    def expect_end(self):
        """The last case has stopped it. Every call has ended, and nothing was refused."""
        assert self._process.wait() == 0
        begun, ended, refused = map(
            int, self._process.wait_for_line(r"^begun (\d+), ended (\d+), refused (\d+)$").groups()
        )
        assert begun == ended > 0
        assert refused == 0

    def kill(self):
        self._process.kill()


@pytest.fixture
def server(request, tmp_path, certificate):
    started = InteropServer(request.param, tmp_path, certificate)
    yield started
    started.kill()


@pytest.fixture
def expect_passed(record_property):
    """Asserts that these cases have passed, of which a client has said this."""

    def expect(said, cases):
        print(said)
        results = dict(re.findall(r"^(?:passed|failed) (\w+)(.*)$", said, re.MULTILINE))
        for case, why in results.items():
            record_property(case, f"failed{why}" if why else "passed")
        assert {case: why for case, why in results.items() if why} == {}
        assert sorted(results) == sorted(cases), said

    return expect


@pytest.fixture
def play(expect_passed):
    """Plays cases with a client, play(argv, cases, env={}), and asserts that they pass."""
    clients = []

    def played(argv, cases, env=None):
        client = Process(argv, env=env)
        clients.append(client)
        client.wait(PATIENCE)
        expect_passed(client.output, cases)

    yield played
    for client in clients:
        client.kill()


every_transport = pytest.mark.parametrize("server", ["unix", "tcp", "tls"], indirect=True)
over_tcp = pytest.mark.parametrize("server", ["tcp", "tls"], indirect=True)


@every_transport
def test_cpp(server, play):
    client = BINARIES / "tests/interop/interop_client"
    play([client, server.address, *server.tls_flags], CASES)
    server.expect_end()


@every_transport
def test_python(server, play, stubs):
    client = ["/usr/bin/python3", SOURCES / "interop_client.py"]
    play([*client, server.address, *server.tls_flags], CASES, {"PYTHONPATH": str(stubs)})
    server.expect_end()


@every_transport
def test_node(server, play, node_modules):
    play(["node", SOURCES / "interop_client.mjs", server.address, *server.tls_flags], CASES)
    server.expect_end()


def url(server):
    return f"{'https' if server.ca else 'http'}://{server.address}"


@over_tcp
def test_grpc_web_over_http1(server, play, stubs, node_modules):
    """As a page does: by fetch."""
    env = {"NODE_EXTRA_CA_CERTS": str(server.ca)} if server.ca else {}
    client = ["node", SOURCES / "interop_web_client.mjs", stubs / "interop"]
    play([*client, url(server)], WEB_CASES, env)
    server.expect_end()


@over_tcp
def test_grpc_web_over_http2(server, play, stubs, node_modules):
    client = ["node", SOURCES / "interop_web_client.mjs", stubs / "interop"]
    play([*client, url(server), "--http2", *server.tls_flags], WEB_CASES)
    server.expect_end()


# What the page's script imports by name: in Node, the packages' own files say so.
IMPORTS = {
    "@bufbuild/protobuf": "node_modules/@bufbuild/protobuf/dist/esm/index.js",
    "@bufbuild/protobuf/codegenv2": "node_modules/@bufbuild/protobuf/dist/esm/codegenv2/index.js",
    "@bufbuild/protobuf/wire": "node_modules/@bufbuild/protobuf/dist/esm/wire/index.js",
    "@bufbuild/protobuf/wkt": "node_modules/@bufbuild/protobuf/dist/esm/wkt/index.js",
    "@connectrpc/connect": "node_modules/@connectrpc/connect/dist/esm/index.js",
    **{
        f"@connectrpc/connect/{part}": f"node_modules/@connectrpc/connect/dist/esm/{part}/index.js"
        for part in ("protocol", "protocol-connect", "protocol-grpc-web")
    },
    "@connectrpc/connect-web": "node_modules/@connectrpc/connect-web/dist/esm/index.js",
}


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_page(transport, tmp_path, certificate, stubs, node_modules, expect_passed):
    """From another origin, over HTTP/1.1 or, with TLS, HTTP/2."""
    files = {"/descriptors": (stubs / "interop").read_bytes()}
    with contextlib.ExitStack() as stack:
        page = Page(SOURCES, "interop_page.mjs", IMPORTS, files)
        stack.callback(page.close)
        options = ["--allow-origin", page.origin]
        server = InteropServer(transport, tmp_path, certificate, options)
        stack.callback(server.kill)
        page.open(url(server))
        said = []
        while not said or said[-1] != "end":
            try:
                said.append(page.said.get(timeout=PATIENCE))
            except queue.Empty:
                raise AssertionError("\n".join([*said, page.output])) from None
        expect_passed("\n".join(said), WEB_CASES)
        server.expect_end()
