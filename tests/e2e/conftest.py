"""Fixtures of the end-to-end tests. PROBE_BIN names the program (default: build-plain/probe);
tests/run sets it and runs the same tests over the plain, the sanitized and the static build."""

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lib import certs as certificates  # noqa: E402
from lib import emulation, hostile, servers  # noqa: E402
from lib.net import free_port  # noqa: E402
from lib.program import ROOT, SANITIZER, Program  # noqa: E402
from lib.terminal import Terminal  # noqa: E402

# A shell's background has SIGINT and SIGQUIT ignored, nohup's SIGHUP, and the program leaves most of what it
# finds ignored: tests of these signals begin with their defaults, wherever they are started.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(config, items):
    emulation.skip_not_run(config, items)


@pytest.fixture(scope="session")
def binary():
    path = Path(os.environ.get("PROBE_BIN", ROOT / "build-plain/probe"))
    assert path.exists(), f"no program at {path}: build it, or set PROBE_BIN"
    return path


@pytest.fixture
def probe(binary):
    """The program, in a private folder; nothing may be left of it at the end."""
    program = Program(binary)
    yield program
    program.close()


@pytest.fixture
def terminal(probe):
    """terminal("status", ..., columns=40) starts the program in a pseudo-terminal."""
    running = []

    def start(*args, env=None, columns=80, rows=24, command=None, **kw):
        env = probe.environ({"TERM": "xterm", **(env or {})})
        command = command or [str(probe.binary), *map(str, args)]
        running.append(Terminal(command, env, probe.dir, columns, rows, **kw))
        return running[-1]

    yield start
    for t in running:
        t.close()
        assert not SANITIZER.search(t.plain), t.plain


@pytest.fixture
def driver(probe):
    """A login that only MongoDB's driver has, for what is said of its child; a build may have none."""
    login = "authMechanism=MONGODB-AWS"
    config = probe.write("driver.ini", f"[probe db]\nuri = mongodb://u:p@127.0.0.1:1/?{login}\n")
    if "this build's driver has no authMechanism" in str(probe.run("validate", "-c", config)):
        pytest.skip("this build's driver has no login that probe has not: there is no child")
    return login


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def serve():
    """serve(behave) starts a server of lib.hostile; serve(behave, port=..., path=..., ipv6=...)."""
    running = []

    def start(behave, **kw):
        if "port" not in kw and "path" not in kw:
            kw["port"] = free_port()
        running.append(hostile.Server(behave, **kw))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def start():
    """start(servers.Mongo, ...) starts a real server for this test alone."""
    running = []

    def launch(kind, *args, **kw):
        running.append(kind(*args, **kw))
        return running[-1]

    yield launch
    for server in running:
        server.close()


@pytest.fixture(scope="session")
def mongo():
    """A real MongoDB server that every test of a worker shares: never stop it."""
    server = servers.Mongo()
    yield server
    server.close()


@pytest.fixture(scope="session")
def nginx():
    """An nginx that every test of a worker shares: never stop it."""
    server = servers.Nginx()
    yield server
    server.close()


@pytest.fixture(scope="session")
def certs():
    """A certificate authority, and pairs signed by it: certs.ca, certs.pair("server")."""
    made = certificates.Certs()
    yield made
    made.close()


@pytest.fixture
def dns():
    """dns({name: [addresses] or word}) starts a DNS server; probe.run(..., prefix=server.prefix)
    makes the program use it, in a mount name space of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root: port 53 and a mount name space")
    running = []

    def serve_zone(zone, program):
        server = servers.Dns(zone)
        running.append(server)
        conf = program.write("resolv.conf", server.resolv_conf(), 0o644)
        server.prefix = [
            "unshare", "--mount", "sh", "-c",
            f'mount --bind "{conf}" /etc/resolv.conf && exec "$@"', "sh",
        ]
        return server

    yield serve_zone
    for server in running:
        server.close()
