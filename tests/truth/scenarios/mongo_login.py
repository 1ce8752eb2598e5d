"""mongo: TLS and logins of one member, by the program's own codec."""

import subprocess

import mongos
from lib import hostile
from lib.net import free_port
from scenarios.common import Situation, serves, told
from table import HEALTHY, UNHEALTHY, rows


def uri(port, more="?tls=true", user=""):
    return f"uri = mongodb://{user}127.0.0.1:{port}/{more}"


# ---- TLS


def tls(how, scenario="up", pair=(), trust=True, client_ca=None, keys=None, **options):
    """A scripted server that speaks TLS. `pair`: what its certificate is made of; `trust`: the
    program knows its CA; `client_ca`: it wants a certificate; `keys`: of (stage): further keys."""

    def make(stage):
        own = stage.certs.pair(*pair, **options)
        context = mongos.tls_context(stage, own, client_ca(stage) if client_ca else None)
        server = mongos.member(stage, scenario, context=context)
        lines = [uri(server.port), f"tls_ca = {stage.certs.ca}" if trust else ""]
        return Situation("\n".join(lines + ([keys(stage)] if keys else [])))

    return told(how, make)


def self_signed(stage):
    """its certificate is signed by itself"""
    context = mongos.tls_context(stage, (stage.certs.ca, stage.certs.ca_key))
    return Situation(uri(mongos.member(stage, "up", context=context).port))


def own_ca(stage):
    return stage.certs.ca


def with_client(name):
    def keys(stage):
        cert, key = stage.certs.pair(name)
        return f"tls_cert = {cert}\ntls_key = {key}"

    return keys


def in_uri(stage):
    """all TLS settings in the connection string"""
    context = mongos.tls_context(stage, stage.certs.pair("server"), stage.certs.ca)
    server = mongos.member(stage, "up", context=context)
    stage.certs.pair("client")
    both = stage.certs.dir / "client.both.pem"
    return Situation(
        uri(server.port, f"?tls=true&tlsCAFile={stage.certs.ca}&tlsCertificateKeyFile={both}")
    )


def locked_key(password, how):
    """The client's key in the string, with a pass phrase."""

    def make(stage):
        context = mongos.tls_context(stage, stage.certs.pair("server"), stage.certs.ca)
        server = mongos.member(stage, "up", context=context)
        cert, key = stage.certs.pair("client")
        locked = subprocess.run(["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:pencil"],
                                check=True, capture_output=True, text=True).stdout
        both = stage.program.write("locked.pem", cert.read_text() + locked)
        return Situation(uri(server.port, f"?tls=true&tlsCAFile={stage.certs.ca}&"
                             f"tlsCertificateKeyFile={both}&tlsCertificateKeyFilePassword={password}"))

    return told(how, make)


def any_host(how, pair, trust=True):
    def make(stage):
        context = mongos.tls_context(stage, stage.certs.pair(*pair))
        server = mongos.member(stage, "up", context=context)
        lines = f"tls_ca = {stage.certs.ca}\n" if trust else ""
        return Situation(uri(server.port, "?tls=true&tlsAllowInvalidHostnames=true") + "\n" + lines)

    return told(how, make)


def plain_to_tls(stage):
    """a TLS port is spoken to in plain"""
    context = mongos.tls_context(stage, stage.certs.pair("server"))
    return Situation(uri(mongos.member(stage, "up", context=context).port, ""))


def tls_to(behave, how):
    def make(stage):
        port = stage.serve(behave).port
        return Situation(f"{uri(port)}\ntls_ca = {stage.certs.ca}")

    return told(how, make)


def real_plain(stage):
    """a real server's plain port is spoken to in TLS"""
    return Situation(f"{uri(mongos.real(stage).port)}\ntls_ca = {stage.certs.ca}")


def real_tls(mutual, more):
    def make(stage):
        cert, key = stage.certs.pair("server")
        port = free_port()
        options = ["--tls-cert", cert, "--tls-key", key, "--tls-port", port]
        if mutual:
            options += ["--tls-ca", stage.certs.ca]
        mongos.real(stage, *options, shared=False)
        return Situation(f"{uri(port)}\n{more(stage)}")

    return told(f"a real server with {'mutual ' if mutual else ''}TLS", make)


