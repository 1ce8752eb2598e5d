"""mongo: what one server says of itself, and what is wanted of it. The init phase of the official
image is replayed here too."""

import subprocess

import mongos
from scenarios.common import Situation, told
from table import HEALTHY, UNHEALTHY, rows


def says(state, then=None):
    """A server in that state, then in another."""

    def make(stage):
        server = mongos.member(stage, state)
        change = (lambda: server.become(then)) if then else None
        return Situation(f"uri = mongodb://127.0.0.1:{server.port}/", change=change)

    return told(f"{state}, then {then}" if then else state, make)


def real_set(stage):
    """a real server, FerretDB with --repl-set-name=rs0"""
    return Situation(f"uri = {mongos.real(stage, '--set', 'rs0').uri}")


def real_standalone(stage):
    """a real server that is in no set"""
    return Situation(f"uri = {mongos.real(stage).uri}")


PRIMARY, WRITABLE = "require = primary", "require = writable"
SECONDARY, DATA, SET = "require = secondary", "require = data", "set_name = rs0"


# ---- The init phase, as docker-entrypoint.sh of docker-library/mongo goes through it: a temporary
# mongod on 127.0.0.1:27017 without authentication and with a pid file of its own, in which the init
# scripts run; it is shut down, and the real one started. In a network of its own, for the port.

PIDFILE = "/tmp/docker-entrypoint-temp-mongod.pid"
TEMPORARY = (
    "--bind_ip", "127.0.0.1", "--port", "27017", "--sslMode", "disabled", "--logpath",
    "/proc/1/fd/1", "--logappend", "--pidfilepath", PIDFILE, "--fork",
)
NO_PIDFILE = TEMPORARY[:-3] + TEMPORARY[-1:]
BITNAMI = "--config=/opt/bitnami/mongodb/conf/mongodb.conf"


class Mongod:
    """A process that calls itself mongod, with these arguments, in the network's name space."""

    def __init__(self, stage, network, *args):
        path = stage.program.write("bin/mongod", "#!/bin/sh\nread line\n", 0o700)
        self.process = subprocess.Popen(
            [*network.prefix, path, *args], stdin=subprocess.PIPE, cwd=path.parent
        )
        comm = f"/proc/{self.process.pid}/comm"
        stage.wait_until(lambda: open(comm).read() == "mongod\n", 10, "a mongod is seen")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


def in_network(stage, scenario, *args):
    """A server on port 27017 of a network of its own; `args`: a mongod is seen there."""
    network = stage.network()
    server = network.call(lambda: mongos.member(stage, scenario, port=27017))
    mongod = stage.keep(Mongod(stage, network, *args)) if args else None
    return network, server, mongod


def init(scenario, how, *args, uri="mongodb://127.0.0.1/", then=None):
    """`then`: the scenario and the arguments of the real server that follows."""

    def make(stage):
        network, server, mongod = in_network(stage, scenario, *args)

        def change():
            server.down()
            if mongod:
                mongod.close()
            server.scenario = then[0]
            network.call(lambda: server.up() or True)
            if then[1:]:
                stage.keep(Mongod(stage, network, *then[1:]))

        return Situation(f"uri = {uri}", prefix=network.prefix, change=change if then else None)

    return told(how, make)


REAL = ("--auth", "--bind_ip_all")
DRIVER = "mongodb://127.0.0.1/?directConnection=false"

