"""http: a request and its reply."""

import gzip

import behave as b
from behave import CHUNKED, answer, by_path, chunk, demands, head, page
from lib import hostile
from scenarios.common import (
    AB, CUT, LOSE_FIRST, Situation, becomes, black_hole, comes_up_later, full_backlog, goes_away,
    host_gone, inside, is_ours, nobody, serves, told,
)
from table import HEALTHY, UNHEALTHY, rows


def at(where):
    return f"url = http://{where}/"


SHORT = "timeout = 400ms"
OK = "expect_body = ^ok"
UP = hostile.http_reply()


def says(*parts, how, **kw):
    """A server that sends just that after a request."""
    return serves(at, answer(*parts, **kw), how)


def unix(behave, how):
    def make(stage):
        path = stage.program.path("target.sock")
        if behave:
            stage.serve(behave, path=path)
        return Situation(f"url = http+unix://{path}:/ping")

    return told(how, make)


def redirects(location, how, **others):
    """/ points elsewhere; {dead} is a port where nobody is, {hangs} one that says nothing."""

    def make(stage):
        ports = {"dead": stage.port(), "hangs": stage.serve(hostile.silent).port}
        pages = {"/": page(b"", f"Location: {location.format(**ports)}", status="302 Found")}
        pages |= {path: whole for path, whole in PAGES.items()}
        return Situation(at(f"127.0.0.1:{stage.serve(by_path(pages)).port}"))

    return told(how, make)


PAGES = {"/good": page(b"ok"), "/bad": page(b"oops", status="500 Oops"),
         "/again": page(b"", "Location: /", status="307 Again")}
FOLLOW = "follow_redirects = yes"


def proxied(stage):
    """a proxy in the environment, which does not exist"""
    proxy = f"http://127.0.0.1:{stage.port()}"
    names = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
    return Situation(at(f"127.0.0.1:{stage.serve(UP).port}"), env={n: proxy for n in names})


def other_host(stage):
    """another name in the URL than the host that is connected to"""
    port = stage.serve(demands("Host: shop.test\r\n")).port
    return Situation(f"url = http://shop.test/\nconnect_to = 127.0.0.1:{port}")


def coded(body):
    return page(body, "Content-Encoding: gzip")


GZIP = "header = Accept-Encoding: gzip"
TWO = "expect_body =\n db up\n cache up"
BASIC = "Authorization: Basic YWRhOnB3\r\n"  # ada:pw
DENIED = page(b"no", 'WWW-Authenticate: Basic realm="x"', status="401 Unauthorized")
JSON = b'{"status": "UP", "db": {"up": true, "lag": 3}}'

# fmt: off
CONNECTION = (
    ("up", serves(at, UP, "answers 200"), HEALTHY, "ok"),
    ("up, IPv6", serves(at, UP, "answers 200 on ::1", ipv6=True), HEALTHY, "ok"),
    ("Unix socket", unix(UP, "answers on a Unix socket"), HEALTHY, "ok"),
    ("Unix socket missing", unix(None, "no such file"), UNHEALTHY, "refused"),
    ("Unix socket silent", unix(hostile.silent, "a Unix socket that says nothing"),
        UNHEALTHY, "timeout", SHORT),
    ("refused", nobody(at), UNHEALTHY, "refused", "", {"detail": "127.0.0.1:[0-9]+"}),
    ("black-holed", black_hole(at), UNHEALTHY, "timeout", SHORT, {"detail": "10.99.0.2:80"}),
    ("host gone", host_gone(at), UNHEALTHY, "unreachable"),
    ("backlog full", full_backlog(at), UNHEALTHY, "timeout", SHORT),
    ("first packet lost", inside(at, UP, "the first SYN is dropped", LOSE_FIRST), HEALTHY, "ok"),
    ("connected, then black-holed", inside(at, UP, "accepts, then every packet is dropped",
        then=CUT), UNHEALTHY, "timeout", SHORT),
    ("comes up later", comes_up_later(at, UP), UNHEALTHY, "refused", "",
        {"then": (HEALTHY, "ok")}),
    ("goes away", goes_away(at, UP), HEALTHY, "ok", "", {"then": (UNHEALTHY, "refused")}),
    ("hangs, then answers", becomes(at, hostile.silent, UP, "says nothing, then answers"),
        UNHEALTHY, "timeout", "timeout = 500ms", {"then": (HEALTHY, "ok")}),
    ("answers, then hangs", becomes(at, answer(page(b"ok")), hostile.silent,
        "answers, then says nothing"), HEALTHY, "ok", "timeout = 500ms",
        {"then": (UNHEALTHY, "timeout")}),
    ("proxy in the environment", proxied, HEALTHY, "ok", "", {"peers": False}),
    ("another host to connect to", other_host, HEALTHY, "ok"),
)

