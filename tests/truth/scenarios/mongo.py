"""mongo: one member, by the program's own codec. What the server says of itself stands in
mongo_states.py, TLS and logins in mongo_login.py, deployments by the driver in mongo_set.py."""

import os
import signal

import mongos
import names
from lib import hostile, servers
from mongos import play
from scenarios.common import (
    CUT, Situation, becomes, black_hole, comes_up_later, filtered, full_backlog, goes_away, inside,
    named, nobody, serves, told,
)
from table import HEALTHY, UNHEALTHY, rows


def at(where):
    return f"uri = mongodb://{where}/"


def plays(scenario, how, **kw):
    return serves(at, play(scenario, **kw), how)


def real_up(stage):
    """a real server (FerretDB, or a mongod)"""
    return Situation(f"uri = {mongos.real(stage).uri}")


def real_stopped(stage):
    """a real server, then SIGSTOP: its kernel still accepts"""
    server = mongos.real(stage, shared=False)
    return Situation(f"uri = {server.uri}", change=lambda: os.kill(server.pid, signal.SIGSTOP))


def real_restarts(stage):
    """a real server is killed, and started again"""
    server = mongos.real(stage, shared=False)
    server.down()
    return Situation(f"uri = {server.uri}", change=server.up)


def real_killed(stage):
    """a real server, then kill -9"""
    server = mongos.real(stage, shared=False)
    return Situation(f"uri = {server.uri}", change=server.down)


def proxy(how, server):
    """HAProxy in front of nothing: it accepts before it knows."""

    def make(stage):
        port = stage.port()
        stage.start(
            servers.Haproxy,
            f"listen x\n mode tcp\n retries 0\n bind 127.0.0.1:{port}\n{server(stage)}\n",
            port,
        )
        return Situation(at(f"127.0.0.1:{port}"))

    return told(how, make)


def dead_backend(stage):
    return f" server dead 127.0.0.1:{stage.port()}"


def silent_backend(stage):
    return f" server silent 127.0.0.1:{stage.serve(hostile.silent).port}"


def live_backend(stage):
    return f" server live 127.0.0.1:{stage.serve(play('up')).port}"


def unix(scenario, how):
    def make(stage):
        path = stage.program.path("mongodb-27017.sock")
        if scenario:
            mongos.member(stage, scenario, path=path)
        return Situation("uri = mongodb://" + str(path).replace("/", "%2F"))

    return told(how, make)


SHORT = "timeout = 400ms"
HELLO, PING = {"detail": "no reply to hello"}, {"detail": "ping"}

