"""What an agent keeps between the checks of a deployment: a connection to each member, which hides
nothing that a fresh one would show for longer than the manual says."""

import re
import select
import socket
import sys
import threading
import time
from datetime import datetime, timezone

import pytest

from lib.net import SLACK, free_port, wait_until
from lib.program import ROOT

sys.path.append(str(ROOT / "tests/truth"))

import mongos  # noqa: E402
from mongo_talk import Connection, answer, message  # noqa: E402

FAST = "[defaults]\ntimeout = 2s\ninterval = 100ms\nretries = 1\n"
FEW = 4  # one, and more where a busy machine lets a member answer after the next check began


class Live(mongos.Member):
    """Answers by the scenario of the moment, on connections that are open already, too. It counts:
    `number` of all connections, `talking` ones, and the `most` at once."""

    def __init__(self, *args, **kw):
        self.talking = self.most = 0
        self.late = None  # what it says to the question that it hung at; None: what it is then
        self.lock = threading.Lock()
        super().__init__(*args, **kw)

    def talk(self, sock):
        with self.lock:
            self.number += 1
            self.talking += 1
            self.most = max(self.most, self.talking)
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            c = Connection(sock, self.options, 0)
            while True:
                request, command, _ = c.request()
                state = None
                while self.scenario == "silent":
                    state = self.late
                    if select.select([sock], [], [], 0.02)[0] and not sock.recv(1, socket.MSG_PEEK):
                        return
                c.send(message(request, answer(self.options, command, state or self.scenario)))
        except (mongos.mongo_scripted.Closed, OSError):
            pass
        finally:
            with self.lock:
                self.talking -= 1


@pytest.fixture
def members():
    running = []

    def make(*scenarios, kind=Live, **kw):
        ports = [free_port() for _ in scenarios]
        hosts = [f"127.0.0.1:{port}" for port in ports]
        made = [kind(s, port=port, hosts=hosts, set_name="rs0", **kw) for s, port in zip(scenarios, ports)]
        running.extend(made)
        return made, "mongodb://" + ",".join(hosts) + "/?replicaSet=rs0"

    yield make
    for member in running:
        member.down()


def checks(agent, n):
    had = agent.probe("db")["checks_total"]
    wait_until(lambda: agent.probe("db")["checks_total"] >= had + n, 20, f"{n} more checks")


def healthy(probe, uri, more=""):
    agent = probe.agent(f"{FAST}[probe db]\nuri = {uri}\n{more}\n")
    agent.wait_status("db", "healthy")
    return agent


@pytest.mark.parametrize("require", ["ping", "primary", "secondary"])
def test_one_connection_a_member(probe, members, require):
    """Also to those whose answer the verdict does not wait for."""
    made, uri = members("primary", "secondary", "secondary")
    agent = healthy(probe, uri, f"require = {require}")
    checks(agent, 20)
    assert all(1 <= m.number <= FEW for m in made), [m.number for m in made]
    assert agent.probe("db")["failures_total"] == 0
    agent.stop()
    wait_until(lambda: not any(m.talking for m in made), 10, "the agent has closed them")


@pytest.mark.parametrize("scenario", ["close-idle", "reset-idle", "garbage-idle", "sick-later"])
def test_no_member_is_blamed_for_its_idle_connection(probe, members, scenario):
    made, uri = members(scenario, kind=mongos.Member)
    agent = probe.agent(f"{FAST}[probe db]\nuri = {uri}\n")
    if scenario == "sick-later":  # that is the server's own word
        agent.wait_status("db", "unhealthy")
        return
    agent.wait_status("db", "healthy")
    checks(agent, 15)
    assert agent.probe("db")["failures_total"] == 0, agent.probe("db")


def test_a_change_of_roles_is_seen_on_the_kept_connections(probe, members):
    made, uri = members("primary", "secondary", "secondary")
    agent = healthy(probe, uri, "require = primary")
    checks(agent, 3)
    made[0].scenario = "no-primary"
    agent.wait_status("db", "unhealthy")
    assert agent.probe("db")["last"]["reason"] == "no-primary"
    made[1].scenario = "primary"
    agent.wait_status("db", "healthy")
    assert f"from 127.0.0.1:{made[1].port}, primary of rs0" in agent.probe("db")["last"]["detail"]
    assert all(m.number <= FEW for m in made), [m.number for m in made]


def test_a_member_that_dies_is_seen_at_once(probe, members):
    made, uri = members("primary", "secondary", "secondary")
    agent = healthy(probe, uri, "min_members = 3")
    checks(agent, 3)
    made[2].down()
    agent.wait_status("db", "unhealthy")
    lost = [m for m in agent.probe("db")["members"] if m["name"].endswith(f":{made[2].port}")]
    assert lost[0]["state"] == "unreachable" and "refused" in lost[0]["error"], lost
    made[2].up()
    agent.wait_status("db", "healthy")


def test_who_is_no_member_any_more_is_let_go(probe, members):
    made, _ = members("primary", "secondary", "secondary")
    agent = healthy(probe, f"mongodb://127.0.0.1:{made[0].port}/?replicaSet=rs0")
    wait_until(lambda: all(m.talking for m in made), 10, "all are kept")
    for m in made:
        m.options.hosts = m.options.hosts[:2]
    wait_until(lambda: made[2].talking == 0, 10, "the third is let go")
    checks(agent, 3)
    assert made[2].number <= FEW and made[2].talking == 0