EXCHANGE = (
    ("accepts and says nothing", serves(at, hostile.silent, "never says a word"),
        UNHEALTHY, "timeout", SHORT),
    ("closes when connected", serves(at, hostile.close_at_once, "accepts and closes"),
        UNHEALTHY, "closed|reset"),
    ("closes after the request", says(how="reads the request and closes"), UNHEALTHY, "closed"),
    ("closes within the status", says(b"HTTP/1.1 2", how="half a status line, then FIN"),
        UNHEALTHY, "closed"),
    ("closes within the headers", says(b"HTTP/1.1 200 OK\r\nServ", how="half a header, then FIN"),
        UNHEALTHY, "closed"),
    ("closes within the body", says(head("200 OK", "Content-Length: 9"), b"half",
        how="half a body, then FIN"), UNHEALTHY, "closed", "expect_body = whole"),
    ("resets when connected", serves(at, hostile.reset_at_once, "accepts and resets"),
        UNHEALTHY, "reset"),
    ("resets after the request", says(then="reset", how="reads the request and resets"),
        UNHEALTHY, "reset"),
    ("resets within the headers", says(b"HTTP/1.1 200 OK\r\nServ", then="reset",
        how="half a header, then RST"), UNHEALTHY, "reset"),
    ("resets within the body", says(head("200 OK", "Content-Length: 9"), b"half", then="reset",
        how="half a body, then RST"), UNHEALTHY, "reset", "expect_body = whole"),
    ("garbage", serves(at, hostile.garbage, "answers noise"), UNHEALTHY, "protocol"),
    ("another protocol", serves(at, hostile.banner(b"SSH-2.0-OpenSSH_9.2\r\n"), "an SSH server"),
        UNHEALTHY, "protocol", "", {"detail": "SSH-2.0"}),
    ("HTTP/0.9", says(b"<html>ok</html>", how="a body without a head"), UNHEALTHY, "protocol"),
    ("HTTP/2 only", serves(at, hostile.banner(b"\0\0\0\x04\0\0\0\0\0"), "an HTTP/2 server"),
        UNHEALTHY, "protocol", SHORT),
    ("no status code", says(b"HTTP/1.1 OK\r\n\r\n", how="a status line without a code"),
        UNHEALTHY, "protocol"),
    ("four digits", says(b"HTTP/1.1 2000 OK\r\n\r\n", how="a status code of four digits"),
        UNHEALTHY, "protocol"),
    ("dripped", serves(at, hostile.drip(page(b"ok")), "its answer byte by byte"),
        HEALTHY, "ok", OK),
    ("dripped without end", serves(at, hostile.drip(page(b"ok" * 400)), "byte by byte for 10 s"),
        UNHEALTHY, "timeout", f"expect_body = never; {SHORT}"),
    ("half-closed after its answer", serves(at, lambda s: b.request(s) and b.half_closed(
        page(b"ok"))(s), "answers and sends FIN"), HEALTHY, "ok", OK),
    ("half-closed without one", serves(at, b.half_closed(b""), "sends FIN and stays"),
        UNHEALTHY, "closed"),
    ("slow but in time", says(0.3, page(b"ok"), how="answers after 0.3 s"), HEALTHY, "ok"),
    ("just over time", says(0.8, page(b"ok"), how="answers after 0.8 s"),
        UNHEALTHY, "timeout", SHORT),
    ("body just over time", says(head("200 OK", "Content-Length: 2"), 0.8, b"ok",
        how="the body after 0.8 s"), UNHEALTHY, "timeout", f"{OK}; {SHORT}"),
    ("status, then silence", says(b"HTTP/1.1 200 OK\r\n", then="silent",
        how="headers without an end"), UNHEALTHY, "timeout", SHORT),
)

