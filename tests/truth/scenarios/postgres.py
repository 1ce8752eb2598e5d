"""postgres: what a server says to a startup message, a login and a query, and what is none."""

import postgres_scripted as pg
from lib import hostile
from scenarios.common import (
    Situation, becomes, black_hole, comes_up_later, full_backlog, goes_away, nobody, serves, told,
)
from table import HEALTHY, UNHEALTHY, rows


def at(where):
    return f"uri = postgres://{where}/"


def user(where):
    return f"uri = postgres://user:pencil@{where}/shop"


def tls(mode):
    return lambda where: f"uri = postgres://{where}/?sslmode={mode}"


def says(code, text, at=at, how=None):
    return serves(at, pg.serve(greeting=pg.error(code, text)), how or f"says {code}, {text[:40]}")


def asks(kind, body=b"", at=at, how=None):
    """Wants a login of that kind, and takes whatever comes."""

    def login(sock):
        sock.sendall(pg.auth(kind, body))
        pg.ask(sock)
        return True

    return serves(at, pg.serve(login), how or f"wants a login of kind {kind}")


def logs_in(password="pencil", answer=pg.PRIMARY, how="logs in by SCRAM", at=user, **kw):
    return serves(at, pg.serve(lambda sock: pg.scram(sock, password, **kw), answer), how)


def answers(answer, how):
    return serves(user, pg.serve(pg.scram, answer), how)


def unasked(data, how, at=at):
    """Sends it after the startup message."""
    return serves(at, pg.serve(greeting=data), how)


def silent_after(step):
    def login(sock):
        if step == "challenge":
            sock.sendall(pg.auth(10, b"SCRAM-SHA-256\0\0"))
        hostile.silent(sock)

    return login


def tls_answer(data, mode, how, **kw):
    return serves(tls(mode), pg.serve(tls=data, **kw), how)


def before_tls(sock):
    """Plain bytes behind the S: somebody on the way who wants to be taken for the server."""
    pg.startup(sock)
    sock.sendall(b"S" + pg.LET_IN)
    hostile.silent(sock)


def unix(behave, how):
    def make(stage):
        folder = stage.program.dir
        if behave:
            stage.serve(behave, path=folder / ".s.PGSQL.5432")
        return Situation(f"uri = postgres:///?host={folder}")

    return told(how, make)


SHORT = "timeout = 400ms"
LOGIN, PRIMARY, STANDBY, WRITES = (f"require = {w}" for w in ("login", "primary", "standby", "writable"))
SASL = b"SCRAM-SHA-256\0\0"
NO_PASSWORD = "password is not set"

