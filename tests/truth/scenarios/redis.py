"""redis: what a server answers to PING and INFO, and what is none."""

from lib import hostile
from scenarios.common import (
    Situation, becomes, black_hole, comes_up_later, full_backlog, goes_away, host_gone, nobody, serves, told,
)
from table import HEALTHY, UNHEALTHY, rows


def at(where):
    return f"uri = redis://{where}"


def login(where):
    return f"uri = redis://user:pencil@{where}"


MASTER = {"redis_mode": "standalone", "loading": "0", "role": "master", "connected_slaves": "1"}
REPLICA = {**MASTER, "role": "slave", "master_host": "db", "master_link_status": "up",
           "master_last_io_seconds_ago": "3", "master_sync_in_progress": "0"}


def bulk(fields):
    text = "# Section\r\n" + "".join(f"{k}:{v}\r\n" for k, v in fields.items())
    return b"$%d\r\n%s\r\n" % (len(text), text.encode())


def redis(ping=b"+PONG\r\n", info=MASTER, auth=b"+OK\r\n", select=b"+OK\r\n", cluster=None):
    """A server that answers each command so."""
    answers = {b"PING": ping, b"AUTH": auth, b"SELECT": select, b"CLUSTER": bulk(cluster or {}),
               b"INFO": info if isinstance(info, bytes) else bulk(info)}

    def behave(sock):
        while data := sock.recv(65536):
            words = data.split(b"\r\n")
            if b"CLUSTER" in words:
                words.remove(b"INFO")
            sock.sendall(b"".join(answers[w] for w in words if w in answers))

    return behave


def says(text, how=None):
    return serves(at, redis(ping=f"{text}\r\n".encode()), how or f"answers {text[:50]}")


def knows(fields, how):
    return serves(at, redis(info=fields), how)


def unix(behave, how):
    def make(stage):
        path = stage.program.path("redis.sock")
        if behave:
            stage.serve(behave, path=path)
        return Situation(f"uri = redis+unix://{path}")

    return told(how, make)


SHORT = "timeout = 400ms"
CALM = r"\n\Z"  # no warning
LOADING = "-LOADING Redis is loading the dataset in memory"
DATA, MASTERS, REPLICAS = "require = data", "require = master", "require = replica"
WRITES = "require = writable"
CLUSTER = {**MASTER, "redis_mode": "cluster"}

