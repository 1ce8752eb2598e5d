"""TLS: every row of certificates and handshakes once for https and once for tcp with tls = yes;
then what an HTTP server may do behind the handshake."""

import gzip
import ssl
import threading
import time

import behave as b
import names
from behave import CHUNKED, answer, chunk, demands, head, page, tls
from lib import hostile
from scenarios.common import (
    CUT, Situation, becomes, black_hole, comes_up_later, goes_away, inside, nobody, serves, told,
)
from stage import shared_certs
from table import HEALTHY, UNHEALTHY, rows

SHORT = "timeout = 400ms"
OK = "expect_body = ^ok"
UP = hostile.http_reply()


def bare(where):
    return f"url = https://{where}/"


def at(where):
    return f"{bare(where)}\ntls_ca = {shared_certs().ca}"


def tcp_bare(where):
    return f"address = {where}\ntls = yes"


def tcp_at(where):
    return f"{tcp_bare(where)}\ntls_ca = {shared_certs().ca}"


def secured(inner, pair=None, **kw):
    """The behaviour behind TLS, with a good certificate unless `pair` (of the certs) says."""

    def behave(sock):
        tls(inner, pair(shared_certs()) if pair else shared_certs().pair(), **kw)(sock)

    return behave


def certified(at, pair, how, host="127.0.0.1", inner=UP, keys=lambda certs: "", **kw):
    """An HTTP server with that certificate; `keys`: further ones of the probe, of the certs."""

    def make(stage):
        # Made before the clock of the check runs.
        behave = tls(inner, pair(stage.certs), **{k: v(stage.certs) if callable(v) else v
                                                  for k, v in kw.items()})
        more = keys(stage.certs)
        return Situation(f"{at(f'{host}:{stage.serve(behave).port}')}\n{more}")

    return told(how, make)


def chain(certs, whole):
    """A certificate of an intermediate authority of our CA; `whole`: sent with that authority's."""
    middle = certs.pair("middle", names=None, extensions="basicConstraints=critical,CA:TRUE")
    cert, key = certs.pair("leaf", signed_by=middle)
    both = cert.with_name("leaf.chain.pem")
    both.write_text(cert.read_text() + middle[0].read_text())
    return (both if whole else cert), key


def good(certs):
    return certs.pair()


def other_name(certs):
    return certs.pair("other", "DNS:other.test")


def by_name(stage_at, pair, how, name="name.test"):
    """The target by a name of a DNS server of its own."""
    def make(stage):
        port = stage.serve(tls(UP, pair(stage.certs))).port
        zone = stage.keep(names.Names({name: ["127.0.0.1"]}))
        return Situation(stage_at(f"{name}:{port}"), env=zone.env)

    return told(how, make)


def renewed(at):
    """The certificate has expired, then it is renewed."""

    def make(stage):
        server = stage.serve(tls(UP, stage.certs.pair("expired", days=-1)))
        fresh = tls(UP, stage.certs.pair())

        def change():
            server.behave = fresh

        return Situation(at(f"127.0.0.1:{server.port}"), change=change)

    return told("expired, then renewed", make)


def expires(at):
    def make(stage):
        server = stage.serve(tls(UP, stage.certs.pair()))
        old = tls(UP, stage.certs.pair("expired", days=-1))

        def change():
            server.behave = old

        return Situation(at(f"127.0.0.1:{server.port}"), change=change)

    return told("good, then expired", make)


def changes_behind_sessions(at):
    """One context throughout: it knows the sessions that it gave with the certificate before."""

    def make(stage):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, stage.certs.pair()))
        other = other_name(stage.certs)

        def behave(sock):
            with context.wrap_socket(sock, server_side=True) as inner:
                UP(inner)

        def change():
            context.load_cert_chain(*map(str, other))

        return Situation(at(f"127.0.0.1:{stage.serve(behave).port}"), change=change)

    return told("good, then that of another host; it knows the sessions of before", make)


def ends_soon(at):
    def make(stage):
        ends = int(time.time()) + 10
        stamp = lambda when: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(when))
        pair = stage.certs.dated(f"ends{ends}", stamp(ends - 600), stamp(ends))
        server = stage.serve(tls(UP, pair))

        def change():
            stage.wait_until(lambda: time.time() > ends + 1, 20, "the certificate has ended")

        return Situation(at(f"127.0.0.1:{server.port}"), change=change)

    return told("good for some seconds; it knows its sessions", make)


def handshake_late(seconds):
    """The handshake begins late: the hello waits in the socket meanwhile."""
    def behave(sock):
        threading.Event().wait(seconds)
        secured(UP)(sock)

    return behave


