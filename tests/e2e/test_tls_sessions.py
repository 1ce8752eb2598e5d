"""TLS sessions that an agent resumes, and that `check` does not: what it sees at once all the same,
and what it sees at the recheck."""

import shutil
import ssl
import time
from datetime import datetime, timezone

import pytest

from lib import hostile
from lib.net import SLACK, wait_until

FAST = "[defaults]\ninterval = 50ms\ntimeout = 2s\nretries = 1\n"


class Secure:
    """A server that resumes sessions, and counts. `pair` may be changed while it serves: it goes on
    to know the sessions that it gave."""

    def __init__(self, serve, pair):
        self.become_another(pair)
        self.full = self.resumed = 0
        self.hang_up = lambda hello: False
        self.port = serve(self.behave).port

    def present(self, pair):
        self.context.load_cert_chain(*map(str, pair))

    def become_another(self, pair):
        """One that knows no session; never without a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, pair))
        self.context = context

    def behave(self, sock):
        hello = sock.recv(4096, 0x2)  # MSG_PEEK
        if self.hang_up(hello):
            return
        with self.context.wrap_socket(sock, server_side=True) as inner:
            if inner.session_reused:
                self.resumed += 1
            else:
                self.full += 1
            hostile.http_reply()(inner)


def offers_session(hello):
    """A pre_shared_key stands last of the extensions (RFC 8446 section 4.2.11)."""
    at = 44 + hello[43]
    at += 2 + int.from_bytes(hello[at:at + 2], "big")
    at += 3 + hello[at]
    kinds = []
    while at < len(hello):
        kinds.append(int.from_bytes(hello[at:at + 2], "big"))
        at += 4 + int.from_bytes(hello[at + 2:at + 4], "big")
    return 41 in kinds


@pytest.fixture(params=["http", "tcp"])
def lines(request, certs):
    def of(server, ca=None, more=""):
        where = f"127.0.0.1:{server.port}"
        target = f"url = https://{where}/" if request.param == "http" else f"address = {where}\ntls = yes"
        return f"{FAST}[probe x]\n{target}\ntls_ca = {ca or certs.ca}\n{more}\n"

    return of


def resumes(server, n=2):
    had = server.resumed
    wait_until(lambda: server.resumed >= had + n, 10, "sessions are resumed")


def checks(agent, n):
    had = agent.probe("x")["checks_total"]
    wait_until(lambda: agent.probe("x")["checks_total"] >= had + n, 10, f"{n} more checks")


def failed(agent, words, timeout=10):
    last = agent.wait_status("x", "unhealthy", timeout)["last"]
    assert last["reason"] == "tls" and words in last["detail"], last


def test_an_agent_resumes(probe, serve, certs, lines):
    server = Secure(serve, certs.pair())
    agent = probe.agent(lines(server))
    resumes(server, 5)
    assert server.full == 1
    told = agent.probe("x")
    assert told["status"] == "healthy" and told["failures_total"] == 0, told
    assert "probe_ssl_earliest_cert_expiry" in agent.get("/metrics").text


def test_every_check_is_full_with_0(probe, serve, certs, lines):
    server = Secure(serve, certs.pair())
    agent = probe.agent(lines(server, more="tls_recheck = 0s"))
    checks(agent, 4)
    assert server.resumed == 0 and server.full >= 4


def test_a_one_shot_command_resumes_nothing(probe, serve, certs, lines):
    server = Secure(serve, certs.pair())
    config = probe.write("probe.ini", lines(server))
    r = probe.run("wait", "--successes", 3, "--timeout", "10s", "-c", config, "x")
    assert r.code == 0, str(r)
    wait_until(lambda: server.full >= 3, 10, "three checks")
    assert server.resumed == 0


def test_a_certificate_behind_the_session_is_seen_at_the_recheck(probe, serve, certs, lines):
    server = Secure(serve, certs.pair())
    agent = probe.agent(lines(server, more="tls_recheck = 2s"))
    resumes(server)
    server.present(certs.pair("other", "DNS:other.test"))
    failed(agent, "not for 127.0.0.1")


def test_a_certificate_that_ends_is_seen_by_the_clock(probe, serve, certs, lines):
    stamp = lambda when: datetime.fromtimestamp(when, timezone.utc).strftime("%Y%m%d%H%M%SZ")
    ends = int(time.time()) + 4 + 2 * int(SLACK)
    server = Secure(serve, certs.dated(f"soon{ends}", stamp(ends - 600), stamp(ends)))
    agent = probe.agent(lines(server))
    resumes(server)
    failed(agent, "the certificate expired", 4 + 3 * SLACK)
    assert time.time() > ends


def test_another_server_at_the_address_is_seen_at_once(probe, serve, certs, lines):
    server = Secure(serve, certs.pair())
    agent = probe.agent(lines(server))
    resumes(server)
    server.become_another(certs.pair("other", "DNS:other.test"))
    failed(agent, "not for 127.0.0.1")


def test_another_ca_by_a_reload_is_seen_at_once(probe, serve, certs, lines):
    server = Secure(serve, certs.pair())
    ca = probe.path("ca.pem")
    shutil.copy(certs.ca, ca)
    agent = probe.agent(lines(server, ca))
    resumes(server)
    shutil.copy(certs.authority("foreign CA")[0], ca)
    assert agent.post("/reload").code == 200
    failed(agent, "unknown")


def test_a_session_that_is_not_liked_costs_no_verdict(probe, serve, certs, lines):
    server = Secure(serve, certs.pair())
    seen = []
    server.hang_up = lambda hello: offers_session(hello) and not seen.append(hello)
    agent = probe.agent(lines(server))
    checks(agent, 6)
    told = agent.probe("x")
    assert told["failures_total"] == 0 and told["status"] == "healthy", told
    assert len(seen) == 1 and server.resumed == 0  # asked once, then no more


def test_a_failure_is_followed_by_a_full_handshake(probe, serve, certs, lines):
    server = Secure(serve, certs.pair())
    agent = probe.agent(lines(server))
    resumes(server)
    server.hang_up = lambda hello: True
    agent.wait_status("x", "unhealthy")
    full, resumed = server.full, server.resumed
    server.hang_up = lambda hello: False
    agent.wait_status("x", "healthy")
    wait_until(lambda: server.full > full, 10, "a full handshake")
    assert server.resumed == resumed
