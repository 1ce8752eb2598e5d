"""mysql: what a server greets with, and what it says to a login, a ping and a query."""

import subprocess

import mysql_scripted as my
from lib import hostile
from scenarios.common import (
    Situation, becomes, black_hole, comes_up_later, full_backlog, goes_away, nobody, serves, told,
)
from table import HEALTHY, UNHEALTHY, rows


def at(where):
    return f"uri = mysql://{where}/"


def user(where):
    return f"uri = mysql://user:pencil@{where}/"


def tls(where):
    return f"uri = mysql://user:pencil@{where}/?ssl-mode=required"


def greets(code, text, state=None, how=None):
    """An error in place of the greeting."""
    return serves(at, hostile.banner(my.packet(0, my.error(code, text, state))), how or f"greets with {code}")


def denies(code, text, at=user):
    return serves(at, my.serve(denied=my.error(code, text)), f"refuses the login with {code}")


def logs_in(how, at=user, **kw):
    return serves(at, my.serve(**kw), how)


def says(data, how, at=at):
    """Greets, and sends that as its answer to the login."""

    def behave(sock):
        sock.sendall(my.packet(0, my.greeting()))
        my.take(sock)
        sock.sendall(data)
        hostile.silent(sock)

    return serves(at, behave, how)


def unix(behave, how):
    def make(stage):
        path = stage.program.path("mysqld.sock")
        if behave:
            stage.serve(behave, path=path)
        return Situation(f"uri = mysql:///?socket={path}")

    return told(how, make)