# fmt: off
ROWS = rows(
    "postgres",
    ("up, trusts", serves(at, pg.serve(), "lets everybody in"), HEALTHY, "ok", "", {"detail": "let in as postgres"}),
    ("up, IPv6", serves(at, pg.serve(), "on ::1", ipv6=True), HEALTHY, "ok"),
    ("up, asks SCRAM", asks(10, SASL), HEALTHY, "ok", "", {"detail": "accepts connections"}),
    ("up, asks MD5", asks(5, b"salt"), HEALTHY, "ok"),
    ("up, asks a password", asks(3), HEALTHY, "ok"),
    ("up, asks GSSAPI", asks(7), HEALTHY, "ok"),
    ("Unix socket", unix(pg.serve(), "on a Unix socket, by a process that is seen"), HEALTHY, "ok"),
    ("Unix socket missing", unix(None, "no such socket"), UNHEALTHY, "refused"),
    ("refused", nobody(at), UNHEALTHY, "refused"),
    ("black-holed", black_hole(at), UNHEALTHY, "timeout", SHORT),
    ("backlog full", full_backlog(at), UNHEALTHY, "timeout", SHORT),
    ("comes up later", comes_up_later(at, pg.serve()), UNHEALTHY, "refused", "", {"then": (HEALTHY, "ok")}),
    ("goes away", goes_away(at, pg.serve()), HEALTHY, "ok", "", {"then": (UNHEALTHY, "refused")}),
    ("starts, then is up", becomes(at, pg.serve(greeting=pg.error("57P03", "the database system is starting up")),
        pg.serve(), "starts up, then is up"), UNHEALTHY, "not-ready", "", {"then": (HEALTHY, "ok")}),
    ("hangs", serves(at, hostile.silent, "says nothing"), UNHEALTHY, "timeout", SHORT, {"detail": "startup"}),
    ("hangs in the login", serves(user, pg.serve(silent_after("challenge")), "no challenge comes"),
        UNHEALTHY, "timeout", SHORT, {"detail": "login"}),

    # ---- errors
    ("starting up", says("57P03", "the database system is starting up"), UNHEALTHY, "not-ready", "",
        {"detail": "starting up"}),
    ("shutting down", says("57P03", "the database system is shutting down"), UNHEALTHY, "not-ready", "",
        {"detail": "shutting down"}),
    ("in recovery", says("57P03", "the database system is in recovery mode"), UNHEALTHY, "not-ready"),
    ("another language", says("57P03", "das Datenbanksystem startet"), UNHEALTHY, "not-ready"),
    ("full", says("53300", "sorry, too many clients already"), UNHEALTHY, "full"),
    ("ended by an administrator", says("57P01", "terminating connection"), UNHEALTHY, "not-ready"),
    ("refuses nobody", says("28000", "no pg_hba.conf entry for host"), HEALTHY, "ok", "", {"detail": "28000"}),
    ("refuses nobody, a login is required", says("28000", "no pg_hba.conf entry"), UNHEALTHY, "auth", LOGIN),
    ("refuses the user", says("28000", "no pg_hba.conf entry for host", user), UNHEALTHY, "auth"),
    ("no such database of nobody", says("3D000", 'database "postgres" does not exist'), HEALTHY, "ok"),
    ("no such database", says("3D000", 'database "shop" does not exist', user), UNHEALTHY, "mismatch"),
    ("another error", says("XX000", "internal error"), UNHEALTHY, "protocol"),
    ("an error without a code", unasked(pg.message(b"E", b"Mtext\0\0"), "an error without a code"),
        UNHEALTHY, "protocol"),
    ("an error that is cut", unasked(pg.message(b"E", b"C57P03"), "an error without an end"), UNHEALTHY, "protocol"),
    ("controls in an error", says("57P03", "\x1b[2J\x07"), UNHEALTHY, "not-ready", "", {"detail": r"\\x1b\[2J"}),

    # ---- PgBouncer
    ("pgbouncer: no database", says("08P01", "no such database: shop", user), UNHEALTHY, "mismatch"),
    ("pgbouncer: full", says("08P01", "no more connections allowed (max_client_conn)"), UNHEALTHY, "full"),
    ("pgbouncer: refuses", says("08P01", "password authentication failed", user), UNHEALTHY, "auth"),
    ("pgbouncer: nothing behind it", says("08P01", "server login has been failing, try again later", user),
        UNHEALTHY, "not-ready"),
    ("pgbouncer: cannot connect", says("08P01", "pgbouncer cannot connect to server", user), UNHEALTHY, "not-ready"),

    # ---- a login
    ("SCRAM", logs_in(), HEALTHY, "ok", LOGIN, {"detail": "let in as user"}),
    ("SCRAM, another password", logs_in("other"), UNHEALTHY, "auth", "", {"detail": "28P01"}),
    ("SCRAM, a false server", logs_in(proves=False, how="does not know the password itself"), UNHEALTHY, "auth"),
    ("SCRAM, few iterations", logs_in(iterations=100, how="wants a hash that is cheap to guess"),
        UNHEALTHY, "protocol"),
    ("SCRAM, too many iterations", logs_in(iterations=9000000, how="wants a hash that takes long"),
        UNHEALTHY, "protocol"),
    ("SCRAM, taken at once", serves(user, pg.serve(lambda s: s.sendall(pg.auth(10, SASL)) or pg.ask(s)),
        "takes the first message of SCRAM for all of it"), UNHEALTHY, "auth"),
    ("SCRAM of another kind", asks(10, b"SCRAM-SHA-512\0\0", user), UNHEALTHY, "auth"),
    ("MD5", asks(5, b"salt", user), HEALTHY, "ok", LOGIN),
    ("in the clear", asks(3, b"", user, "wants the password without TLS"), UNHEALTHY, "auth", "",
        {"detail": "in the clear"}),
    ("GSSAPI", asks(7, b"", user), UNHEALTHY, "auth"),
    ("a login is required", asks(10, SASL), UNHEALTHY, "auth", LOGIN, {"detail": NO_PASSWORD}),
    ("a broken MD5", asks(5, b"sa", user), UNHEALTHY, "protocol"),

    # ---- a role
    ("primary", answers(pg.PRIMARY, "a primary"), HEALTHY, "ok", PRIMARY),
    ("primary: a standby", answers(pg.STANDBY, "a standby"), UNHEALTHY, "not-writable", PRIMARY),
    ("standby", answers(pg.STANDBY, "a standby"), HEALTHY, "ok", STANDBY),
    ("standby: a primary", answers(pg.PRIMARY, "a primary"), UNHEALTHY, "mismatch", STANDBY),
    ("writable", answers(pg.PRIMARY, "a primary"), HEALTHY, "ok", WRITES),
    ("writable: a standby", answers(pg.STANDBY, "a standby"), UNHEALTHY, "not-writable", WRITES),
    ("writable: read-only", answers(pg.row("f", "on", "*", "default"), "a primary that is read-only"),
        UNHEALTHY, "not-writable", WRITES),
    ("a row of too few columns", answers(pg.row("f", "off"), "two columns of four"), UNHEALTHY, "protocol", WRITES),
    ("no row", answers(pg.READY, "no row"), UNHEALTHY, "protocol", WRITES),
    ("neither yes nor no", answers(pg.row("x", "off", "", ""), "a role that is none"), UNHEALTHY, "protocol", WRITES),
    ("the query is refused", answers(pg.error("42501", "permission denied", "ERROR"), "refuses the query"),
        UNHEALTHY, "auth", WRITES),

    # ---- TLS
    ("TLS is wanted", tls_answer(b"N", "require", "has no TLS"), UNHEALTHY, "tls"),
    ("TLS is preferred", tls_answer(b"N", "prefer", "has no TLS"), HEALTHY, "ok"),
    ("TLS, and bytes before it", serves(tls("require"), before_tls, "bytes before the handshake"),
        UNHEALTHY, "protocol"),
    ("TLS, another byte", tls_answer(b"X", "prefer", "answers X to SSLRequest"), UNHEALTHY, "protocol"),
    ("TLS, an error of nobody's", serves(tls("require"), lambda s: (pg.startup(s), s.sendall(pg.error("28000", "x")),
        hostile.silent(s)), "an error before TLS that would count as alive"), UNHEALTHY, "auth"),

    # ---- what is no PostgreSQL
    ("HTTP", serves(at, hostile.reply(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "an HTTP server"), UNHEALTHY, "protocol"),
    ("garbage", serves(at, hostile.garbage, "noise"), UNHEALTHY, "protocol"),
    ("dripped", serves(at, hostile.drip(pg.auth(10, SASL)), "byte by byte"), HEALTHY, "ok"),
    ("half an answer", serves(at, hostile.reply(pg.auth(10, SASL)[:7]), "half an answer"), UNHEALTHY, "timeout", SHORT),
    ("closed", serves(at, hostile.reply_and_close(b"R\0"), "half an answer, then FIN"), UNHEALTHY, "closed"),
    ("reset", serves(at, hostile.reply_and_reset(b"R\0"), "half an answer, then RST"), UNHEALTHY, "reset"),
    ("a message too long", unasked(b"R\x7f\0\0\0", "a message of 2 GiB"), UNHEALTHY, "protocol"),
    ("a message too short", unasked(b"R\0\0\0\3", "a message of 3 bytes"), UNHEALTHY, "protocol"),
    ("ready before a login", unasked(pg.READY, "is ready before it asked"), UNHEALTHY, "protocol"),
    ("notices without end", serves(at, hostile.endless(b"", pg.message(b"N", b"C00000\0\0")), "notices without end"),
        UNHEALTHY, "timeout", SHORT),
)