FUTURE = ("20700101000000Z", "20710101000000Z")
# A TLS record that begins a handshake message and is not whole; a fatal alert.
HALF = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03"
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"


def handshake_rows(at, bare):
    def cert(pair, how, **kw):
        return certified(at, pair, how, **kw)

    def client(keys, how):
        return certified(at, good, how, client_ca=lambda certs: certs.ca, keys=keys)

    def raw(behave, how):
        return serves(at, behave, how)

    # fmt: off
    return (
        ("up", cert(good, "a certificate of our CA"), HEALTHY, "ok"),
        ("up, by localhost", cert(good, "the certificate says localhost", host="localhost"),
            HEALTHY, "ok"),
        ("up, by name", by_name(at, lambda c: c.pair("named", "DNS:name.test"),
            "the certificate says name.test"), HEALTHY, "ok"),
        ("up, by wildcard", by_name(at, lambda c: c.pair("wild", "DNS:*.name.test"),
            "the certificate says *.name.test", "a.name.test"), HEALTHY, "ok"),
        ("wildcard too deep", by_name(at, lambda c: c.pair("wild", "DNS:*.name.test"),
            "*.name.test, for a.b.name.test", "a.b.name.test"), UNHEALTHY, "tls"),
        ("TLS 1.2", cert(good, "speaks at most TLS 1.2", maximum_version=ssl.TLSVersion.TLSv1_2),
            HEALTHY, "ok"),
        ("TLS 1.1", cert(good, "speaks at most TLS 1.1", maximum_version=ssl.TLSVersion.TLSv1_1,
            minimum_version=ssl.TLSVersion.TLSv1, ciphers="DEFAULT@SECLEVEL=0"),
            UNHEALTHY, "tls"),
        ("unknown CA", certified(bare, good, "a CA that the system does not know"),
            UNHEALTHY, "tls"),
        ("wrong CA", cert(lambda c: c.pair("foreign", signed_by=c.authority("foreign CA")),
            "another CA than tls_ca"), UNHEALTHY, "tls"),
        ("self-signed", cert(lambda c: c.pair("self", signed_by="itself"), "signed by itself"),
            UNHEALTHY, "tls", "", {"detail": "self.signed"}),
        ("self-signed, not verified", cert(lambda c: c.pair("self", signed_by="itself"),
            "signed by itself"), HEALTHY, "ok", "tls_verify = no"),
        ("expired", cert(lambda c: c.pair("expired", days=-1), "expired yesterday"),
            UNHEALTHY, "tls", "", {"detail": "expired"}),
        ("not yet valid", cert(lambda c: c.dated("future", *FUTURE), "valid from 2070"),
            UNHEALTHY, "tls", "", {"detail": "not valid before 2070-01-01"}),
        ("expires too soon", cert(good, "valid for 2 days"), HEALTHY, "ok",
            "tls_min_days = 30", {"detail": "expires on .* tls_min_days is 30"}),
        ("expires soon enough", cert(good, "valid for 2 days"), HEALTHY, "ok", "tls_min_days = 1"),
        ("expires too soon, not verified", cert(lambda c: c.pair("self", signed_by="itself"),
            "signed by itself, for 2 days"), HEALTHY, "ok", "tls_verify = no; tls_min_days = 30",
            {"detail": "tls_min_days is 30"}),
        ("expired, not verified", cert(lambda c: c.pair("expired", days=-1), "expired yesterday"),
            HEALTHY, "ok", "tls_verify = no"),
        ("expired, then renewed", renewed(at), UNHEALTHY, "tls", "", {"then": (HEALTHY, "ok")}),
        ("good, then expired", expires(at), HEALTHY, "ok", "", {"then": (UNHEALTHY, "tls")}),
        ("good, then of another, sessions known", changes_behind_sessions(at), HEALTHY, "ok",
            "tls_recheck = 300ms", {"then": (UNHEALTHY, "tls")}),
        ("ends between, sessions known", ends_soon(at), HEALTHY, "ok", "", {"then": (UNHEALTHY, "tls")}),
        ("wrong host", cert(other_name, "the certificate of other.test"), UNHEALTHY, "tls"),
        ("wrong address", cert(lambda c: c.pair("ip", "IP:127.0.0.9"), "that of 127.0.0.9"),
            UNHEALTHY, "tls"),
        ("address as a name", cert(lambda c: c.pair("dnsip", "DNS:127.0.0.1"),
            "127.0.0.1 as a DNS name"), UNHEALTHY, "tls"),
        ("another name to verify", cert(other_name, "the certificate of other.test"),
            HEALTHY, "ok", "tls_server_name = other.test"),
        ("another name, wrong", cert(other_name, "the certificate of other.test"),
            UNHEALTHY, "tls", "tls_server_name = third.test"),
        ("no name but the subject", by_name(at, lambda c: c.pair("cn", names=None,
            subject="name.test"), "the name stands only in the subject"), HEALTHY, "ok", "",
            {"peers": False}),
        ("not for servers", cert(lambda c: c.pair("clientonly",
            extensions="extendedKeyUsage=clientAuth"), "a client's certificate"),
            UNHEALTHY, "tls"),
        ("intermediate sent", cert(lambda c: chain(c, True), "with its intermediate CA"),
            HEALTHY, "ok"),
        ("intermediate missing", cert(lambda c: chain(c, False), "without its intermediate CA"),
            UNHEALTHY, "tls"),
        ("client certificate", client(lambda c: "tls_cert = {}\ntls_key = {}".format(
            *c.pair("client")), "asks for a client certificate"), HEALTHY, "ok"),
        ("client certificate missing", client(lambda c: "", "asks for a client certificate"),
            UNHEALTHY, "tls", "", {"detail": "the server wants a client certificate"}),
        ("client certificate refused", client(lambda c: "tls_cert = {}\ntls_key = {}".format(
            *c.pair("foreign", signed_by=c.authority("foreign CA"))),
            "asks for a certificate of its CA"), UNHEALTHY, "tls", "",
            {"detail": "the server does not accept our client certificate"}),

        ("refused", nobody(at), UNHEALTHY, "refused"),
        ("black-holed", black_hole(at), UNHEALTHY, "timeout", SHORT),
        ("comes up later", comes_up_later(at, secured(UP)), UNHEALTHY, "refused", "",
            {"then": (HEALTHY, "ok")}),
        ("goes away", goes_away(at, secured(UP)), HEALTHY, "ok", "",
            {"then": (UNHEALTHY, "refused")}),
        ("hangs, then answers", becomes(at, hostile.silent, secured(UP),
            "no handshake, then all is well"), UNHEALTHY, "timeout", "timeout = 1s",
            {"then": (HEALTHY, "ok")}),
        ("silent", raw(hostile.silent, "accepts and says nothing"), UNHEALTHY, "timeout", SHORT,
            {"detail": "TLS"}),
        ("connected, then black-holed", inside(at, hostile.silent,
            "accepts, then every packet is dropped", then=CUT), UNHEALTHY, "timeout", SHORT),
        ("closes when connected", raw(hostile.close_at_once, "accepts and closes"),
            UNHEALTHY, "closed|reset"),
        ("closes after the hello", raw(hostile.reply_and_close(b""), "reads a hello and closes"),
            UNHEALTHY, "closed"),
        ("resets when connected", raw(hostile.reset_at_once, "accepts and resets"),
            UNHEALTHY, "reset"),
        ("resets after the hello", raw(hostile.reply_and_reset(b""), "reads a hello and resets"),
            UNHEALTHY, "reset"),
        ("closes within the handshake", raw(hostile.reply_and_close(HALF), "half a server hello"),
            UNHEALTHY, "closed"),
        ("stops within the handshake", raw(hostile.reply(HALF), "half a server hello, silence"),
            UNHEALTHY, "timeout", SHORT),
        ("alert", raw(hostile.reply_and_close(ALERT), "a fatal alert: handshake_failure"),
            UNHEALTHY, "tls"),
        ("garbage", raw(hostile.garbage, "answers noise"), UNHEALTHY, "tls"),
        ("own hello sent back", raw(lambda s: s.sendall(s.recv(4096)), "an echo"),
            UNHEALTHY, "tls"),
        ("port speaks plain HTTP", raw(hostile.reply(page(b"", status="400 Bad Request")),
            "a plain HTTP server"), UNHEALTHY, "tls"),
        ("port greets in plain", raw(hostile.banner(b"220 ready\r\n"), "a plain SMTP server"),
            UNHEALTHY, "tls"),
        ("slow but in time", raw(handshake_late(0.3), "the handshake begins after 0.3 s"),
            HEALTHY, "ok"),
        ("just over time", raw(handshake_late(0.8), "the handshake begins after 0.8 s"),
            UNHEALTHY, "timeout", SHORT),
    )


