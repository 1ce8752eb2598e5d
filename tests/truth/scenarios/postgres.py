"""postgres: what a server says to a startup message, a login and a query, and what is none."""

import ssl

import postgres_scripted as pg
from lib import hostile
from scenarios.common import (
    Situation, becomes, black_hole, comes_up_later, full_backlog, goes_away, nobody, serves, told,
)
from stage import shared_certs
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


def several(behaviours, query, how, login=True):
    """Servers one after the other in one URI; None: nobody listens there."""

    def make(stage):
        places = ",".join(f"127.0.0.1:{stage.serve(b).port if b else stage.port()}" for b in behaviours)
        return Situation(f"uri = postgres://{'user:pencil@' if login else ''}{places}/shop?{query}")

    return told(how, make)


def as_role(answer):
    return pg.serve(pg.scram, answer)


def only_by(wanted):
    """Lets in whom it meets by TLS (wanted), or without."""

    def behave(sock):
        code, _ = pg.startup(sock)
        by_tls = code == 80877103
        if by_tls:
            sock.sendall(b"S")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*shared_certs().pair())
            sock = context.wrap_socket(sock, server_side=True)
            pg.startup(sock)
        if by_tls is not wanted:
            sock.sendall(pg.error("28000", "no pg_hba.conf entry for host"))
            return
        sock.sendall(pg.LET_IN)
        pg.ask(sock)
        sock.sendall(pg.PRIMARY)
        pg.ask(sock)

    return behave