REPLY = (
    ("204", says(head("204 No Content"), how="204 without a body"), HEALTHY, "ok"),
    ("304", says(head("304 Not Modified"), how="304"), HEALTHY, "ok"),
    ("100, then 200", says(head("100 Continue"), page(b"ok"), how="100 before the answer"),
        HEALTHY, "ok", OK),
    ("103, then 200", says(head("103 Early Hints", "Link: </s.css>"), page(b"ok"),
        how="early hints before the answer"), HEALTHY, "ok", OK),
    ("100, then 503", says(head("100 Continue"), page(b"", status="503 Busy"),
        how="100 before a failure"), UNHEALTHY, "mismatch"),
    ("100, then silence", says(head("100 Continue"), then="silent", how="100 and nothing more"),
        UNHEALTHY, "timeout", SHORT),
    ("100, then closed", says(head("100 Continue"), how="100, then FIN"), UNHEALTHY, "closed"),
    ("101", says(head("101 Switching Protocols", "Upgrade: x", "Connection: upgrade"),
        then="silent", how="101, which was not asked for"), UNHEALTHY,
        "mismatch", SHORT),
    ("404", says(page(b"no", status="404 Not Found"), how="404"), UNHEALTHY, "mismatch", "",
        {"detail": "404"}),
    ("500", says(page(b"no", status="500 Oops"), how="500"), UNHEALTHY, "mismatch"),
    ("503 that is expected", says(page(b"no", status="503 Maintenance"), how="503"),
        HEALTHY, "ok", "expect_status = 503"),
    ("200 where 204 is expected", says(page(b"ok"), how="200"), UNHEALTHY, "mismatch",
        "expect_status = 204"),
    ("500, then cut", says(head("500 Oops", "Content-Length: 99"), b"half",
        how="500 and half a body"), UNHEALTHY, "mismatch"),
    ("302, not followed", redirects("/good", "to a page that answers 200"), HEALTHY, "ok"),
    ("302, not expected", redirects("/good", "to a page that answers 200"), UNHEALTHY,
        "mismatch", "expect_status = 200"),
    ("302, followed", redirects("/good", "to a page that answers 200"), HEALTHY, "ok",
        f"{FOLLOW}; expect_status = 200; {OK}"),
    ("302 to a failure", redirects("/bad", "to a page that answers 500"), UNHEALTHY, "mismatch",
        FOLLOW),
    ("302 in a loop", redirects("/again", "to a page that points back"), UNHEALTHY, "mismatch",
        FOLLOW, {"detail": "redirect"}),
    ("302 to nobody", redirects("http://127.0.0.1:{dead}/", "to a port where nobody is"),
        UNHEALTHY, "refused", FOLLOW),
    ("302 to silence", redirects("http://127.0.0.1:{hangs}/", "to a server that says nothing"),
        UNHEALTHY, "timeout", f"{FOLLOW}; {SHORT}"),
    ("302 to a file", redirects("file:///etc/passwd", "to file:///etc/passwd"), UNHEALTHY,
        "mismatch", FOLLOW),
    ("302 to nowhere", says(head("302 Found", "Content-Length: 0"), how="302 without a Location"),
        UNHEALTHY, "mismatch", f"{FOLLOW}; expect_status = 200"),
    ("401, no credentials", serves(at, demands(BASIC, bad=DENIED), "asks for a password"),
        UNHEALTHY, "auth"),
    ("401, right credentials", serves(at, demands(BASIC, bad=DENIED), "asks for a password"),
        HEALTHY, "ok", "user = ada; password = pw"),
    ("401, wrong credentials", serves(at, demands(BASIC, bad=DENIED), "asks for a password"),
        UNHEALTHY, "auth", "user = ada; password = other"),
    ("right token", serves(at, demands("Authorization: Bearer abc\r\n", bad=DENIED),
        "asks for a token"), HEALTHY, "ok", "bearer_token = abc"),
    ("wrong token", serves(at, demands("Authorization: Bearer abc\r\n", bad=DENIED),
        "asks for a token"), UNHEALTHY, "auth", "bearer_token = xyz"),
    ("403", says(page(b"no", status="403 Forbidden"), how="403"), UNHEALTHY, "mismatch"),
    ("unasked 408", serves(at, b.half_closed(page(b"", status="408 Request Timeout")),
        "says 408 before it is asked"), UNHEALTHY, "mismatch"),
    ("POST", serves(at, lambda s: s.sendall(page(b"ok" if s.recv(4096)[:6] == b"POST /" else b"")),
        "takes POST"), HEALTHY, "ok", f"method = POST; body = x; {OK}"),
    ("HEAD", says(head("200 OK", "Content-Length: 99"), then="silent", how="a head for HEAD"),
        HEALTHY, "ok", "method = HEAD"),
    ("HTTP/1.0", says(head("200 OK", version="1.0"), b"ok", how="HTTP/1.0, the body ends by FIN"),
        HEALTHY, "ok", OK),
    ("HTTP/2 is wanted", serves(at, hostile.reply(page(b"", status="400 Bad Request")),
        "speaks only HTTP/1.1"), UNHEALTHY, "protocol", "http_version = 2"),
    ("lines end in LF", says(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", how="no CR in its head"),
        HEALTHY, "ok", OK),
    ("keep-alive, closed between", serves(at, b.idle(0.02, b""), "closes idle connections"),
        HEALTHY, "ok"),
    ("keep-alive, 408 between", serves(at, b.idle(0.02, page(b"", status="408 Request Timeout")),
        "says 408 on idle connections"), HEALTHY, "ok"),
)

CONTENT = (
    ("right body", says(page(b"ok, all is well"), how="the body is as expected"),
        HEALTHY, "ok", OK),
    ("wrong body", says(page(b"sorry"), how="another body"), UNHEALTHY, "mismatch", OK,
        {"detail": "sorry"}),
    ("no body", says(page(b""), how="an empty body"), UNHEALTHY, "mismatch", OK),
    ("rejected body", says(page(b"ok, but DEGRADED"), how="a word in the body"), UNHEALTHY,
        "mismatch", f"{OK}; reject_body = DEGRADED"),
    ("pattern cannot be told", says(page(AB.encode()), how="a pattern that takes too long over it"),
        UNHEALTHY, "internal", "reject_body = a(a|b){240}Z", {"by": is_ours}),
    ("right header", says(page(b"", "X-Ready: yes"), how="X-Ready: yes"), HEALTHY, "ok",
        "expect_header = ^X-Ready: yes"),
    ("rejected header", says(page(b"", "X-Ready: no", "X-Cache: STALE"), how="X-Cache: STALE"),
        UNHEALTHY, "mismatch", "reject_header = ^x-cache: STALE",
        {"detail": "reject_header", "peers": False}),
    ("no rejected header", says(page(b"", "X-Cache: HIT"), how="X-Cache: HIT"), HEALTHY, "ok",
        "reject_header = ^x-cache: STALE", {"peers": False}),
    ("all of several patterns", says(page(b"db up, cache up"), how="two words in the body"),
        HEALTHY, "ok", TWO, {"peers": False}),
    ("one of several patterns", says(page(b"db up, cache down"), how="one of two words"),
        UNHEALTHY, "mismatch", TWO, {"detail": "cache up", "peers": False}),
    ("one of several to reject", says(page(b"db up, cache DOWN"), how="the second bad word"),
        UNHEALTHY, "mismatch", "reject_body =\n ERROR\n DOWN", {"peers": False}),
    ("JSON: greater", says(page(JSON), how="lag 3"), HEALTHY, "ok",
        "expect_json =\n /db/lag <= 3\n /db/lag > 2\n /db/lag != 4\n /status ~ ^U"),
    ("JSON: not greater", says(page(JSON), how="lag 3"), UNHEALTHY, "mismatch",
        "expect_json = /db/lag > 3", {"detail": "is 3, expected > 3"}),
    ("JSON: no number", says(page(JSON), how="a text where a number is expected"), UNHEALTHY,
        "mismatch", "expect_json = /status > 0"),
    ("JSON: exists, absent, length", says(page(JSON), how="two members"), HEALTHY, "ok",
        "expect_json =\n /db exists\n /error absent\n /db length = 2"),
    ("JSON: there, but not to be", says(page(b'{"error": null}'), how="null"), UNHEALTHY,
        "mismatch", "expect_json = /error absent"),
    ("JSON: too short", says(page(b'{"nodes": []}'), how="an empty array"), UNHEALTHY, "mismatch",
        "expect_json = /nodes length >= 1", {"detail": "length 0"}),
    ("wrong header", says(page(b"", "X-Ready: no"), how="X-Ready: no"), UNHEALTHY, "mismatch",
        "expect_header = ^X-Ready: yes"),
    ("right JSON", says(page(JSON), how="JSON as expected"), HEALTHY, "ok",
        "expect_json = /db/up = true"),
    ("wrong JSON", says(page(JSON), how="another value"), UNHEALTHY, "mismatch",
        "expect_json = /status = DOWN", {"detail": "/status is"}),
    ("JSON lacks it", says(page(JSON), how="no such key"), UNHEALTHY, "mismatch",
        "expect_json = /cache/up = true"),
    ("not JSON", says(page(b"<html>UP</html>"), how="HTML"), UNHEALTHY, "mismatch",
        "expect_json = /status = UP"),
    ("half JSON", says(page(JSON[:20]), how="JSON that ends too early"), UNHEALTHY, "mismatch",
        "expect_json = /status = UP"),
    ("JSON of brackets", says(page(b"[" + b"{}," * 340000 + b"0]"), how="a megabyte of brackets"),
        UNHEALTHY, "internal", "expect_json = /status = UP", {"by": is_ours}),
    ("deep JSON", says(page(b"[" * 100000), how="100,000 brackets"), UNHEALTHY, "internal",
        "expect_json = /status = UP", {"by": is_ours}),
    ("huge body", says(page(b"ok" + b"x" * (8 << 20)), how="8 MiB"), HEALTHY, "ok", OK),
    ("huge body, wrong", says(page(b"x" * (8 << 20) + b"ok!"), how="the word after 8 MiB"),
        UNHEALTHY, "mismatch", "expect_body = ok!", {"detail": "max_body", "peers": False}),
    ("huge body, its end", says(page(b"ok" + b"x" * 100), how="more after the cut"), UNHEALTHY,
        "mismatch", "expect_body = ok$; max_body = 2", {"detail": "max_body", "peers": False}),
    ("endless body", serves(at, hostile.ENDLESS_BODY, "a body without end"), HEALTHY, "ok", "",
        {"peers": False}),
    ("endless body, wrong", serves(at, hostile.ENDLESS_BODY, "a body without end"), UNHEALTHY,
        "mismatch", OK),
    ("endless headers", serves(at, hostile.ENDLESS_HEADERS, "headers without end"), UNHEALTHY,
        "protocol"),
    ("endless header", serves(at, hostile.endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1024),
        "one header without end"), UNHEALTHY, "protocol"),
    ("gzip that was asked for", serves(at, demands("Accept-Encoding: gzip", good=b.zipped(b"ok")),
        "gzip, asked for"), HEALTHY, "ok", f"{GZIP}; expect_body = ^ok$", {"peers": False}),
    ("gzip in two members", says(coded(gzip.compress(b"o") + gzip.compress(b"k")),
        how="two members of gzip"), HEALTHY, "ok", f"{GZIP}; expect_body = ^ok$",
        {"peers": False}),
    ("gzip, other content", says(b.zipped(b"sorry"), how="gzip, asked for"), UNHEALTHY,
        "mismatch", f"{GZIP}; {OK}", {"detail": '"sorry"', "peers": False}),
    ("gzip, JSON", says(b.zipped(JSON), how="gzip of JSON"), HEALTHY, "ok",
        f"{GZIP}; expect_json = /status = UP", {"peers": False}),
    ("gzip bomb", says(coded(gzip.compress(b"ok" + bytes(50 << 20))), how="50 MiB in 50 KiB"),
        UNHEALTHY, "mismatch", f"{GZIP}; {OK}; max_body = 64MiB",
        {"detail": "2048 KiB", "peers": False}),
    ("gzip of no end of members", says(coded(gzip.compress(b"") * 5000),
        how="5,000 empty members"), UNHEALTHY, "protocol", f"{GZIP}; reject_body = x",
        {"peers": False}),
    ("gzip, cut", says(coded(gzip.compress(b"ok")[:-5]), how="without its last bytes"),
        UNHEALTHY, "protocol", f"{GZIP}; {OK}", {"detail": "too early", "peers": False}),
    ("gzip, broken", says(coded(gzip.compress(b"ok")[:-8] + bytes(8)), how="another checksum"),
        UNHEALTHY, "protocol", f"{GZIP}; {OK}", {"peers": False}),
    ("gzip, junk behind it", says(coded(gzip.compress(b"ok") + b"ok"), how="bytes after its end"),
        UNHEALTHY, "protocol", f"{GZIP}; {OK}", {"peers": False}),
    ("no gzip, though it says so", says(coded(b"ok"), how="Content-Encoding: gzip, plain body"),
        UNHEALTHY, "protocol", f"{GZIP}; {OK}", {"detail": "not gzip", "peers": False}),
    ("plain where gzip is asked for", says(page(b"ok"), how="no Content-Encoding"), HEALTHY, "ok",
        f"{GZIP}; {OK}", {"peers": False}),
    ("gzip, no content expected", says(coded(b"ok"), how="broken gzip that nobody looks at"),
        HEALTHY, "ok", GZIP, {"peers": False}),
    ("gzip", says(b.zipped(b"ok"), how="gzip, not asked for"), HEALTHY, "ok"),
    ("gzip, content expected", says(b.zipped(b"ok"), how="gzip, not asked for"), UNHEALTHY,
        "mismatch", OK, {"detail": "gzip"}),
    ("chunked", says(head("200 OK", CHUNKED), chunk(b"o"), chunk(b"k"), chunk(b""),
        how="in two chunks"), HEALTHY, "ok", "expect_body = ^ok$"),
    ("chunked, slow", says(head("200 OK", CHUNKED), chunk(b"o"), 0.3, chunk(b"k"), chunk(b""),
        how="0.3 s between chunks"), HEALTHY, "ok", "expect_body = ^ok$"),
    ("chunked, cut", says(head("200 OK", CHUNKED), chunk(b"o"), how="FIN before the last chunk"),
        UNHEALTHY, "closed", "expect_body = ^ok$"),
    ("chunked, broken", says(head("200 OK", CHUNKED), b"zz\r\nok\r\n", how="a size that is none"),
        UNHEALTHY, "protocol", OK),
    ("chunked, too large", says(head("200 OK", CHUNKED), b"f" * 17 + b"\r\nok\r\n",
        how="a size over 64 bits"), UNHEALTHY, "protocol", OK),
    ("chunked, too long", says(head("200 OK", CHUNKED), b"2\r\nok!", then="silent",
        how="a chunk longer than its size"), UNHEALTHY, "protocol", OK, {"peers": False}),
    ("another coding", says(head("200 OK", "Transfer-Encoding: gzip, chunked"), chunk(b""),
        how="a transfer coding not asked for"), UNHEALTHY, "protocol", "", {"peers": False}),
    ("CR within a header", says(head("200 OK", "X: a\rContent-Length: 2"), b"ok",
        how="a header that one may read as two"), UNHEALTHY, "protocol", "", {"peers": False}),
    ("answers before it reads", serves(at, b.early(page(b"no", status="413 Too Large")),
        "413, then a reset, to a long body"), UNHEALTHY, "mismatch",
        f"method = POST; body = {'x' * 60000}", {"peers": False, "detail": "HTTP 413"}),
    ("length is no number", says(head("200 OK", "Content-Length: two"), b"ok",
        how="Content-Length: two"), UNHEALTHY, "protocol", OK),
    ("two lengths", says(head("200 OK", "Content-Length: 2", "Content-Length: 20"), b"ok",
        how="two that differ"), UNHEALTHY, "protocol", OK),
)

ROWS = rows("http", *CONNECTION, *EXCHANGE, *REPLY, *CONTENT)