def says(*parts, how, **kw):
    return serves(at, secured(answer(*parts, **kw)), how)


BASIC = "Authorization: Basic YWRhOnB3\r\n"  # ada:pw
DENIED = page(b"no", 'WWW-Authenticate: Basic realm="x"', status="401 Unauthorized")

# fmt: off
BEHIND = (
    ("up, body expected", says(page(b"ok"), how="answers ok"), HEALTHY, "ok", OK),
    ("silent after the handshake", serves(at, secured(hostile.silent), "no answer to the request"),
        UNHEALTHY, "timeout", SHORT),
    ("closes after the request", says(how="close_notify instead of an answer"), UNHEALTHY,
        "closed"),
    ("closes within the body", says(head("200 OK", "Content-Length: 9"), b"half",
        how="half a body"), UNHEALTHY, "closed", "expect_body = whole"),
    ("until the close, without close_notify", says(head("200 OK"), b"ok", how="the body ends by FIN alone"),
        HEALTHY, "ok"),
    ("and what is expected came", says(head("200 OK"), b"ok, but", how="the body ends by FIN alone"),
        HEALTHY, "ok", OK),
    ("and its end is expected", says(head("200 OK"), b"ok", how="the body ends by FIN alone"), UNHEALTHY,
        "mismatch", "expect_body = ^ok$", {"detail": "may be cut.*close_notify", "peers": False}),
    ("and what is rejected may be cut off", says(head("200 OK"), b"ok", how="the body ends by FIN alone"),
        UNHEALTHY, "closed", "reject_body = fail", {"detail": "may be cut.*close_notify", "peers": False}),
    ("and it is gzip", says(head("200 OK", "Content-Encoding: gzip"), gzip.compress(b"ok"), how="gzip, then FIN alone"),
        HEALTHY, "ok", "header = Accept-Encoding: gzip; expect_body = ^ok$; reject_body = fail", {"peers": False}),
    ("and it is JSON", says(head("200 OK"), b'{"a": 1}', how="the body ends by FIN alone"), HEALTHY, "ok",
        "expect_json = /a = 1"),
    ("garbage after the handshake", serves(at, secured(hostile.garbage), "answers noise"),
        UNHEALTHY, "protocol"),
    ("slow but in time, answer", says(0.3, page(b"ok"), how="answers after 0.3 s"), HEALTHY, "ok"),
    ("just over time, answer", says(0.8, page(b"ok"), how="answers after 0.8 s"),
        UNHEALTHY, "timeout", SHORT),
    ("dripped", serves(at, secured(hostile.drip(page(b"ok"))), "its answer byte by byte"),
        HEALTHY, "ok", OK),
    ("204", says(head("204 No Content"), how="204"), HEALTHY, "ok"),
    ("500", says(page(b"", status="500 Oops"), how="500"), UNHEALTHY, "mismatch"),
    ("wrong body", says(page(b"sorry"), how="another body"), UNHEALTHY, "mismatch", OK),
    ("401, right credentials", serves(at, secured(demands(BASIC, bad=DENIED)),
        "asks for a password"), HEALTHY, "ok", "user = ada; password = pw"),
    ("401, wrong credentials", serves(at, secured(demands(BASIC, bad=DENIED)),
        "asks for a password"), UNHEALTHY, "auth", "user = ada; password = other"),
    ("chunked, cut", says(head("200 OK", CHUNKED), chunk(b"o"), how="ends before the last chunk"),
        UNHEALTHY, "closed", "expect_body = ^ok$"),
    ("endless headers", serves(at, secured(hostile.ENDLESS_HEADERS), "headers without end"),
        UNHEALTHY, "protocol"),
    ("huge body", says(page(b"ok" + b"x" * (4 << 20)), how="4 MiB"), HEALTHY, "ok", OK),
    ("keep-alive, closed between", serves(at, secured(b.idle(0.02, b"")),
        "closes idle connections"), HEALTHY, "ok"),
)


# What a TLS server sends to plain text (RFC 8446 section 5.1); nginx answers in plain.
TLS_SERVER = hostile.reply_and_close(b"\x15\x03\x01\x00\x02\x02\x16")
NGINX = page(b"The plain HTTP request was sent to HTTPS port", status="400 Bad Request")


def plain(where):
    return f"url = http://{where}/"


def plain_tcp(where):
    return f"address = {where}"


ROWS = [
    *rows("https", *handshake_rows(at, bare), *BEHIND),
    *rows("http",
          ("TLS port in plain", serves(plain, TLS_SERVER, "a TLS server"), UNHEALTHY, "protocol",
              "", {"detail": "speaks TLS"}),
          ("TLS port in plain, nginx", serves(plain, answer(NGINX), "a TLS server of nginx"),
              UNHEALTHY, "mismatch", "", {"detail": "400"})),
    *rows("tcp", *((f"TLS: {name}", *rest) for name, *rest in handshake_rows(tcp_at, tcp_bare)),
          ("TLS port in plain", serves(plain_tcp, TLS_SERVER, "a TLS server"), UNHEALTHY,
              "mismatch", r"send = PING\r\n; expect = PONG")),
]
