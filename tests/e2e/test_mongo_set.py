"""Replica sets whose members come and go, and a real server among scripted ones."""

import re
import socket
import struct
import sys
import threading

import bson
import pytest

from lib import servers
from lib.net import free_port, wait_until
from lib.program import ROOT

sys.path.append(str(ROOT / "tests/truth"))

import mongos  # noqa: E402
from mongo_talk import Connection, message  # noqa: E402

FAST = "timeout = 2s\ninterval = 1s\nfail_interval = 100ms\n"


@pytest.fixture
def replica_set():
    """replica_set(scenario...) -> members that know each other; None: it is down."""
    running = []

    def make(*scenarios, fronts=None):
        """`fronts`: a real server, which is then the first member."""
        ports = [free_port() for _ in scenarios]
        hosts = [f"127.0.0.1:{port}" for port in ports]
        kinds = [Fronted if fronts and i == 0 else mongos.Member for i in range(len(ports))]
        made = [
            kind(scenario, port=port, hosts=hosts, set_name="rs0")
            for kind, scenario, port in zip(kinds, scenarios, ports) if scenario
        ]
        running.extend(made)
        if fronts:
            made[0].real = fronts.port
        return made, "mongodb://" + ",".join(hosts) + "/?replicaSet=rs0"

    yield make
    for member in running:
        member.down()


class Fronted(mongos.Member):
    """A real server that says it is a member: of what its scenario answers to hello, its reply has
    all that a set has to do with. Everything else is its own."""

    def talk(self, sock):
        try:
            self.relay(sock)
        except mongos.mongo_scripted.Closed:
            pass

    def relay(self, sock):
        of_set = ("setName", "setVersion", "hosts", "me", "primary", "secondary", "isWritablePrimary",
                  "ismaster", "lastWrite", "localTime")
        client = Connection(sock, self.options, 0)
        with socket.create_connection(("127.0.0.1", self.real)) as real:
            server = Connection(real, self.options, 0)
            while True:
                head = client.bytes(16)
                body = client.bytes(struct.unpack_from("<i", head)[0] - 16)
                real.sendall(head + body)
                command = bson.decode(body[5:])
                reply_head = server.bytes(16)
                reply = reply_head + server.bytes(struct.unpack_from("<i", reply_head)[0] - 16)
                if next(iter(command)) in ("hello", "isMaster"):
                    doc = bson.decode(reply[21:])
                    said = mongos.mongo_scripted.STATES[self.scenario](self.options)
                    doc.update((name, said[name]) for name in of_set if name in said)
                    reply = message(struct.unpack_from("<i", head, 4)[0], doc)
                sock.sendall(reply)


def rows(page):
    """The cells of each member in a probe's page."""
    table = re.search(r"<table class=members>.*?<tbody>(.*?)</table>", page, re.S).group(1)
    return [re.sub(r"<(?!td)[^>]*>", "", line).split("<td>")[1:] for line in table.splitlines()
            if "<td>" in line]


def test_members_on_the_page(probe, replica_set):
    """As the document has them."""
    members, uri = replica_set("primary", "lagging", None)
    agent = probe.agent(f"[probe db]\nuri = {uri}\nmin_members = 3\n{FAST}")
    agent.wait_status("db", "unhealthy")
    name = lambda port: f"127.0.0.1:{port}"
    first, second, third = rows(agent.get("/probe/db").text)
    assert first[:3] == [name(members[0].port), "primary", ""] and first[4] == "", first
    assert second[:2] == [name(members[1].port), "secondary"] and "1m0s" in second[2], second
    assert re.fullmatch(r"[0-9.]+ (µs|ms|s)", first[3]) and re.fullmatch(r"[0-9.]+ (µs|ms|s)", second[3])
    assert third[1:4] == ["unreachable", "", ""] and "refused" in third[4], third
    assert [m["name"] for m in agent.probe("db")["members"]] == [first[0], second[0], third[0]]
    members[1].down()
    wait_until(lambda: rows(agent.get("/probe/db").text)[1][1] == "unreachable", 10, "the page follows")


def test_a_name_on_the_page_is_text(probe, replica_set):
    (server,), uri = replica_set("primary")
    server.options.hosts = [f"127.0.0.1:{server.port}", "<b>&x</b>:1"]
    agent = probe.agent(f"[probe db]\nuri = {uri}\nmin_members = 2\n{FAST}")
    agent.wait_status("db", "unhealthy")
    page = agent.get("/probe/db").text
    assert "&lt;b&gt;&amp;x&lt;/b&gt;:1" in page and "<b>&x" not in page


def test_no_members_on_the_page_of_one_server(probe, replica_set):
    (server,), _ = replica_set("primary")
    agent = probe.agent(f"[probe db]\nuri = mongodb://127.0.0.1:{server.port}/\n{FAST}")
    agent.wait_status("db", "healthy")
    assert "Members" not in agent.get("/probe/db").text


# ---- A real server among them


