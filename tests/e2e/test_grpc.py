"""grpc: against the health service of google.golang.org/grpc."""

import os
import subprocess

import pytest

from lib.net import free_port
from lib.program import ROOT

SERVER = ROOT / "tests/servers/grpc-server"


@pytest.fixture(scope="session")
def program():
    found = subprocess.run([SERVER, "path"], capture_output=True, text=True)
    if found.returncode == 69 and os.environ.get("CI") != "true":
        pytest.skip("no go to build the server with")
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


class Health:
    def __init__(self, program, *arguments):
        self.port = free_port()
        self.process = subprocess.Popen([program, "--port", str(self.port), *arguments], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "ready\n"

    def set(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "set\n"

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def health(program):
    servers = []

    def start(*arguments):
        servers.append(Health(program, *arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def says(probe, target, code, words):
    r = probe.run("check", "--timeout", "10s", target)
    assert r.code == code and words in r.out, str(r)


def test_each_status(probe, health):
    server = health("up=SERVING", "down=NOT_SERVING", "dim=UNKNOWN")
    at = f"grpc://127.0.0.1:{server.port}/"
    says(probe, at, 0, "SERVING, says 127.0.0.1:")
    says(probe, at + "up", 0, "up SERVING")
    says(probe, at + "down", 1, "mismatch: down at 127.0.0.1:")
    says(probe, at + "down", 1, ": NOT_SERVING")
    says(probe, at + "dim", 1, ": UNKNOWN")
    says(probe, at + "other", 1, 'does not know the service "other" (NOT_FOUND)')
    says(probe, f"grpcs://127.0.0.1:{server.port}/", 1, "tls: ")


def test_unix_socket(probe, health):
    path = probe.path("app.sock")
    health("--socket", str(path), "up=SERVING")
    says(probe, f"grpc+unix://{path}:/up", 0, "up SERVING")
    says(probe, f"grpc+unix://{path}", 0, "SERVING")
    says(probe, f"grpc+unix://{path}:/nothere", 1, "NOT_FOUND")


def test_no_health_service(probe, health):
    server = health("--none")
    says(probe, f"grpc://127.0.0.1:{server.port}/", 1, "no health service, grpc.health.v1")


def test_tls(probe, health, certs):
    pair = certs.pair("server")
    server = health("--cert", str(pair[0]), "--key", str(pair[1]), "up=SERVING")
    config = probe.write("probe.ini", f"[probe x]\nurl = grpcs://localhost:{server.port}/up\n"
                                      f"tls_ca = {certs.ca}\ntimeout = 10s\n")
    r = probe.run("check", "-c", config, "x")
    assert r.code == 0 and "up SERVING" in r.out, str(r)
    says(probe, f"grpcs://localhost:{server.port}/up", 1, "tls: ")
    # Plain bytes to a server of TLS are no gRPC.
    r = probe.run("check", "--timeout", "10s", f"grpc://127.0.0.1:{server.port}/up")
    assert r.code == 1, str(r)


def test_an_agent_sees_it_change(probe, health):
    server = health("shop.Cart=NOT_SERVING")
    agent = probe.agent(f"[probe x]\nurl = grpc://127.0.0.1:{server.port}/shop.Cart\n"
                        "interval = 50ms\ntimeout = 5s\nretries = 1\n")
    agent.wait_status("x", "unhealthy")
    server.set("shop.Cart=SERVING")
    agent.wait_status("x", "healthy")
    server.set("shop.Cart=NOT_SERVING")
    agent.wait_status("x", "unhealthy")
    agent.stop()


@pytest.mark.parametrize("lines, key", [
    ("url = grpc://host/x", "url"),
    ("url = grpc://user@host:1/x", "url"),
    ("url = grpc://host:1/a b", "url"),
    ("url = grpc+unix://run/x.sock:/x", "url"),
    ("url = grpc+unix:///run/x.sock:x", "url"),
    ("url = grpc+unix:///run/x.sock:/x\ntls_verify = no", "tls_verify"),
    ("url = grpc://host:1/x\ntls_verify = no", "tls_verify"),
    ("url = grpc://host:1/x\nmetadata = Name: value", "metadata"),
    ("url = grpc://host:1/x\nmetadata = te: x", "metadata"),
    ("url = grpc://host:1/x\nmetadata = grpc-timeout: 1m", "metadata"),
])
def test_errors(probe, lines, key):
    r = probe.run("validate", "-c", probe.write("probe.ini", f"[probe x]\n{lines}\n"))
    assert r.code == 78 and f"probe x.{key}: " in r.out + r.err, str(r)


def test_metadata_goes_and_is_not_shown(probe, serve):
    def behave(sock):
        sock.sendall(b"\0\0\0\4\0\0\0\0\0")
        sock.recv(65536)
        sock.sendall(b"\0\0\x2d\1\5\0\0\0\1\x88\0\x0bgrpc-status\x0216\0\x0cgrpc-message\x0dtok3n-of-mine")
        while sock.recv(65536):
            pass

    server = serve(behave)
    config = probe.write("probe.ini", f"[probe x]\nurl = grpc://127.0.0.1:{server.port}/x\n"
                                      "metadata =\n a-token: tok3n-of-mine\ntimeout = 10s\n")
    r = probe.run("check", "-v", "-c", config, "x")
    assert r.code == 1 and "auth: " in r.out and "UNAUTHENTICATED" in r.out, str(r)
    assert "tok3n" not in r.out + r.err, str(r)
