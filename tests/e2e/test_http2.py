"""HTTP/2 frame by frame: what a server says of the end of a request is said in its own words, and a
server is spoken to in HTTP/2 only where it is asked for or where it takes nothing else."""

import ssl
import struct

import pytest

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
STATUS_200 = b"\x88"  # of HPACK's static table
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
        ">I", stream) + payload


def frames(sock):
    """What the client sends after its preface: (kind, flags, stream, payload)."""
    got = b""
    while len(got) < len(PREFACE):
        data = sock.recv(4096)
        if not data:
            return
        got += data
    assert got.startswith(PREFACE)
    got = got[len(PREFACE):]
    while True:
        while len(got) >= 9 and len(got) >= 9 + int.from_bytes(got[:3], "big"):
            size = int.from_bytes(got[:3], "big")
            yield got[3], got[4], struct.unpack(">I", got[5:9])[0], got[9:9 + size]
            got = got[9 + size:]
        data = sock.recv(65536)
        if not data:
            return
        got += data


def speaks_2(*answer):
    """Answers the first request with these frames."""

    def behave(sock):
        sock.sendall(frame(SETTINGS, 0, 0))
        for kind, flags, _, _ in frames(sock):
            if kind == SETTINGS and not flags & 1:
                sock.sendall(frame(SETTINGS, 1, 0))
            if kind == HEADERS:
                sock.sendall(b"".join(answer))

    return behave


def by_tls(certs, alpn, chosen):
    """`chosen`: the behaviour by the protocol that came out of it; one that is not in `alpn` is
    answered with the alert no_application_protocol, as most servers do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certs.pair())
    context.set_alpn_protocols(alpn)

    def behave(sock):
        with context.wrap_socket(sock, server_side=True) as tls:
            chosen[tls.selected_alpn_protocol()](tls)

    return behave


def speaks_1(sock):
    sock.recv(65536)
    sock.sendall(PAGE)


def check(probe, lines):
    config = probe.write("probe.ini", f"[probe x]\ntimeout = 5s\n{lines}\n")
    r = probe.run("check", "--json", "-c", config, "x")
    return r, r.json["probes"][0]["last"]


OK_2 = speaks_2(frame(HEADERS, 4, 1, STATUS_200), frame(DATA, 1, 1, b"two"))
CODE = struct.Struct(">I").pack


@pytest.mark.parametrize("answer, reason, words", [
    (frame(RST_STREAM, 0, 1, CODE(13)), "mismatch", "set http_version to 1.1"),
    (frame(RST_STREAM, 0, 1, CODE(7)), "protocol", "REFUSED_STREAM"),
    (frame(RST_STREAM, 0, 1, CODE(2)), "protocol", "INTERNAL_ERROR"),
    (frame(GOAWAY, 0, 0, CODE(0) + CODE(0) + b"going down"), "protocol", "NO_ERROR): going down"),
    (frame(GOAWAY, 0, 0, CODE(0) + CODE(11) + b"too_many_pings"), "protocol",
     "ENHANCE_YOUR_CALM): too_many_pings"),
    (frame(GOAWAY, 0, 0, CODE(0) + CODE(13)), "mismatch", "set http_version to 1.1"),
    (PAGE, "protocol", "from"),
])
@pytest.mark.parametrize("tls", [False, True])
def test_how_the_server_ended_it(probe, serve, certs, tls, answer, reason, words):
    behave = speaks_2(answer)
    server = serve(by_tls(certs, ["h2"], {"h2": behave}) if tls else behave)
    r, last = check(probe, f"url = http{'s' * tls}://127.0.0.1:{server.port}/\nhttp_version = 2\n"
                           f"{f'tls_ca = {certs.ca}' if tls else ''}")
    assert r.code == 1 and last["reason"] == reason and words in last["detail"], str(r)


def test_a_reply(probe, serve):
    server = serve(OK_2)
    r, last = check(probe, f"url = http://127.0.0.1:{server.port}/\nhttp_version = 2\n"
                           "expect_body = ^two$\nexpect_header = ^X-None\\|")
    assert r.code == 1 and last["reason"] == "mismatch", str(r)
    r, _ = check(probe, f"url = http://127.0.0.1:{server.port}/\nhttp_version = 2\n"
                        "expect_body = ^two$")
    assert r.code == 0, str(r)


def test_a_goaway_that_lets_it_finish(probe, serve):
    goaway = frame(GOAWAY, 0, 0, CODE(1) + CODE(0) + b"bye" * 40)
    trailer = frame(HEADERS, 5, 1, b"\0\x01x\x01y")
    server = serve(speaks_2(goaway, frame(HEADERS, 4, 1, STATUS_200),
                                     frame(DATA, 0, 1, b"two"), trailer))
    r, _ = check(probe, f"url = http://127.0.0.1:{server.port}/\nhttp_version = 2\n"
                        "expect_body = ^two$\nexpect_header = ^x: y$")
    assert r.code == 0, str(r)


# What makes no sense in HTTP/2, behind the beginning of a right reply.
@pytest.mark.parametrize("broken, words", [
    (frame(DATA, 1, 1, b"x" * 16385), "FRAME_SIZE_ERROR"),
    (frame(DATA, 0, 0, b"x"), "PROTOCOL_ERROR"),
    (frame(SETTINGS, 0, 0, b"12345"), "FRAME_SIZE_ERROR"),
    (frame(WINDOW_UPDATE, 0, 0, CODE(0x7FFFFFFF)) * 2, "FLOW_CONTROL_ERROR"),
    (frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\x0f"), "COMPRESSION_ERROR"),
    (frame(GOAWAY, 0, 0, b"123"), "FRAME_SIZE_ERROR"),
])
def test_broken_frames_behind_the_head(probe, serve, broken, words):
    begun = frame(HEADERS, 4, 1, STATUS_200) + frame(DATA, 0, 1, b"two")
    server = serve(speaks_2(begun, broken + frame(DATA, 0, 1, b"two") * 9000))
    r, last = check(probe, f"url = http://127.0.0.1:{server.port}/\nhttp_version = 2\n"
                           "expect_body = two")
    assert r.code == 1 and last["reason"] == "protocol", str(r)
    # libcurl 8.14 ends before it says FLOW_CONTROL_ERROR to the server.
    assert words in last["detail"] or (words == "FLOW_CONTROL_ERROR" and "not as HTTP/2 has it" in last["detail"]), str(r)


@pytest.mark.parametrize("alpn, version, body", [
    (["h2", "http/1.1"], "any", "ok"),
    (["h2", "http/1.1"], "1.1", "ok"),
    (["h2", "http/1.1"], "2", "two"),
    (["h2"], "2", "two"),
])
def test_which_version_is_spoken(probe, serve, certs, alpn, version, body):
    server = serve(by_tls(certs, alpn, {"h2": OK_2, "http/1.1": speaks_1}))
    r, _ = check(probe, f"url = https://127.0.0.1:{server.port}/\nhttp_version = {version}\n"
                        f"tls_ca = {certs.ca}\nexpect_body = ^{body}$")
    assert r.code == 0, str(r)
