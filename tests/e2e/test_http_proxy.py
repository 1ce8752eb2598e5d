"""The key proxy: plain targets by their whole address, https by CONNECT, and what a proxy may say."""

import socket
import ssl
import threading

import pytest
from lib.net import free_port

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Proxy:
    """Notes the heads that it gets; CONNECT leads to where it names, or is answered with `refuses`."""

    def __init__(self, refuses=None):
        self.heads, self.refuses = [], refuses

    def __call__(self, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        self.heads.append(head.decode())
        method, target, _ = self.heads[-1].split(" ", 2)
        if self.refuses:
            sock.sendall(self.refuses)
        elif method == "CONNECT":
            host, port = target.rsplit(":", 1)
            with socket.create_connection((host.replace("shop.test", "127.0.0.1"), int(port))) as far:
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=self.copy, args=(far, sock), daemon=True).start()
                self.copy(sock, far)
        else:
            sock.sendall(PAGE)

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def by_tls(certs, seen):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certs.pair("shop", "DNS:shop.test"))

    def behave(sock):
        with context.wrap_socket(sock, server_side=True) as tls:
            seen.append(tls.recv(65536).decode())
            tls.sendall(PAGE)

    return behave


def check(probe, lines):
    config = probe.write("probe.ini", f"[probe x]\ntimeout = 5s\n{lines}\n")
    r = probe.run("check", "--json", "-c", config, "x")
    return r, r.json["probes"][0]["last"]


def test_a_plain_target(probe, serve):
    proxy = Proxy()
    port = serve(proxy).port
    r, last = check(probe, f"url = http://shop.test:81/x?y=1\nproxy = http://ada:pw@127.0.0.1:{port}")
    assert r.code == 0, str(r)
    assert proxy.heads[0].startswith("GET http://shop.test:81/x?y=1 HTTP/1.1\r\nHost: shop.test:81\r\n")
    assert "Proxy-Authorization: Basic YWRhOnB3\r\n" in proxy.heads[0]


def test_an_https_target(probe, serve, certs):
    proxy, seen = Proxy(), []
    port, target = serve(proxy).port, serve(by_tls(certs, seen)).port
    lines = (f"url = https://shop.test:{target}/x\nproxy = http://ada:pw@127.0.0.1:{port}\n"
             f"tls_ca = {certs.ca}\nuser = bob\npassword = secret")
    r, last = check(probe, lines)
    assert r.code == 0, str(r)
    assert proxy.heads[0].startswith(f"CONNECT shop.test:{target} HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic YWRhOnB3\r\n" in proxy.heads[0]
    assert "Authorization: Basic Ym9i" not in proxy.heads[0]
    assert seen[0].startswith("GET /x HTTP/1.1\r\n") and "Proxy-Authorization" not in seen[0]
    r, last = check(probe, f"{lines}\ntls_server_name = other.test")
    assert r.code == 1 and last["reason"] == "tls", str(r)


@pytest.mark.parametrize("answer, reason", [
    (b"HTTP/1.1 407 Who are you\r\nContent-Length: 3\r\n\r\nno\n", "auth"),
    (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "unreachable"),
    (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "unreachable"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol"),
    (b"HTTP/1.1 200 OK\r\nX-Half", "closed"),
])
def test_a_proxy_that_refuses(probe, serve, answer, reason):
    port = serve(Proxy(answer)).port
    r, last = check(probe, f"url = https://shop.test/\nproxy = http://127.0.0.1:{port}")
    assert r.code == 1 and last["reason"] == reason, str(r)
    assert f"127.0.0.1:{port}" in last["detail"], str(r)


def test_a_proxy_that_is_not_there(probe):
    """The target may be there: it is not gone."""
    config = probe.write(
        "probe.ini", f"[probe x]\nurl = http://shop.test/\nproxy = http://127.0.0.1:{free_port()}\n")
    r = probe.run("check", "--invert", "-c", config, "x")
    assert r.code == 1 and "refused" in r.out, str(r)


@pytest.mark.parametrize("lines", [
    "url = https://a/\nproxy = https://b:1", "url = https://a/\nproxy = http://b:1/path",
    "url = http://a/\nproxy = b:1", "url = http+unix:///s:/\nproxy = http://b:1",
    "url = http://a/\nproxy = http://b:1\nconnect_to = c:1",
])
def test_refused_settings(probe, lines):
    config = probe.write("probe.ini", f"[probe x]\n{lines}\n")
    assert probe.run("validate", "-c", config).code == 78