def trusts(stage):
    return f"tls_ca = {stage.certs.ca}"


def trusts_and_shows(stage):
    return f"{trusts(stage)}\n{with_client('client')(stage)}"


# ---- logins


def scripted(scenario, how, user="user:pencil@", more=""):
    def make(stage):
        return Situation(uri(mongos.member(stage, scenario).port, more, user))

    return told(how, make)


def real(how, user, more="", keys=None):
    def make(stage):
        server = mongos.real(stage, *mongos.USER, "--set", "rs0")
        lines = uri(server.port, more, user)
        return Situation(f"{lines}\n{keys(stage)}" if keys else lines)

    return told(how, make)


def by_file(stage):
    return f"user = user\npassword_file = {stage.program.write('password', 'pencil')}"


SHORT = "timeout = 400ms"
PROTOCOL_OR_AUTH = "auth|protocol"

# fmt: off
ROWS = rows(
    "mongo",
    ("TLS", tls("its certificate is right"), HEALTHY, "ok"),
    ("TLS, real", real_tls(False, trusts), HEALTHY, "ok"),
    ("TLS, real, CA unknown", real_tls(False, lambda stage: ""), UNHEALTHY, "tls"),
    ("TLS: CA unknown", tls("signed by a CA that the system does not know", trust=False),
        UNHEALTHY, "tls"),
    ("TLS: self-signed", self_signed, UNHEALTHY, "tls"),
    ("TLS: wrong host", tls("its certificate is another host's", pair=("elsewhere",
        "DNS:elsewhere.test")), UNHEALTHY, "tls", "", {"detail": "127.0.0.1"}),
    ("TLS: wrong host, name given", tls("the same, and that name is wanted", pair=("elsewhere",
        "DNS:elsewhere.test")), HEALTHY, "ok", "tls_server_name = elsewhere.test"),
    ("TLS: other name wanted", tls("another name is wanted"), UNHEALTHY, "tls",
        "tls_server_name = other.test", {"detail": "other.test"}),
    ("TLS: expired", tls("its certificate has expired", pair=("expired",), days=-1),
        UNHEALTHY, "tls", "", {"detail": "expired"}),
    ("TLS: expires soon", tls("it expires within tls_min_days"), HEALTHY, "ok",
        "tls_min_days = 30", {"detail": "tls_min_days is 30"}),
    ("TLS: not verified", tls("CA unknown, and nobody wants to know", trust=False),
        HEALTHY, "ok", "tls_verify = no"),
    ("TLS: client certificate", tls("it wants one, and gets it", client_ca=own_ca,
        keys=with_client("client")), HEALTHY, "ok"),
    ("TLS: client certificate missing", tls("it wants one, and gets none", client_ca=own_ca),
        UNHEALTHY, "tls"),
    ("TLS: all in the string", in_uri, HEALTHY, "ok"),
    ("TLS: key with a pass phrase", locked_key("pencil", "in the string, with its pass phrase"),
        HEALTHY, "ok"),
    ("TLS: any host", any_host("another host's certificate, tlsAllowInvalidHostnames",
        ("elsewhere", "DNS:elsewhere.test")), HEALTHY, "ok"),
    ("TLS: any host, CA unknown", any_host("the same, of a CA that is not known",
        ("elsewhere", "DNS:elsewhere.test"), trust=False), UNHEALTHY, "tls"),
    ("mutual TLS, real", real_tls(True, trusts_and_shows), HEALTHY, "ok"),
    ("mutual TLS, real, no certificate", real_tls(True, trusts), UNHEALTHY, "tls"),
    ("TLS port in plain", plain_to_tls, UNHEALTHY, "closed|reset|protocol"),
    ("plain port in TLS", tls_to(mongos.play("up"), "a plain port is spoken to in TLS"),
        UNHEALTHY, "tls|reset|closed"),
    ("plain port in TLS, real", real_plain, UNHEALTHY, "timeout|tls|reset|closed", SHORT),
    ("TLS: silent", tls_to(hostile.silent, "no word of a handshake"), UNHEALTHY, "timeout", SHORT),
    ("TLS: closed", tls_to(hostile.close_at_once, "FIN at once"), UNHEALTHY, "tls|closed|reset"),
    ("TLS: reset", tls_to(hostile.reset_at_once, "RST at once"), UNHEALTHY, "tls|reset"),
    ("TLS: garbage", tls_to(hostile.garbage, "noise instead of a handshake"), UNHEALTHY, "tls"),
    ("TLS, then silent", tls("silent after the handshake", "silent"), UNHEALTHY, "timeout", SHORT),
    ("TLS, hello but never ping", tls("answers hello alone", "hello-then-silent"),
        UNHEALTHY, "timeout", SHORT, {"detail": "ping"}),
    ("TLS, reset after hello", tls("RST after hello", "reset-after-hello"),
        UNHEALTHY, "reset|closed"),
    ("TLS, ping ok: 0", tls("shutting down", "ping-ok0"), UNHEALTHY, "protocol"),

    ("login", real("a real server, the right password", "user:pencil@"), HEALTHY, "ok"),
    ("login by SCRAM-SHA-1", real("the same, by the older way", "user:pencil@",
        "?authMechanism=SCRAM-SHA-1"), HEALTHY, "ok"),
    ("login by SCRAM-SHA-256", real("the same, by the newer way", "user:pencil@",
        "?authMechanism=SCRAM-SHA-256"), HEALTHY, "ok"),
    ("login, password in a file", real("password_file", "", keys=by_file), HEALTHY, "ok"),
    ("login: wrong password", real("a real server, a wrong password", "user:hunter2@"),
        UNHEALTHY, "auth"),
    ("login: nobody", real("a real server, a user that there is not", "nobody:hunter2@"),
        UNHEALTHY, "auth"),
    ("login not given, not asked for", real("hello and ping need none", ""), HEALTHY, "ok"),
    ("ping wants a login", scripted("auth-required", "ping answered Unauthorized", ""),
        UNHEALTHY, "auth", "", {"detail": "requires authentication"}),
    ("ping wants a login, none given", scripted("login", "a login is asked for", ""),
        UNHEALTHY, "auth"),
    ("login, scripted", scripted("login", "a login is asked for and given"), HEALTHY, "ok"),
    ("login, wrong password, scripted", scripted("login", "another password", "user:hunter2@"),
        UNHEALTHY, "auth"),
    ("login: not ASCII", scripted("login-cafe", "a password that SASLprep changes",
        "user:cafe%CC%81%C2%A0%E2%85%A8@"), HEALTHY, "ok"),
    ("ping-only user", scripted("login-guarded", "a user that may only ping"), HEALTHY, "ok"),
    ("login: SHA-1 only", scripted("login-sha-1", "a server of the older way"), HEALTHY, "ok"),
    ("login: empty last step", scripted("login-empty", "the older, longer exchange"),
        HEALTHY, "ok"),
    ("login without end", scripted("login-endless", "never done"), UNHEALTHY, PROTOCOL_OR_AUTH),
    ("login: false proof", scripted("login-false", "the server does not know the password"),
        UNHEALTHY, "auth"),
    ("login: no proof", scripted("login-silent", "the server proves nothing"), UNHEALTHY, "auth"),
    ("login: no challenge", scripted("login-no-payload", "no payload"), UNHEALTHY,
        PROTOCOL_OR_AUTH),
    ("login: garbage", scripted("login-garbage", "noise as the challenge"), UNHEALTHY,
        PROTOCOL_OR_AUTH),
    ("login: another nonce", scripted("login-nonce", "a challenge for another"), UNHEALTHY,
        PROTOCOL_OR_AUTH),
    ("login: refused by Atlas", scripted("login-atlas", "AtlasError: bad auth"), UNHEALTHY, "auth"),
    ("login: not initiated", scripted("login-not-initiated", "no users without a configuration",
        more="?replicaSet=rs0"), UNHEALTHY, "not-initiated"),
    ("login: switched off", scripted("login-off", "MechanismUnavailable"), UNHEALTHY, "auth"),
    ("login: too few iterations", scripted("login-weak", "1,000: it wants to learn the password"),
        UNHEALTHY, PROTOCOL_OR_AUTH),
    ("login: too many iterations", scripted("login-costly", "2,000,000,000: it wants our CPU"),
        UNHEALTHY, PROTOCOL_OR_AUTH),
)