# fmt: off
ROWS = rows(
    "redis",
    ("up", serves(at, redis(), "answers PONG"), HEALTHY, "ok", "", {"detail": "PONG"}),
    ("up, IPv6", serves(at, redis(), "answers on ::1", ipv6=True), HEALTHY, "ok"),
    ("Unix socket", unix(redis(), "answers on a Unix socket"), HEALTHY, "ok"),
    ("Unix socket missing", unix(None, "no such file"), UNHEALTHY, "refused"),
    ("refused", nobody(at), UNHEALTHY, "refused"),
    ("black-holed", black_hole(at), UNHEALTHY, "timeout", SHORT),
    ("host gone", host_gone(at), UNHEALTHY, "unreachable"),
    ("backlog full", full_backlog(at), UNHEALTHY, "timeout", SHORT),
    ("comes up later", comes_up_later(at, redis()), UNHEALTHY, "refused", "", {"then": (HEALTHY, "ok")}),
    ("goes away", goes_away(at, redis()), HEALTHY, "ok", "", {"then": (UNHEALTHY, "refused")}),
    ("loads, then is up", becomes(at, redis(ping=LOADING.encode() + b"\r\n"), redis(), "loads, then answers"),
        UNHEALTHY, "not-ready", "", {"then": (HEALTHY, "ok")}),
    ("hangs", serves(at, hostile.silent, "takes the question and says nothing"), UNHEALTHY, "timeout",
        SHORT, {"detail": "no answer to PING"}),

    # ---- errors
    ("loading", says(LOADING), UNHEALTHY, "not-ready", "", {"detail": "loads its data.*LOADING"}),
    ("master down", says("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
        UNHEALTHY, "not-ready"),
    ("busy", says("-BUSY Redis is busy running a script."), UNHEALTHY, "not-ready"),
    ("cluster down", says("-CLUSTERDOWN The cluster is down"), UNHEALTHY, "not-ready"),
    ("no login given", says("-NOAUTH Authentication required."), UNHEALTHY, "auth", "", {"detail": "alive"}),
    ("no permission", says("-NOPERM this user has no permissions"), UNHEALTHY, "auth"),
    ("protected mode", says("-DENIED Redis is running in protected mode"), UNHEALTHY, "auth"),
    ("cannot save", says("-MISCONF Redis is configured to save RDB snapshots"), UNHEALTHY, "not-writable"),
    ("read-only", says("-READONLY You can't write against a read only replica."), UNHEALTHY, "not-writable"),
    ("full", serves(at, hostile.banner(b"-ERR max number of clients reached\r\n"), "takes no more clients"),
        UNHEALTHY, "full"),
    ("another error", says("-ERR unknown command 'PING'"), UNHEALTHY, "protocol"),
    ("login", serves(login, redis(), "takes the login"), HEALTHY, "ok"),
    ("login refused", serves(login, redis(auth=b"-WRONGPASS invalid username-password pair\r\n"),
        "refuses the login"), UNHEALTHY, "auth"),
    ("login without a password there", serves(login, redis(auth=b"-ERR AUTH <password> called without any\r\n"),
        "has no password"), UNHEALTHY, "auth"),
    ("database", serves(lambda w: at(w) + "/3", redis(), "has the database"), HEALTHY, "ok"),
    ("no such database", serves(lambda w: at(w) + "/99", redis(select=b"-ERR DB index is out of range\r\n"),
        "has no such database"), UNHEALTHY, "mismatch"),

    # ---- what INFO says
    ("data: master", knows(MASTER, "a master"), HEALTHY, "ok", DATA, {"detail": "master with 1 replicas"}),
    ("data: replica", knows(REPLICA, "a replica with its master"), HEALTHY, "ok", DATA),
    ("data: link down", knows({**REPLICA, "master_link_status": "down"}, "a replica without its master"),
        UNHEALTHY, "not-ready", DATA),
    ("data: copies", knows({**REPLICA, "master_link_status": "down", "master_sync_in_progress": "1"},
        "a replica that copies the data"), UNHEALTHY, "not-ready", DATA, {"detail": "copies"}),
    ("data: loading", knows({**MASTER, "loading": "1"}, "loads, and answers PONG"), UNHEALTHY, "not-ready", DATA),
    ("data: sentinel", knows({"redis_mode": "sentinel"}, "a sentinel"), UNHEALTHY, "mismatch", DATA),
    ("data: not known", knows({"role": "master"}, "does not tell whether it loads"), UNHEALTHY, "protocol", DATA),
    ("data: nothing known", knows({}, "an INFO that says nothing"), UNHEALTHY, "protocol", DATA),
    ("data: INFO refused", serves(at, redis(info=b"-NOPERM no permissions to run 'info'\r\n"), "refuses INFO"),
        UNHEALTHY, "auth", DATA),
    ("data: cluster up", serves(at, redis(info=CLUSTER, cluster={"cluster_state": "ok"}), "a cluster that is up"),
        HEALTHY, "ok", DATA),
    ("data: cluster down", serves(at, redis(info=CLUSTER, cluster={"cluster_state": "fail",
        "cluster_slots_ok": "5461"}), "a cluster without some slots"), UNHEALTHY, "not-ready", DATA,
        {"detail": "5461 of 16384"}),
    ("data: cluster not known", serves(at, redis(info=CLUSTER), "says nothing of its cluster"),
        UNHEALTHY, "protocol", DATA),
    ("master", knows(MASTER, "a master"), HEALTHY, "ok", MASTERS),
    ("master: a replica", knows(REPLICA, "a replica"), UNHEALTHY, "not-writable", MASTERS),
    ("replica", knows(REPLICA, "a replica"), HEALTHY, "ok", REPLICAS, {"detail": "replica of db"}),
    ("replica: a master", knows(MASTER, "a master"), UNHEALTHY, "mismatch", REPLICAS),
    ("writable", knows(MASTER, "a master"), HEALTHY, "ok", WRITES),
    ("writable: a replica", knows(REPLICA, "a replica"), UNHEALTHY, "not-writable", WRITES),
    ("lag within", knows(REPLICA, "heard of its master 3 s ago"), HEALTHY, "ok", "max_lag = 3s"),
    ("lag beyond", knows({**REPLICA, "master_last_io_seconds_ago": "31"}, "heard of its master 31 s ago"),
        UNHEALTHY, "mismatch", "max_lag = 30s", {"detail": "31 s ago"}),
    ("lag worth a warning", knows({**REPLICA, "master_last_io_seconds_ago": "31"},
        "heard of its master 31 s ago"), HEALTHY, "ok", "warn_lag = 30s",
        {"detail": "replica of db, last heard of 31 s ago, warn_lag is 30 s"}),
    ("lag worth a warning, data", knows({**REPLICA, "master_last_io_seconds_ago": "31"},
        "heard of its master 31 s ago"), HEALTHY, "ok", f"{DATA}; warn_lag = 30s", {"detail": "warn_lag is 30 s"}),
    ("lag worth none", knows({**REPLICA, "master_last_io_seconds_ago": "30"},
        "heard of its master 30 s ago"), HEALTHY, "ok", "warn_lag = 30s", {"detail": CALM}),
    ("lag: a master", knows({**MASTER, "master_last_io_seconds_ago": "31"}, "a master"), HEALTHY, "ok",
        "warn_lag = 30s", {"detail": CALM}),
    ("lag: its link is down", knows({**REPLICA, "master_link_status": "down"}, "a replica without its master"),
        HEALTHY, "ok", "warn_lag = 30s", {"detail": "\nreplica of db, to which its link is down"}),
    ("lag: beyond both", knows({**REPLICA, "master_last_io_seconds_ago": "31"}, "heard of its master 31 s ago"),
        UNHEALTHY, "mismatch", "warn_lag = 5s; max_lag = 30s"),
    ("lag: not told", knows({**REPLICA, "master_last_io_seconds_ago": "-1"}, "never heard of its master"),
        HEALTHY, "ok", "warn_lag = 30s", {"detail": "how far behind is not known"}),
    ("lag: INFO refused", serves(at, redis(info=b"-NOPERM no permissions to run 'info'\r\n"), "refuses INFO"),
        HEALTHY, "ok", "warn_lag = 30s", {"detail": "not known, INFO: NOPERM"}),
    ("lag: nothing known", knows({}, "an INFO that says nothing"), HEALTHY, "ok", "warn_lag = 30s",
        {"detail": "does not say whether it is a replica"}),
    ("lag: a sentinel", knows({"redis_mode": "sentinel"}, "a sentinel"), HEALTHY, "ok", "warn_lag = 30s",
        {"detail": CALM}),
    ("lag: loads, and warns only", knows({**MASTER, "loading": "1"}, "loads, and answers PONG"), HEALTHY, "ok",
        "warn_lag = 30s", {"detail": CALM}),
    ("lag not known", knows({**REPLICA, "master_last_io_seconds_ago": "-1"}, "never heard of its master"),
        UNHEALTHY, "mismatch", "max_lag = 30s"),

    # ---- what is no Redis
    ("HTTP", serves(at, hostile.http_reply(), "an HTTP server"), UNHEALTHY, "protocol|timeout", SHORT),
    ("garbage", serves(at, hostile.garbage, "noise"), UNHEALTHY, "protocol"),
    ("a greeting", serves(at, hostile.banner(b"220 mail.test ESMTP\r\n"), "another protocol's greeting"),
        UNHEALTHY, "protocol"),
    ("pong of another kind", says("+PING"), UNHEALTHY, "protocol"),
    ("pong as an integer", says(":1"), UNHEALTHY, "protocol"),
    ("pong as a bulk", says("$4\r\nPONG"), UNHEALTHY, "protocol"),
    ("more than a pong", says("+PONG\r\n+PONG"), UNHEALTHY, "protocol"),
    ("dripped", serves(at, hostile.drip(b"+PONG\r\n"), "PONG byte by byte"), HEALTHY, "ok"),
    ("half a pong", serves(at, hostile.reply(b"+PON"), "half an answer, then silence"), UNHEALTHY, "timeout", SHORT),
    ("half a pong, closed", serves(at, hostile.reply_and_close(b"+PON"), "half an answer, then FIN"),
        UNHEALTHY, "closed"),
    ("half a pong, reset", serves(at, hostile.reply_and_reset(b"+PON"), "half an answer, then RST"),
        UNHEALTHY, "reset"),
    ("closed", serves(at, hostile.close_at_once, "accepts and closes"), UNHEALTHY, "closed|reset"),
    ("a line without end", serves(at, hostile.endless(b"-ERR ", b"x" * 64), "an error without end"),
        UNHEALTHY, "protocol"),
    ("a bulk without end", serves(at, hostile.endless(b"+PONG\r\n$999999999\r\n", b"x" * 64),
        "an INFO without end"), UNHEALTHY, "protocol", DATA),
    ("an INFO of a large size", serves(at, redis(info=b"$262144\r\n" + b"x" * 262144 + b"\r\n"),
        "an INFO of 256 KiB that says nothing"), UNHEALTHY, "protocol", DATA),
    ("controls in an error", says("-LOADING \x1b[2J\x07"), UNHEALTHY, "not-ready", "",
        {"detail": r"\\x1b\[2J\\x07"}),
)
