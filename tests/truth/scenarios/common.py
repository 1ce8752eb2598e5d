"""Situations that rows of more than one type use. Each of these functions gives a situation: a
function of a Stage. `at` turns "host:port" into the keys of the row's type."""

import random

import names
from lib import hostile
from lib.net import free_port
from table import Situation

# The target's address where it is a host of its own.
AWAY = "10.99.0.2"


def told(how, make):
    """`make` with a description for the table."""
    make.__doc__ = how
    return make


def serves(at, behave, how, **kw):
    """A server of lib.hostile on 127.0.0.1, or on ::1 by ipv6=True."""

    def make(stage):
        host = "[::1]" if kw.get("ipv6") else "127.0.0.1"
        return Situation(at(f"{host}:{stage.serve(behave, **kw).port}"))

    return told(how, make)


def nobody(at):
    def make(stage):
        return Situation(at(f"127.0.0.1:{stage.port()}"))

    return told("nothing listens on the port", make)


def filtered(at, rule, how):
    """Another host, which has a rule for packets that come in."""

    def make(stage):
        near, _ = stage.networks([rule])
        return Situation(at(f"{AWAY}:80"), prefix=near.prefix)

    return told(how, make)


def black_hole(at):
    return filtered(at, "meta l4proto { tcp, udp } drop", "another host, which drops every packet")


def host_gone(at):
    """The neighbour does not answer: the kernel gives up on its address after three questions."""

    def make(stage):
        near, _ = stage.networks([])
        near.run("echo 100 >/proc/sys/net/ipv4/neigh/wire/retrans_time_ms")
        return Situation(at("10.99.0.99:80"), prefix=near.prefix)

    return told("no host has the address (nobody answers ARP)", make)


def routed(at, kind, how):
    """An address that the routing table of the machine itself speaks of."""

    def make(stage):
        network = stage.network(f"ip route add {kind} {AWAY}/32" if kind else "true")
        return Situation(at(f"{AWAY}:80"), prefix=network.prefix)

    return told(how, make)


def inside(at, behave, how, setup="true", then=None):
    """The server and the program in a network of their own; `then`: rules once it has accepted."""

    def make(stage):
        network = stage.network(setup)

        def behave_inside(sock):
            if then and network.is_up:
                network.run(then.format(port=server.port))
            behave(sock)

        server = network.call(lambda: stage.serve(behave_inside))
        return Situation(at(f"127.0.0.1:{server.port}"), prefix=network.prefix)

    return told(how, make)


# Every packet to and from the server is dropped from now on.
CUT = (
    "nft add table inet t; nft add chain inet t in '{{ type filter hook input priority 0; }}'; "
    "nft add rule inet t in tcp dport {port} drop; nft add rule inet t in tcp sport {port} drop"
)
# The first packet of every connection is lost: TCP sends it again after 1 s.
LOSE_FIRST = (
    "nft add table inet t; nft add chain inet t in '{ type filter hook input priority 0; }'; "
    "nft add rule inet t in 'tcp flags & (syn|ack) == syn limit rate 1/hour burst 1 packets drop'"
)


def full_backlog(at, how="its queue of connections is full"):
    """A stopped server: the kernel takes connections for it until the queue is full."""

    def make(stage):
        import socket

        listener = stage.keep(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # One more than the queue takes: the last ones stay in SYN_SENT.
        for _ in range(4):
            waiting = stage.keep(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        stage.wait_until(lambda: queue_is_full(address[1]), 5, "the queue is full")
        return Situation(at(f"127.0.0.1:{address[1]}"))

    return told(how, make)


def queue_is_full(port):
    """By the kernel's table: in a listener's line, rx_queue is the number that wait."""
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[3] == "0A":
            return int(fields[4].split(":")[1], 16) >= 1
    return False


# ---- A server that comes, goes, changes.


def comes_up_later(at, behave):
    def make(stage):
        server = stage.serve(behave)
        server.down()
        return Situation(at(f"127.0.0.1:{server.port}"), change=server.up)

    return told("nothing listens, then the server starts", make)


def goes_away(at, behave):
    def make(stage):
        server = stage.serve(behave)
        return Situation(at(f"127.0.0.1:{server.port}"), change=server.down)

    return told("it is up, then its listener is gone", make)


def becomes(at, first, second, how):
    """One server that behaves so, then otherwise."""

    def make(stage):
        server = stage.serve(first)

        def change():
            server.behave = second

        return Situation(at(f"127.0.0.1:{server.port}"), change=change)

    return told(how, make)


# ---- Names.


def named(at, answer, how, behave=hostile.silent, then=None, host="name.test", alive="127.0.0.1"):
    """The target by a name, `answer` by a DNS server of its own. The server listens on the address
    `alive` alone, if any; with `then` the name's answer becomes that."""

    def make(stage):
        port = free_port()
        if alive:
            stage.serve(behave, port=port, ipv6=":" in alive)
        zone = stage.keep(names.Names({} if answer is None else {host: answer}))

        def change():
            zone[host] = then

        return Situation(at(f"{host}:{port}"), env=zone.env, change=change if then else None)

    return told(how, make)


def named_in(at, answer, how, setup, behave=hostile.silent):
    """As `named`, the DNS server and the target inside a network with `setup`."""

    def make(stage):
        network = stage.network(setup)
        server = network.call(lambda: stage.serve(behave))
        zone = network.call(lambda: stage.keep(names.Names({"name.test": answer})))
        return Situation(at(f"name.test:{server.port}"), env=zone.env, prefix=network.prefix)

    return told(how, make)


def no_dns_server(at):
    def make(stage):
        server = stage.serve(hostile.silent)
        env = {"PROBE_DNS_SERVERS": f"127.0.0.1:{stage.port()}"}
        return Situation(at(f"name.test:{server.port}"), env=env)

    return told("nobody is at the DNS server's address", make)


# A text over which a(a|b){240}Z takes longer than a check's patterns may.
AB = "".join(random.Random(1).choices("ab", k=16000))


def is_ours(row, stage):
    """What the agent cannot check: no verdict at first, and a failure from the third time on."""
    situation = row.situation(stage)
    keys = situation.keys
    config = stage.program.write("probe.ini", f"[probe x]\n{keys}\n{row.lines}\n", 0o644)
    r = stage.program.run("check", "--json", "-c", config, "x", prefix=situation.prefix)
    assert r.code == 70 and r.json["probes"][0]["last"]["reason"] == row.reason, str(r)
    inverted = stage.program.run("check", "--invert", "-c", config, "x", prefix=situation.prefix)
    assert inverted.code == 70, str(inverted)
    if situation.prefix:
        return
    agent = stage.program.agent(f"[probe x]\n{keys}\n{row.lines}\nretries = 1\ninterval = 50ms\n")
    probe = agent.wait_status("x", row.verdict)
    assert probe["last"]["reason"] == row.reason and probe["checks_total"] >= 3, probe
    assert agent.get("/ready").code == 503
    agent.stop()