def rsa_key(stage, bits=2048):
    """An RSA key: the public part, and the private one. Of five primes a large one is there in a tenth of the time."""
    private, public = stage.program.path("key.pem"), stage.program.path("public.pem")
    primes = ["-primes", "5"] if bits > 4096 else []
    subprocess.run(["openssl", "genrsa", "-out", private, *primes, str(bits)], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return public, private


def seals(how, at=user, host="127.0.0.1", bits=2048, **kw):
    """Wants the password itself, and has a key for it. A host but 127.0.0.1 lies in a network of its own."""

    def make(stage):
        behave = my.serve(cached=False, key=rsa_key(stage, bits), **{"plugin": CACHING, **kw})
        if host == "127.0.0.1":
            return Situation(at(f"{host}:{stage.serve(behave).port}"))
        network = stage.network(f"ip addr add {host}/32 dev lo")
        server = network.call(lambda: stage.serve(behave, host=host))
        return Situation(at(f"{host}:{server.port}"), prefix=network.prefix)

    return told(how, make)


def any_key(where):
    return user(where) + "?get-server-public-key=true"


SHORT = "timeout = 400ms"
LOGIN, WRITES = "require = login", "require = writable"
CACHING = "caching_sha2_password"

# fmt: off
ROWS = rows(
    "mysql",
    ("up", serves(at, my.serve(), "finishes the handshake"), HEALTHY, "ok", "", {"detail": "1045.*MySQL 8.0.36"}),
    ("up, MariaDB", serves(at, my.serve(version="5.5.5-10.11.6-MariaDB-0+deb12u1"), "MariaDB"), HEALTHY, "ok", "",
        {"detail": "MariaDB 10.11.6"}),
    ("up, IPv6", serves(at, my.serve(), "on ::1", ipv6=True), HEALTHY, "ok"),
    ("Unix socket", unix(my.serve(), "on a Unix socket, by a process that is seen"), HEALTHY, "ok"),
    ("Unix socket missing", unix(None, "no such socket"), UNHEALTHY, "refused"),
    ("refused", nobody(at), UNHEALTHY, "refused"),
    ("black-holed", black_hole(at), UNHEALTHY, "timeout", SHORT),
    ("backlog full", full_backlog(at), UNHEALTHY, "timeout", SHORT),
    ("comes up later", comes_up_later(at, my.serve()), UNHEALTHY, "refused", "", {"then": (HEALTHY, "ok")}),
    ("goes away", goes_away(at, my.serve()), HEALTHY, "ok", "", {"then": (UNHEALTHY, "refused")}),
    ("full, then not", becomes(at, hostile.banner(my.packet(0, my.error(1040, "Too many connections", None))),
        my.serve(), "too many connections, then none"), UNHEALTHY, "full", "", {"then": (HEALTHY, "ok")}),
    ("says nothing", serves(at, hostile.silent, "accepts, and greets nobody"), UNHEALTHY, "timeout", SHORT),
    ("hangs in the login", says(b"", "greets, then says nothing"), UNHEALTHY, "timeout", SHORT, {"detail": "login"}),

    # ---- errors
    ("full", greets(1040, "Too many connections"), UNHEALTHY, "full", "", {"detail": "1040"}),
    ("full, with a state", greets(1040, "Too many connections", "08004"), UNHEALTHY, "full"),
    ("blocked", greets(1129, "Host 'x' is blocked because of many connection errors"), UNHEALTHY, "auth", "",
        {"detail": "this host is blocked"}),
    ("not allowed", greets(1130, "Host 'x' is not allowed to connect"), UNHEALTHY, "auth"),
    ("shutting down", greets(1053, "Server shutdown in progress"), UNHEALTHY, "not-ready"),
    ("refuses the greeting's user", greets(1045, "Access denied"), UNHEALTHY, "auth"),
    ("another error", greets(1105, "Unknown error"), UNHEALTHY, "protocol"),
    ("controls in an error", greets(1053, "\x1b[2J\x07"), UNHEALTHY, "not-ready", "", {"detail": r"\\x1b\[2J"}),
    ("an error that is cut", serves(at, hostile.banner(my.packet(0, b"\xff\x10")), "an error of two bytes"),
        UNHEALTHY, "protocol"),
    ("offline", denies(3032, "The server is currently in offline mode"), UNHEALTHY, "not-ready"),
    ("no such database", denies(1049, "Unknown database"), UNHEALTHY, "mismatch"),
    ("the user's connections", denies(1226, "User has exceeded"), UNHEALTHY, "full"),
    ("nobody, no such user", denies(1449, "The user specified as a definer does not exist", at), HEALTHY, "ok"),
    ("no such user", denies(1449, "The user specified as a definer does not exist"), UNHEALTHY, "auth"),
    ("locked", denies(3118, "Access denied. Account is locked."), UNHEALTHY, "auth"),
    ("nobody, and the server is full after all", denies(1040, "Too many connections", at), UNHEALTHY, "full"),

    # ---- a login
    ("native", logs_in("mysql_native_password"), HEALTHY, "ok", LOGIN, {"detail": "ping ok as user"}),
    ("native, another password", logs_in("another password", password=b"other"), UNHEALTHY, "auth"),
    ("caching_sha2, cached", logs_in("has it in its cache", plugin=CACHING), HEALTHY, "ok", LOGIN),
    ("caching_sha2, not cached", seals("has a key for the password"), HEALTHY, "ok", LOGIN),
    ("caching_sha2, not cached, another password", seals("has a key", password=b"other"), UNHEALTHY, "auth", "",
        {"detail": "1045"}),
    ("caching_sha2, not cached, on another host", seals("has a key that anybody may have sent", host="10.9.9.9"),
        UNHEALTHY, "auth", "", {"detail": "ssl-mode"}),
    ("caching_sha2, any key is taken", seals("has a key", any_key, host="10.9.9.9"), HEALTHY, "ok", LOGIN),
    ("caching_sha2, a key too large", seals("has a key of 8,200 bits", bits=8200), UNHEALTHY, "protocol"),
    ("caching_sha2, no key", says(my.packet(2, b"\xfe" + CACHING.encode() + b"\0" + my.NONCE + b"\0") +
        my.packet(4, b"\1\4") + my.packet(6, b"\1no key"), "sends no key for the password", user),
        UNHEALTHY, "protocol"),
    ("caching_sha2, another password", logs_in("another password", plugin=CACHING, password=b"other"),
        UNHEALTHY, "auth"),
    ("switches to sha256", seals("switches, with a nonce of its own", plugin="mysql_native_password",
        switch="sha256_password"), HEALTHY, "ok", LOGIN),
    ("switches to caching_sha2, not cached", seals("switches, with a nonce of its own", switch=CACHING), HEALTHY, "ok",
        LOGIN),
    ("switches to native", logs_in("switches", plugin=CACHING, switch="mysql_native_password"), HEALTHY, "ok"),
    ("switches to caching_sha2", logs_in("switches", switch=CACHING), HEALTHY, "ok"),
    ("switches to the clear", logs_in("wants the password in the clear", switch="mysql_clear_password"),
        UNHEALTHY, "auth", "", {"detail": "mysql_clear_password"}),
    ("switches to another", logs_in("wants ed25519", switch="client_ed25519"), UNHEALTHY, "auth", "",
        {"detail": "client_ed25519"}),
    ("greets with another plugin", logs_in("an unknown plugin", plugin="future_password",
        switch="mysql_native_password"), HEALTHY, "ok"),
    ("a login is required", serves(at, my.serve(), "lets in nobody"), UNHEALTHY, "auth", LOGIN),
    ("TLS is wanted", serves(tls, my.serve(), "has no TLS"), UNHEALTHY, "tls"),
    ("ping is refused", logs_in("refuses the ping", ping=my.error(1053, "Server shutdown in progress")),
        UNHEALTHY, "not-ready"),
    ("ping of another kind", logs_in("answers a ping with nonsense", ping=b"\x05"), UNHEALTHY, "protocol"),

    # ---- writes
    ("writable", logs_in("takes writes"), HEALTHY, "ok", WRITES),
    ("writable, words", logs_in("says OFF", answer=my.result("OFF", "OFF", "OFF")), HEALTHY, "ok", WRITES),
    ("read-only", logs_in("is read-only", answer=my.result("1", "0", "0")), UNHEALTHY, "not-writable", WRITES),
    ("read-only, words", logs_in("says ON", answer=my.result("ON", "0", "0")), UNHEALTHY, "not-writable", WRITES),
    ("read-only engine", logs_in("innodb_read_only", answer=my.result("0", "1", "0")),
        UNHEALTHY, "not-writable", WRITES),
    ("neither yes nor no", logs_in("says maybe", answer=my.result("maybe", "0", "0")), UNHEALTHY, "protocol", WRITES),
    ("too few columns", logs_in("a row of one", answer=my.result("0")), UNHEALTHY, "protocol", WRITES),
    ("no row", logs_in("no row", answer=[b"\3", my.END, my.END]), UNHEALTHY, "protocol", WRITES),
    ("a query is refused", logs_in("refuses the query", answer=[my.error(1193, "Unknown system variable")]),
        UNHEALTHY, "protocol", WRITES),

    # ---- what is no MySQL
    ("a greeting of SMTP", serves(at, hostile.banner(b"220 mail.test ESMTP\r\n"), "an SMTP server"),
        UNHEALTHY, "protocol"),
    ("another version", serves(at, hostile.banner(my.packet(0, b"\x09" + my.greeting()[1:])), "protocol 9"),
        UNHEALTHY, "protocol"),
    ("a greeting that is cut", serves(at, hostile.banner(my.packet(0, my.greeting()[:40])), "half a greeting"),
        UNHEALTHY, "protocol"),
    ("a greeting that never ends", serves(at, hostile.banner(my.packet(0, my.greeting())[:40]), "half a greeting, "
        "then silence"), UNHEALTHY, "timeout", SHORT),
    ("a packet too long", serves(at, hostile.banner(b"\xff\xff\xff\0\x0a"), "a packet of 16 MiB"),
        UNHEALTHY, "protocol"),
    ("closed", serves(at, hostile.close_at_once, "accepts and closes"), UNHEALTHY, "closed"),
    ("closed in the login", serves(at, lambda s: (s.sendall(my.packet(0, my.greeting())), my.take(s)),
        "greets, takes the login and closes"), UNHEALTHY, "closed"),
    ("reset", serves(at, hostile.reset_at_once, "accepts and resets"), UNHEALTHY, "reset"),
    ("an answer that is none", says(my.packet(2, b"\x07what"), "answers the login with nonsense"),
        UNHEALTHY, "protocol"),
    ("an empty answer", says(my.packet(2, b""), "answers the login with nothing"), UNHEALTHY, "protocol"),
    ("a switch that is cut", says(my.packet(2, b"\xfemysql_native"), "a switch without an end"),
        UNHEALTHY, "protocol"),
)