# fmt: off
ROWS = rows(
    "mongo",
    ("standalone", says("up"), HEALTHY, "ok", "", {"detail": "standalone"}),
    ("standalone is writable", says("up"), HEALTHY, "ok", WRITABLE),
    ("standalone has data", says("up"), HEALTHY, "ok", DATA),
    ("standalone where a primary is wanted", says("up"), UNHEALTHY, "mismatch", PRIMARY,
        {"detail": "standalone"}),
    ("standalone where a set is wanted", says("up"), UNHEALTHY, "mismatch", SET,
        {"detail": "standalone"}),
    ("standalone where a set is wanted, real", real_standalone, UNHEALTHY, "mismatch", SET),
    ("primary", says("primary"), HEALTHY, "ok", f"{PRIMARY}; {SET}",
        {"detail": "primary of rs0"}),
    ("primary, real", real_set, HEALTHY, "ok", f"{PRIMARY}; {SET}",
        {"detail": "primary of rs0"}),
    ("primary where a secondary is wanted", says("primary"), UNHEALTHY, "mismatch", SECONDARY),
    ("wrong set", says("wrong-set"), UNHEALTHY, "mismatch", SET, {"detail": "other"}),
    ("secondary", says("secondary"), HEALTHY, "ok", f"{SECONDARY}; {SET}",
        {"detail": "secondary of rs0"}),
    ("secondary answers", says("secondary"), HEALTHY, "ok"),
    ("secondary where a primary is wanted", says("secondary"), UNHEALTHY, "not-writable", PRIMARY,
        {"detail": "the primary is 127.0.0.1:1"}),
    ("secondary where writes are wanted", says("secondary"), UNHEALTHY, "not-writable", WRITABLE),
    ("secondary lags", says("lagging"), UNHEALTHY, "mismatch", "max_lag = 10s",
        {"detail": "behind"}),
    ("secondary lags within bounds", says("lagging"), HEALTHY, "ok", "max_lag = 5m"),
    ("secondary lags, and warns", says("lagging"), HEALTHY, "ok", "warn_lag = 10s",
        {"detail": "is 1m0s behind, warn_lag is 10 s"}),
    ("secondary lags, and need not warn", says("lagging"), HEALTHY, "ok", "warn_lag = 5m",
        {"detail": r"\n\Z"}),
    ("hidden", says("hidden"), HEALTHY, "ok", DATA, {"detail": "hidden"}),
    ("arbiter", says("arbiter"), HEALTHY, "ok", "", {"detail": "arbiter"}),
    ("arbiter has no data", says("arbiter"), UNHEALTHY, "mismatch", DATA, {"detail": "arbiter"}),
    ("recovering", says("recovering"), HEALTHY, "ok", "", {"detail": "recovering"}),
    ("recovering has no data", says("recovering"), UNHEALTHY, "mismatch", DATA,
        {"detail": "recovering"}),
    ("starting up (STARTUP2)", says("starting-up"), UNHEALTHY, "mismatch", DATA,
        {"detail": "starting up"}),
    ("starting up where writes are wanted", says("starting-up"), UNHEALTHY,
        "no-primary|not-writable", WRITABLE),
    ("rollback", says("rollback"), UNHEALTHY, "mismatch", DATA, {"detail": "rolling back"}),
    ("removed from its set", says("removed"), UNHEALTHY, "not-initiated", SET,
        {"detail": "removed"}),
    ("not initiated answers", says("not-initiated"), HEALTHY, "ok", "",
        {"detail": "not initiated"}),
    ("not initiated, data wanted", says("not-initiated"), UNHEALTHY, "not-initiated", DATA),
    ("not initiated, primary wanted", says("not-initiated"), UNHEALTHY, "not-initiated", PRIMARY),
    ("not initiated, set wanted", says("not-initiated"), UNHEALTHY, "not-initiated", SET),
    ("not initiated, then primary", says("not-initiated", "primary"), UNHEALTHY, "not-initiated",
        PRIMARY, {"then": (HEALTHY, "ok")}),
    ("electing answers", says("no-primary"), HEALTHY, "ok"),
    ("electing, primary wanted", says("no-primary"), UNHEALTHY, "no-primary", PRIMARY),
    ("electing, writes wanted", says("no-primary"), UNHEALTHY, "no-primary", WRITABLE),
    ("electing, then primary", says("no-primary", "primary"), UNHEALTHY, "no-primary", WRITABLE,
        {"then": (HEALTHY, "ok")}),
    ("primary steps down", says("primary", "secondary"), HEALTHY, "ok", PRIMARY,
        {"then": (UNHEALTHY, "not-writable")}),
    ("mongos", says("mongos"), HEALTHY, "ok", WRITABLE, {"detail": "mongos"}),
    ("mongos where a set is wanted", says("mongos"), UNHEALTHY, "mismatch", SET),
    ("read-only", says("read-only"), UNHEALTHY, "not-writable", WRITABLE,
        {"detail": "read-only"}),

    # ---- the init phase of the images
    ("init phase: command line seen", init("up", "the temporary mongod is seen in /proc",
        *TEMPORARY), UNHEALTHY, "init-phase"),
    ("init phase: the server tells", init("init", "nothing in /proc; getCmdLineOpts tells"),
        UNHEALTHY, "init-phase"),
    ("init phase of MongoDB's own image", init("up", "its temporary mongod is seen in /proc",
        *NO_PIDFILE), UNHEALTHY, "init-phase"),
    ("init phase of Bitnami's image", init("up", "its temporary mongod is seen in /proc",
        "--fork", BITNAMI), UNHEALTHY, "init-phase"),
    ("no init phase: Bitnami's real server", init("up", "it runs in the foreground", BITNAMI),
        HEALTHY, "ok"),
    ("no init phase: a server on loopback that forks", init("up", "as an administrator starts it",
        "--bind_ip", "127.0.0.1", "--logpath", "/var/log/mongod.log", "--fork"), HEALTHY, "ok"),
    ("init phase, by the driver", init("init", "getCmdLineOpts tells the driver's child",
        uri=DRIVER), UNHEALTHY, "init-phase"),
    ("init phase: seen, by the driver", init("up", "seen in /proc, by the driver's child",
        *TEMPORARY, uri=DRIVER), UNHEALTHY, "init-phase"),
    ("init phase: localhost", init("init", "the same by its name",
        uri="mongodb://localhost:27017/"), UNHEALTHY, "init-phase"),
    ("init phase: 0.0.0.0", init("init", "an address that the kernel takes for loopback",
        uri="mongodb://0.0.0.0:27017/"), UNHEALTHY, "init-phase"),
    ("init phase: IPv4 in IPv6", init("init", "127.0.0.1 as an IPv6 address",
        uri="mongodb://[::ffff:127.0.0.1]:27017/"), UNHEALTHY, "init-phase"),
    ("init phase, guard off", init("init", "the same, but nobody wants to know"),
        HEALTHY, "ok", "init_guard = off"),
    ("init phase, then the real server", init("init", "the entrypoint's course: temporary, then real",
        *TEMPORARY, then=("guarded", *REAL)), UNHEALTHY, "init-phase", "",
        {"then": (HEALTHY, "ok")}),
    ("init phase, set_name catches it too", init("up", "a server without the set's name"),
        UNHEALTHY, "mismatch", f"{SET}; init_guard = off"),
    ("no init phase: real server seen", init("up", "a mongod with --auth in /proc", *REAL),
        HEALTHY, "ok"),
    ("no init phase: another pid file", init("up", "a mongod with a pid file of its own",
        "--pidfilepath", "/run/mongod.pid", "--fork"), HEALTHY, "ok"),
    ("no init phase: it does not tell", init("guarded", "getCmdLineOpts needs a login"),
        HEALTHY, "ok"),
)