def test_a_member_that_hangs_holds_up_nobody_and_is_dialled_once(probe, members):
    made, uri = members("primary", "secondary", "secondary")
    agent = healthy(probe, uri, "require = primary")
    checks(agent, 3)
    made[2].scenario = "silent"
    had = made[2].number
    checks(agent, 15)
    assert agent.probe("db")["failures_total"] == 0
    assert had < made[2].number <= had + FEW and made[2].most <= 2  # the last one may be closing


def state_of(agent, member):
    return {m["name"]: m["state"] for m in agent.probe("db")["members"]}[f"127.0.0.1:{member.port}"]


def test_a_member_that_hung_is_asked_again_when_it_answers(probe, members):
    """What it then says to the question of before is not told: it may be old."""
    made, uri = members("primary", "secondary", "secondary")
    agent = healthy(probe, uri, "min_members = 3\ntimeout = 300ms")
    made[2].scenario = "silent"
    agent.wait_status("db", "unhealthy")
    assert state_of(agent, made[2]) == "unreachable"
    checks(agent, 3)
    made[2].scenario = "secondary"
    agent.wait_status("db", "healthy")
    assert state_of(agent, made[2]) == "secondary"


def test_an_old_answer_is_no_answer(probe, members):
    """A primary that hangs, and steps down before it goes on: it answers first by what it was."""
    made, uri = members("primary")
    agent = healthy(probe, uri, "require = primary\ntimeout = 300ms\ninterval = 1ms")
    made[0].scenario = "silent"
    agent.wait_status("db", "unhealthy")
    made[0].late = "primary"
    checks(agent, 3)  # it hangs on a connection of its own by now
    told = agent.probe("db")
    good = told["checks_total"] - told["failures_total"]
    made[0].scenario = "no-primary"
    wait_until(lambda: agent.probe("db")["last"]["reason"] == "no-primary", 10, "what it is now")
    told = agent.probe("db")
    assert told["checks_total"] - told["failures_total"] == good, told


@pytest.fixture(params=["one server", "a set"])
def kept(request, members, certs):
    """kept(pair) -> the server and its uri: of the two ways in which a connection is kept."""

    def make(pair):
        context = mongos.tls_context(None, pair)
        (server,), uri = members("primary", context=context)
        where = uri if request.param == "a set" else f"mongodb://127.0.0.1:{server.port}/?directConnection=true"
        return server, f"{where}&tls=true\ntls_ca = {certs.ca}"

    return make


def test_a_certificate_that_ends_is_seen_by_the_clock(probe, certs, kept):
    stamp = lambda when: datetime.fromtimestamp(when, timezone.utc).strftime("%Y%m%d%H%M%SZ")
    ends = int(time.time()) + 4 + 2 * int(SLACK)
    server, target = kept(certs.dated(f"kept{ends}", stamp(ends - 600), stamp(ends)))
    agent = healthy(probe, target)
    checks(agent, 3)
    assert server.number <= FEW
    last = agent.wait_status("db", "unhealthy", 4 + 3 * SLACK)["last"]
    assert last["reason"] == "tls" and "expired" in last["detail"], last


def test_a_certificate_that_ends_soon_is_warned_of(probe, certs, kept):
    """By each check, and when it ends stands in /metrics."""
    _, target = kept(certs.pair())
    agent = healthy(probe, target, "tls_min_days = 3650")
    for _ in range(3):
        assert "the certificate expires on" in (agent.probe("db")["warning"] or ""), agent.probe("db")
        checks(agent, 1)
    metrics = agent.get("/metrics").text
    for name in ("probe_tls_certificate_not_after_timestamp_seconds", "probe_ssl_earliest_cert_expiry"):
        assert re.search(rf"^{name}{{.*}} [1-9][0-9]{{9}}$", metrics, re.M), name


def test_of_a_sets_certificates_the_first_that_ends_is_told(probe, certs, members):
    stamp = lambda days: datetime.fromtimestamp(time.time() + 86400 * days, timezone.utc).strftime("%Y%m%d%H%M%SZ")
    made, uri = members("primary", "secondary")
    for server, days in zip(made, (300, 20)):
        server.context = mongos.tls_context(None, certs.dated(f"ends{days}", stamp(-1), stamp(days)))
    more = f"tls_ca = {certs.ca}\ntls_min_days = 30\nmin_members = 2"
    agent = healthy(probe, f"{uri}&tls=true", more)
    warning = agent.probe("db")["warning"]
    assert f"127.0.0.1:{made[1].port}: the certificate expires on" in warning, warning


def test_a_kept_connection_is_not_older_than_tls_recheck(probe, certs, kept):
    server, target = kept(certs.pair())
    agent = healthy(probe, target, "tls_recheck = 0s")
    checks(agent, 5)
    assert server.number >= 5
    server.context.load_cert_chain(*certs.pair("other", "DNS:other.test"))
    assert agent.wait_status("db", "unhealthy")["last"]["reason"] == "tls"