def test_a_real_server_is_a_member(probe, start, replica_set):
    real = start(servers.Mongo, *mongos.USER)
    members, uri = replica_set("primary", "login", "login", fronts=real)
    for member in members[1:]:
        member.become("silent")  # the primary alone has to answer
    right = uri.replace("//", "//user:pencil@", 1)
    r = probe.run("check", "--timeout", "5s", "--set", "require=primary", right)
    assert r.code == 0 and f"from 127.0.0.1:{members[0].port}, primary of rs0" in r.out, str(r)
    r = probe.run("check", "--timeout", "2s", "--set", "require=primary",
                  uri.replace("//", "//user:hunter2@", 1))
    assert r.code == 1 and "auth" in r.out, str(r)
    real.down()
    r = probe.run("check", "--timeout", "2s", "--set", "require=primary", right)
    assert r.code == 1, str(r)


def test_a_real_server_is_read_from(probe, start, replica_set):
    """The primary is scripted, the real one is its secondary."""
    real = start(servers.Mongo)
    members, uri = replica_set("secondary", "primary", fronts=real)
    members[0].options.hosts = members[1].options.hosts = [f"127.0.0.1:{m.port}" for m in members[::-1]]
    r = probe.run("check", "--set", "require=writable", uri + "&readPreference=secondary")
    assert r.code == 0 and f"reads go to 127.0.0.1:{members[0].port}, secondary of rs0" in r.out, str(r)


# ---- Failover


@pytest.mark.parametrize("retries, seen", [(1, True), (1000, False)])
def test_failover(probe, replica_set, retries, seen):
    """An election of half a second: its failing checks are told, the verdict turns by `retries` alone,
    and the first check that begins under the new primary is a success."""
    members, uri = replica_set("primary", "secondary", "secondary")
    agent = probe.agent(f"[probe db]\nuri = {uri}\nrequire = primary\nretries = {retries}\n{FAST}")
    agent.wait_status("db", "healthy")
    since = agent.probe("db")["since"]
    elected = threading.Event()
    threading.Timer(0.5, elected.set).start()
    members[0].down()
    for member in members[1:]:
        member.become("no-primary")
    wait_until(lambda: agent.probe("db")["last"]["reason"] == "no-primary", 10, "no primary")
    if seen:
        agent.wait_status("db", "unhealthy")
    assert elected.wait(10)
    members[1].become("primary")
    failed = agent.probe("db")["failures_total"]
    new = f"127.0.0.1:{members[1].port}, primary of rs0"
    wait_until(lambda: new in agent.probe("db")["last"]["detail"], 10, "the new primary")
    agent.wait_status("db", "healthy")
    now = agent.probe("db")
    assert now["failures_total"] <= failed + 1, "one check may have been under way"
    assert (now["since"] != since) == seen, now
    assert {m["name"]: m["state"] for m in now["members"]}[f"127.0.0.1:{members[1].port}"] == "primary"


def hang_and_elect(members):
    """The last member hangs; once the others have been asked, the first one is the primary."""
    wait_until(lambda: all(m.connections for m in members), 10, "all are asked")
    members[0].become("primary")


def test_an_election_is_seen_while_a_member_hangs(probe, replica_set):
    """By the very check that waits for that member: at its deadline it would say no-primary."""
    members, uri = replica_set("no-primary", "no-primary", "silent")
    thread = threading.Thread(target=hang_and_elect, args=(members,))
    thread.start()
    r = probe.run("check", "--timeout", "25s", "--set", "require=primary", uri)
    thread.join()
    assert r.code == 0 and f"from 127.0.0.1:{members[0].port}, primary of rs0" in r.out, str(r)


def test_an_agent_sees_an_election_while_a_member_hangs(probe, replica_set):
    members, uri = replica_set("no-primary", "no-primary", "silent")
    agent = probe.agent(f"[probe db]\nuri = {uri}\nrequire = primary\ntimeout = 1m\ninterval = 1s\n")
    hang_and_elect(members)
    agent.wait_status("db", "healthy", timeout=25)
    assert agent.probe("db")["failures_total"] == 0


def test_a_login_that_is_refused_is_not_tried_again(probe, replica_set):
    """While another member hangs: it would lock the user out."""
    members, uri = replica_set("login", "silent")
    r = probe.run("check", "--timeout", "1s", uri.replace("//", "//user:hunter2@", 1))
    assert r.code == 1 and "auth" in r.out, str(r)
    assert members[0].connections <= 1, members[0].connections


# ---- The driver's child


@pytest.mark.parametrize("preference, reason", [
    ("", None), ("&readPreference=primary", None), ("&readPreference=secondaryPreferred", None),
    ("&readPreference=secondary", "mismatch"),
])
def test_reads_by_the_driver(probe, driver, replica_set, preference, reason):
    """A set of one primary: a secondary to read from is asked for beside it."""
    _, uri = replica_set("aws")
    uri = uri.replace("//", "//user:pencil@", 1) + f"&{driver}{preference}"
    r = probe.run("check", "--json", "--timeout", "1s", "--set", "require=writable", uri)
    assert r.json["probes"][0]["last"]["reason"] == reason, str(r)