# fmt: off
ROWS = rows(
    "mongo",
    # ---- reachable or not
    ("up", real_up, HEALTHY, "ok", "", {"detail": "ping ok from 127.0.0.1:"}),
    ("up, scripted", plays("up", "hello and ping answered right"), HEALTHY, "ok"),
    ("up, before hello was known", plays("old", "MongoDB 3.6: isMaster alone"), HEALTHY, "ok"),
    ("up, with checksums", plays("checksum", "replies carry the optional checksum"),
        HEALTHY, "ok", "", {"peers": False}),
    ("Unix socket", unix("up", "a Unix socket, percent-encoded"), HEALTHY, "ok"),
    ("Unix socket missing", unix(None, "no such file"), UNHEALTHY, "refused"),
    ("refused", nobody(at), UNHEALTHY, "refused", "", {"detail": "127.0.0.1:[0-9]+"}),
    ("black-holed", black_hole(at), UNHEALTHY, "timeout", SHORT, {"detail": "10.99.0.2:80"}),
    ("backlog full", full_backlog(at), UNHEALTHY, "timeout", SHORT),
    ("rejected: host unreachable", filtered(at, "reject with icmpx type host-unreachable",
        "a router answers host unreachable"), UNHEALTHY, "unreachable"),
    ("comes up later", comes_up_later(at, play("up")), UNHEALTHY, "refused", "",
        {"then": (HEALTHY, "ok")}),
    ("goes away", goes_away(at, play("up")), HEALTHY, "ok", "",
        {"then": (UNHEALTHY, "refused")}),
    ("real server restarts", real_restarts, UNHEALTHY, "refused", "", {"then": (HEALTHY, "ok")}),
    ("real server killed", real_killed, HEALTHY, "ok", "", {"then": (UNHEALTHY, "refused")}),

    # ---- names
    ("name", named(at, ["127.0.0.1"], "a name with one address", play("up")), HEALTHY, "ok"),
    ("name missing", named(at, None, "NXDOMAIN", play("up")), UNHEALTHY, "dns"),
    ("name: SERVFAIL", named(at, names.code("SERVFAIL"), "the DNS server says SERVFAIL", play("up")),
        UNHEALTHY, "dns"),
    ("name: DNS silent", named(at, names.silent, "the DNS server never answers", play("up")),
        UNHEALTHY, "dns|timeout", SHORT),
    ("name appears later", named(at, None, "NXDOMAIN, then an address", play("up"),
        then=["127.0.0.1"]), UNHEALTHY, "dns", "", {"then": (HEALTHY, "ok")}),
    ("name changes its address", named(at, ["127.0.0.9"], "a dead address, then a live one",
        play("up"), then=["127.0.0.1"]), UNHEALTHY, "refused", "", {"then": (HEALTHY, "ok")}),
    ("only IPv4 lives", named(at, ["::1", "127.0.0.1"], "A and AAAA, only A listens", play("up")),
        HEALTHY, "ok"),
    ("only IPv6 lives", named(at, ["::1", "127.0.0.1"], "A and AAAA, only AAAA listens",
        play("up"), alive="::1"), HEALTHY, "ok"),

    # ---- open but dead
    ("stopped", real_stopped, HEALTHY, "ok", "timeout = 1s",
        {"then": (UNHEALTHY, "timeout"), "then_detail": "no reply"}),
    ("accepts and says nothing", plays("silent", "never answers"), UNHEALTHY, "timeout", SHORT,
        HELLO),
    ("hello but never ping", plays("hello-then-silent", "answers hello alone"),
        UNHEALTHY, "timeout", SHORT, PING),
    ("half a reply to ping", plays("hello-hangs-mid-ping", "hangs within its reply to ping"),
        UNHEALTHY, "timeout", SHORT, PING),
    ("connected, then black-holed", inside(at, play("up"), "accepts, then every packet is dropped",
        then=CUT), UNHEALTHY, "timeout", SHORT, {"detail": "hello|no answer"}),
    ("proxy, no backend", proxy("HAProxy without a server", lambda stage: ""),
        UNHEALTHY, "closed|reset"),
    ("proxy, dead backend", proxy("HAProxy, its server refuses", dead_backend),
        UNHEALTHY, "closed|reset"),
    ("proxy, silent backend", proxy("HAProxy, its server says nothing", silent_backend),
        UNHEALTHY, "timeout", SHORT, HELLO),
    ("proxy, live backend", proxy("HAProxy, its server is up", live_backend), HEALTHY, "ok"),
    ("hangs, then answers", becomes(at, hostile.silent, play("up"), "says nothing, then is up"),
        UNHEALTHY, "timeout", "timeout = 500ms", {"then": (HEALTHY, "ok")}),
    ("answers once a connection", plays("close-idle", "ends each connection after one check"),
        HEALTHY, "ok", "", {"peers": False}),
    ("answers, then hangs", plays("silent-idle", "a kept connection hangs, a new one works"),
        HEALTHY, "ok", "timeout = 1s", {"ways": ("check", "wait"), "peers": False}),

    # ---- cut at each stage
    ("reset at accept", plays("reset-at-accept", "RST at once"), UNHEALTHY, "reset"),
    ("reset at the request", plays("reset-at-request", "RST when hello came"),
        UNHEALTHY, "reset"),
    ("reset in the header", plays("reset-in-header", "RST after 7 bytes"), UNHEALTHY, "reset"),
    ("reset mid-hello", plays("reset-mid", "RST within hello's reply"), UNHEALTHY, "reset"),
    ("reset after hello", plays("reset-after-hello", "RST between hello and ping"),
        UNHEALTHY, "reset"),
    ("reset mid-ping", plays("reset-mid-ping", "RST within ping's reply"), UNHEALTHY, "reset"),
    ("closed at accept", plays("close-at-accept", "FIN at once"), UNHEALTHY, "closed|reset"),
    ("closed mid-hello", plays("close-mid", "FIN within hello's reply"),
        UNHEALTHY, "closed|reset"),
    ("closed after hello", plays("close-after-hello", "FIN between hello and ping"),
        UNHEALTHY, "closed|reset"),
    ("closed mid-ping", plays("close-mid-ping", "FIN within ping's reply"), UNHEALTHY, "closed"),
    ("half-closed after its answers", plays("half-closed", "all answered, then FIN"),
        HEALTHY, "ok", "", {"peers": False}),

    # ---- slow
    ("dripped", plays("drip", "byte by byte, in time", delay=0.0005), HEALTHY, "ok"),
    ("dripped without end", plays("drip", "byte by byte, for a minute", delay=0.1),
        UNHEALTHY, "timeout", SHORT),
    ("slow but in time", plays("slow", "0.15 s a reply", delay=0.15), HEALTHY, "ok"),
    ("just over time", plays("slow", "0.5 s a reply", delay=0.5), UNHEALTHY, "timeout",
        "timeout = 600ms", PING),

    # ---- replies that are none
    ("garbage", plays("garbage", "99 bytes of noise"), UNHEALTHY, "protocol"),
    ("speaks HTTP", plays("http", "a web server's 400"), UNHEALTHY, "protocol"),
    ("TLS alert", plays("tls-alert", "a TLS server's alert"), UNHEALTHY, "protocol"),
    ("length 12", plays("bad-length", "a length below a header's"), UNHEALTHY, "protocol"),
    ("length 2 GiB", plays("huge-length", "a length of 2^31 - 1"), UNHEALTHY, "protocol"),
    ("length negative", plays("negative-length", "a length of -1"), UNHEALTHY, "protocol"),
    ("length too small", plays("short-length", "a length that cuts the document"),
        UNHEALTHY, "protocol"),
    ("length too large", plays("long-length", "a length past what comes"),
        UNHEALTHY, "timeout|protocol", SHORT),
    ("reply to another", plays("wrong-request-id", "responseTo names no request of ours"),
        UNHEALTHY, "protocol"),
    ("wrong opcode", plays("wrong-opcode", "OP_REPLY to OP_MSG"), UNHEALTHY, "protocol"),
    ("moreToCome", plays("more-to-come", "the flag nobody asked for"), UNHEALTHY, "protocol"),
    ("unknown flag", plays("unknown-flag", "a required flag of no meaning"),
        UNHEALTHY, "protocol"),
    ("no body", plays("no-body", "a section of another kind"), UNHEALTHY, "protocol"),
    ("broken document", plays("broken-document", "a BSON type that there is not"),
        UNHEALTHY, "protocol"),
    ("deep document", plays("deep-document", "5,000 documents in each other"),
        UNHEALTHY, "protocol"),
    ("checksum missing", plays("checksum-bit", "the flag without a checksum"),
        UNHEALTHY, "timeout|protocol", SHORT),

    # ---- the answer is no
    ("hello ok: 0", plays("hello-ok0", "hello answered ShutdownInProgress"),
        UNHEALTHY, "protocol", "", {"detail": "ShutdownInProgress|quiesce"}),
    ("ping ok: 0", plays("ping-ok0", "ping answered ShutdownInProgress"),
        UNHEALTHY, "protocol", "", {"detail": "ShutdownInProgress|quiesce"}),
    ("ping without ok", plays("ping-no-ok", "a reply to ping without ok"),
        UNHEALTHY, "protocol", "", {"detail": "ok is not 1"}),
    ('ping ok: "1"', plays("ping-ok-string", "ok is a text"), UNHEALTHY, "protocol"),
    ("ping ok: NaN", plays("ping-nan", "ok is NaN"), UNHEALTHY, "protocol"),
    ("ping ok: 2", plays("ping-ok-two", "ok is 2"), UNHEALTHY, "protocol"),
    ("ping ok: int 1", plays("ping-ok-int", "ok is an int32"), HEALTHY, "ok"),
)
