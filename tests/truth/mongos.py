"""MongoDB servers of rows: scripted ones inside this process (tests/servers/mongo_scripted.py has
their parts and where each reply is taken from), sets of them, and real ones."""

import ssl
import sys
import threading
from types import SimpleNamespace

from lib import hostile, servers
from lib.net import free_port
from lib.program import ROOT

sys.path.append(str(ROOT / "tests/servers"))

import mongo_scripted  # noqa: E402

USER = ("--user", "user", "--password", "pencil")


def tls_context(stage, pair, client_ca=None):
    """The server's side of TLS; with `client_ca` it wants a certificate of the client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def play(scenario, delay=0):
    """A scenario as a behaviour of lib.hostile."""
    options = SimpleNamespace(port=1, set=None, delay=delay, hosts=None)
    number = iter(range(1 << 30))

    def behave(sock):
        try:
            connection = mongo_scripted.Connection(sock, options, next(number))
            mongo_scripted.SCENARIOS[scenario](connection)
        except mongo_scripted.Closed:
            pass

    return behave


class Member(hostile.Server):
    """Plays a scenario; `.scenario` may be changed at any time, for the connections to come.
    `hosts`: all members of its set, the first one the primary."""

    def __init__(self, scenario, port=None, path=None, set_name=None, delay=0, context=None, hosts=None):
        self.scenario, self.context, self.number = scenario, context, 0
        port = None if path else port or free_port()
        self.options = SimpleNamespace(port=port or 27017, set=set_name, delay=delay, hosts=hosts)
        super().__init__(self.talk, port=port, path=path)

    def talk(self, sock):
        self.number += 1
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            try:
                play = mongo_scripted.SCENARIOS[self.scenario]
                play(mongo_scripted.Connection(sock, self.options, self.number))
            finally:
                if self.context:
                    sock.close()
        except (mongo_scripted.Closed, OSError):
            pass

    def become(self, scenario):
        """From now on; the connections of before are ended."""
        self.scenario = scenario
        self.down()
        self.up()


def member(stage, scenario, **kw):
    return stage.keep(Member(scenario, **kw))


def replica_set(stage, *scenarios, **kw):
    """One server a scenario, that know each other; the first one's place is the primary's. None: it
    is down."""
    ports = [free_port() for _ in scenarios]
    hosts = [f"127.0.0.1:{port}" for port in ports]
    made = [
        stage.keep(Member(scenario, port=port, hosts=hosts, set_name="rs0", **kw)) if scenario else None
        for scenario, port in zip(scenarios, ports)
    ]
    return SimpleNamespace(hosts=hosts, members=made, seeds=",".join(hosts))


_shared = {}
_lock = threading.Lock()


def real(stage, *options, shared=True):
    """A real server with these options. A shared one serves all rows of this process that ask for
    the same, and is never stopped."""
    if not shared:
        return stage.start(servers.Mongo, *options)
    with _lock:
        if options not in _shared:
            _shared[options] = servers.Mongo(*options)
        return _shared[options]


def drop_shared():
    while _shared:
        _shared.popitem()[1].close()