def breaks_tls(sock):
    """Says that it has TLS, and ends; without the question it lets everybody in."""
    code, _ = pg.startup(sock)
    if code == 80877103:
        sock.sendall(b"S")
        return
    sock.sendall(pg.LET_IN)
    pg.ask(sock)
    sock.sendall(pg.PRIMARY)
    pg.ask(sock)


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
plain = tls("disable")
STARTS = pg.serve(greeting=pg.error("57P03", "the database system is starting up"))
REFUSES = pg.serve(greeting=pg.error("28P01", "password authentication failed"))
RW, RO, ANY_STANDBY, PREFER = (f"target_session_attrs={w}" for w in
                               ("read-write", "read-only", "standby", "prefer-standby"))
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
    ("hangs", serves(plain, hostile.silent, "says nothing"), UNHEALTHY, "timeout", SHORT, {"detail": "startup"}),
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
    ("SCRAM, a password for SASLprep", logs_in("IXa", how="knows its normal form", at=lambda where:
        f"uri = postgres://user:I%C2%ADX%C2%AA@{where}/shop"), HEALTHY, "ok", LOGIN),
    ("SCRAM, a password that SASLprep forbids", logs_in("p\x07", how="knows it as it is", at=lambda where:
        f"uri = postgres://user:p%07@{where}/shop"), HEALTHY, "ok", LOGIN),
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
    ("a database that takes no connections", says("55000", "database is not currently accepting connections", user),
        UNHEALTHY, "not-ready"),
    ("the query takes too long", answers(pg.error("57014", "canceling statement due to statement timeout", "ERROR"),
        "cancels the query"), UNHEALTHY, "not-ready", WRITES),
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

    ("TLS that breaks, and is preferred", serves(user, pg.serve(tls=b"S"), "says S, and has no TLS"), UNHEALTHY,
        "timeout", SHORT),
    ("TLS that ends, and is preferred", serves(user, breaks_tls, "ends where TLS begins"), HEALTHY, "ok"),
    ("TLS that ends, and is required", serves(lambda w: user(w) + "?sslmode=require", breaks_tls,
        "ends where TLS begins"), UNHEALTHY, "closed|reset|tls"),
    ("lets in by TLS alone, nothing is said", serves(user, only_by(True), "takes nobody without TLS"), HEALTHY, "ok"),
    ("lets in without TLS alone, nothing is said", serves(user, only_by(False), "takes nobody by TLS"), HEALTHY, "ok"),
    ("lets in by TLS alone, allow", serves(lambda w: user(w) + "?sslmode=allow", only_by(True),
        "takes nobody without TLS"), HEALTHY, "ok"),
    ("lets in without TLS alone, require", serves(lambda w: user(w) + "?sslmode=require", only_by(False),
        "takes nobody by TLS"), UNHEALTHY, "auth"),
    ("lets in by TLS alone, disable", serves(lambda w: user(w) + "?sslmode=disable", only_by(True),
        "takes nobody without TLS"), UNHEALTHY, "auth"),

    # ---- several hosts
    ("the first is refused", several([None, as_role(pg.PRIMARY)], "", "the second is up"), HEALTHY, "ok", PRIMARY),
    ("the first starts up", several([STARTS, as_role(pg.PRIMARY)], "", "the second is up"), HEALTHY, "ok"),
    ("the first is silent", several([hostile.silent, as_role(pg.PRIMARY)], "sslmode=disable", "the second is up"),
        HEALTHY, "ok", "timeout = 2s"),
    ("the first refuses the login", several([REFUSES, as_role(pg.PRIMARY)], "", "libpq tries no other then"),
        UNHEALTHY, "auth"),
    ("all are refused", several([None, None], "", "nobody listens"), UNHEALTHY, "refused"),
    ("none can be used", several([None, STARTS], "", "one refuses, one starts"), UNHEALTHY, "not-ready", "",
        {"detail": "refused.*; .*starting up"}),
    ("the last one closes", several([None, hostile.reply_and_close(b"")], "sslmode=disable",
        "one refuses, one closes"), UNHEALTHY, "closed", "", {"detail": "refused.*; .*closed the connection"}),
    ("read-write: the second", several([as_role(pg.STANDBY), as_role(pg.PRIMARY)], RW, "a standby, a primary"),
        HEALTHY, "ok", PRIMARY, {"detail": "a primary"}),
    ("read-write: none", several([as_role(pg.STANDBY), as_role(pg.STANDBY)], RW, "two standbys"),
        UNHEALTHY, "not-writable"),
    ("read-write: one, read-only", several([as_role(pg.row("f", "on", "*", "default"))], RW, "a read-only primary"),
        UNHEALTHY, "mismatch"),
    ("read-only: the second", several([as_role(pg.PRIMARY), as_role(pg.STANDBY)], RO, "a primary, a standby"),
        HEALTHY, "ok", STANDBY),
    ("standby: none", several([as_role(pg.PRIMARY), None], ANY_STANDBY, "a primary, and nobody"),
        UNHEALTHY, "refused"),
    ("prefer-standby: there is one", several([as_role(pg.PRIMARY), as_role(pg.STANDBY)], PREFER, "both"),
        HEALTHY, "ok", STANDBY),
    ("prefer-standby: there is none", several([None, as_role(pg.PRIMARY)], PREFER, "a primary alone"),
        HEALTHY, "ok", PRIMARY),
    ("a session is asked for, and no login given", several([pg.serve(lambda s: s.sendall(pg.auth(10, SASL)))], RW,
        "asks for a login", login=False), UNHEALTHY, "auth"),

    # ---- what is no PostgreSQL
    ("HTTP", serves(plain, hostile.reply(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "an HTTP server"), UNHEALTHY, "protocol"),
    ("garbage", serves(plain, hostile.garbage, "noise"), UNHEALTHY, "protocol"),
    ("dripped", serves(plain, hostile.drip(pg.auth(10, SASL)), "byte by byte"), HEALTHY, "ok"),
    ("half an answer", serves(plain, hostile.reply(pg.auth(10, SASL)[:7]), "half an answer"), UNHEALTHY, "timeout", SHORT),
    ("closed", serves(plain, hostile.reply_and_close(b"R\0"), "half an answer, then FIN"), UNHEALTHY, "closed"),
    ("reset", serves(plain, hostile.reply_and_reset(b"R\0"), "half an answer, then RST"), UNHEALTHY, "reset"),
    ("a message too long", unasked(b"R\x7f\0\0\0", "a message of 2 GiB"), UNHEALTHY, "protocol"),
    ("a message too short", unasked(b"R\0\0\0\3", "a message of 3 bytes"), UNHEALTHY, "protocol"),
    ("ready before a login", unasked(pg.READY, "is ready before it asked"), UNHEALTHY, "protocol"),
    ("notices without end", serves(plain, hostile.endless(b"", pg.message(b"N", b"C00000\0\0")), "notices without end"),
        UNHEALTHY, "timeout", SHORT),
)
