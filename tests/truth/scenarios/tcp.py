"""tcp: a connection, and where asked an answer."""

import socket
import ssl

from lib import hostile
from scenarios.common import (
    AB, CUT, LOSE_FIRST, Situation, becomes, black_hole, comes_up_later, filtered, full_backlog,
    goes_away, host_gone, inside, is_ours, nobody, routed, serves, told,
)
from table import HEALTHY, UNHEALTHY, rows


def at(where):
    return f"address = {where}"


BANNER = b"220 mail.test ESMTP ready\r\n"


def half_closed(data):
    """Sends it and ends its own direction; goes on listening."""

    def behave(sock):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        hostile.silent(sock)

    return behave


def late(seconds, behave):
    def act(sock):
        sock.settimeout(seconds)
        try:
            first = sock.recv(1)
        except TimeoutError:
            first = b"x"
        sock.settimeout(None)
        if first:
            behave(sock)

    return act


def reset_after(data):
    def behave(sock):
        sock.sendall(data)
        hostile.reset_at_once(sock)

    return behave


def pong(sock):
    while line := sock.recv(100):
        sock.sendall(b"+PONG\r\n" if line == b"PING\r\n" else b"-ERR unknown command\r\n")


def unix(behave, how):
    def make(stage):
        path = stage.program.path("target.sock")
        if behave:
            stage.serve(behave, path=path)
        return Situation(f"address = unix://{path}")

    return told(how, make)


def unix_left_behind(stage):
    """a socket file whose server is gone"""
    path = stage.program.path("target.sock")
    stage.serve(hostile.silent, path=path).down()
    return Situation(f"address = unix://{path}")


def unix_is_a_file(stage):
    """the path is a plain file"""
    return Situation(f"address = unix://{stage.program.write('target.sock', '')}")


def own_port(stage):
    """nothing listens, and the kernel gives the client the target's own port: it meets itself"""
    network = stage.network("echo '40000 40001' >/proc/sys/net/ipv4/ip_local_port_range")
    return Situation(at("127.0.0.1:40000"), prefix=network.prefix)


def localhost(ipv6):
    def make(stage):
        return Situation(at(f"localhost:{stage.serve(hostile.silent, ipv6=ipv6).port}"))

    return told(f"localhost, of which only {'::1' if ipv6 else '127.0.0.1'} listens", make)


def wants_login(password, how):
    """AUTH with a password that a file holds; an answer that names it where it is the wrong one."""

    def behave(sock):
        line = sock.recv(100)
        sock.sendall(b"+OK\r\n" if line == b"AUTH u:%s\r\n" % password else b"-ERR wrong " + line[7:])

    def make(stage):
        secret = stage.program.write("secret", rb"p\n\w".decode())
        send = rf"send = AUTH u:${{file:{secret}}}\r\n"
        return Situation(f"{at(f'127.0.0.1:{stage.serve(behave).port}')}\n{send}")

    return told(how, make)


def talks(*steps, pair=None, then=hostile.silent):
    """Sends and reads in turn: bytes are sent, a text is the line that must come, "tls" is TLS."""

    def behave(sock):
        for step in steps:
            if step == "tls":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*map(str, pair))
                sock = context.wrap_socket(sock, server_side=True)
            elif isinstance(step, bytes):
                sock.sendall(step)
            elif read_line(sock) != step.encode():
                break
        else:
            then(sock)

    return behave


def read_line(sock):
    line = b""
    while not line.endswith(b"\n") and (more := sock.recv(1)):
        line += more
    return line.rstrip()


def smtp(how, *steps, cert=("server",), then=hostile.silent):
    """A mail server with a certificate of ours."""

    def make(stage):
        behave = talks(*steps, pair=stage.certs.pair(*cert), then=then)
        keys = at(f"127.0.0.1:{stage.serve(behave).port}")
        return Situation(f"{keys}\ntls_ca = {stage.certs.ca}")

    return told(how, make)


BEGINS = (b"220 mail.test ESMTP\r\n", "EHLO probe.test",
          b"250-mail.test\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 HELP\r\n", "STARTTLS")
STARTTLS = r"""dialogue =
 expect ^220
 send EHLO probe.test\r\n
 expect (?m)^250 .*
 send STARTTLS\r\n
 expect ^220
 tls
 send EHLO probe.test\r\n
 expect ^250"""

SHORT = "timeout = 400ms"
SAYS_220 = "expect = ^220 "
LOADING = "reject = ^-LOADING"
PING = r"send = PING\r\n; expect = ^\+PONG"

# fmt: off
ROWS = rows(
    "tcp",
    # ---- a connection is all that is asked for
    ("up", serves(at, hostile.silent, "listens"), HEALTHY, "ok"),
    ("up, IPv6", serves(at, hostile.silent, "listens on ::1", ipv6=True), HEALTHY, "ok"),
    ("localhost is IPv4", localhost(False), HEALTHY, "ok"),
    ("localhost is IPv6", localhost(True), HEALTHY, "ok", "", {"peers": False}),
    ("refused", nobody(at), UNHEALTHY, "refused", "", {"detail": "127.0.0.1:[0-9]+"}),
    ("meets itself", own_port, UNHEALTHY, "refused"),
    ("black-holed", black_hole(at), UNHEALTHY, "timeout", SHORT, {"detail": "10.99.0.2:80"}),
    ("backlog full", full_backlog(at), UNHEALTHY, "timeout", SHORT),
    ("first packet lost", inside(at, hostile.silent, "the first SYN is dropped", LOSE_FIRST),
        HEALTHY, "ok"),
    ("rejected: host unreachable", filtered(at, "reject with icmpx type host-unreachable",
        "a router answers host unreachable"), UNHEALTHY, "unreachable"),
    ("rejected: prohibited", filtered(at, "reject with icmpx type admin-prohibited",
        "a firewall answers prohibited"), UNHEALTHY, "unreachable"),
    ("rejected: port unreachable", filtered(at, "reject with icmpx type port-unreachable",
        "a firewall answers port unreachable"), UNHEALTHY, "refused"),
    ("rejected: reset", filtered(at, "meta l4proto tcp reject with tcp reset",
        "a firewall answers RST"), UNHEALTHY, "refused"),
    ("host gone", host_gone(at), UNHEALTHY, "unreachable"),
    ("no route", routed(at, "", "no route to its network"), UNHEALTHY, "unreachable"),
    ("unreachable route", routed(at, "unreachable", "a route of kind unreachable"),
        UNHEALTHY, "unreachable"),
    ("blackhole route", routed(at, "blackhole", "a route of kind blackhole"),
        UNHEALTHY, "unreachable", "", {"detail": "blackhole route"}),
    ("prohibit route", routed(at, "prohibit", "a route of kind prohibit"),
        UNHEALTHY, "unreachable"),
    ("accepts, then closes", serves(at, hostile.close_at_once, "a proxy without a backend"),
        HEALTHY, "ok"),
    ("comes up later", comes_up_later(at, hostile.silent), UNHEALTHY, "refused", "",
        {"then": (HEALTHY, "ok")}),
    ("goes away", goes_away(at, hostile.silent), HEALTHY, "ok", "",
        {"then": (UNHEALTHY, "refused")}),
    ("Unix socket", unix(hostile.silent, "a Unix socket listens"), HEALTHY, "ok"),
    ("Unix socket missing", unix(None, "no such file"), UNHEALTHY, "refused"),
    ("Unix socket left behind", unix_left_behind, UNHEALTHY, "refused"),
    ("Unix socket is a file", unix_is_a_file, UNHEALTHY, "refused"),

    # ---- an answer is expected
    ("banner", serves(at, hostile.banner(BANNER), "greets"), HEALTHY, "ok", SAYS_220),
    ("ping, pong", serves(at, pong, "answers what is sent"), HEALTHY, "ok", PING),
    ("wrong answer", serves(at, hostile.reply_and_close(b"-LOADING Redis is loading\r\n"),
        "answers an error and closes"), UNHEALTHY, "mismatch", PING, {"detail": "LOADING"}),
    ("wrong answer, stays open", serves(at, hostile.reply(b"-LOADING Redis is loading\r\n"),
        "answers an error and waits"), UNHEALTHY, "timeout", f"{PING}; {SHORT}",
        {"detail": "LOADING"}),
    ("rejected answer, stays open", serves(at, hostile.reply(b"-LOADING Redis is loading\r\n"),
        "answers an error and waits"), UNHEALTHY, "mismatch", rf"{PING}; {LOADING}",
        {"detail": "reject /.*LOADING", "peers": False}),
    ("rejected answer, dripped", serves(at, hostile.drip(b"-LOADING Redis is loading\r\n"),
        "an error byte by byte"), UNHEALTHY, "mismatch", rf"{PING}; {LOADING}", {"peers": False}),
    ("nothing to reject", serves(at, pong, "answers what is sent"), HEALTHY, "ok",
        f"{PING}; {LOADING}", {"peers": False}),
    ("both expected and rejected", serves(at, hostile.reply(b"+PONG -LOADING\r\n"),
        "an answer with both"), UNHEALTHY, "mismatch",
        rf"send = PING\r\n; expect = PONG; reject = LOADING", {"peers": False}),
    ("rejected cannot be told", serves(at, hostile.banner(AB.encode()),
        "the pattern takes too long over its answer"), UNHEALTHY, "internal",
        "expect = ^a; reject = a(a|b){240}Z", {"by": is_ours}),
    ("secret within what is sent", wants_login(rb"p\n\w", "takes the password of a file"),
        HEALTHY, "ok", rf"expect = ^\+OK; reject = ^-", {"peers": False}),
    ("wrong secret within it", wants_login(b"another", "refuses the password of a file"),
        UNHEALTHY, "mismatch", rf"expect = ^\+OK; reject = ^-",
        {"peers": False, "detail": r'"-ERR wrong \*\*\*'}),
    # ---- a dialogue
    ("STARTTLS", smtp("a mail server", *BEGINS, b"220 go ahead\r\n", "tls", "EHLO probe.test",
        b"250 mail.test\r\n"), HEALTHY, "ok", STARTTLS, {"peers": False, "detail": "all 8 steps"}),
    ("STARTTLS, dripped", smtp("each line byte by byte", *sum((tuple(bytes([c]) for c in part)
        if isinstance(part, bytes) else (part,) for part in BEGINS), start=()), b"220 go\r\n",
        "tls", "EHLO probe.test", b"250 mail.test\r\n"), HEALTHY, "ok", STARTTLS,
        {"peers": False}),
    ("STARTTLS is refused", smtp("answers 454 to STARTTLS", *BEGINS, b"454 no TLS today\r\n"),
        UNHEALTHY, "mismatch", f"{STARTTLS}\nreject = ^[45]", {"peers": False,
        "detail": "step 5: .*454 no TLS today"}),
    ("STARTTLS, another name", smtp("a certificate of another name", *BEGINS, b"220 go\r\n", "tls",
        "EHLO probe.test", b"250 mail.test\r\n", cert=("other", "DNS:other.test")),
        UNHEALTHY, "tls", STARTTLS, {"peers": False}),
    ("STARTTLS, then no TLS", smtp("goes on in plain text", *BEGINS, b"220 go\r\n",
        then=lambda sock: sock.sendall(b"250 mail.test\r\n" * 9)), UNHEALTHY,
        "tls|protocol|reset", STARTTLS, {"peers": False}),
    ("STARTTLS, bytes slipped in", smtp("an answer to nobody before TLS", *BEGINS,
        b"220 go\r\n250 mail.test\r\n", "tls"), UNHEALTHY, "protocol", STARTTLS,
        {"peers": False, "detail": "step 6: bytes came before TLS"}),
    ("STARTTLS, silence", smtp("says nothing in TLS", *BEGINS, b"220 go\r\n", "tls"), UNHEALTHY,
        "timeout", f"{STARTTLS}\n{SHORT}", {"peers": False, "detail": "step 8: .*says nothing"}),
    ("dialogue, closed midway", smtp("closes after EHLO", *BEGINS[:2], then=lambda sock: None),
        UNHEALTHY, "closed", STARTTLS, {"peers": False, "detail": "step 3: "}),
    ("dialogue, wrong answer", smtp("answers 500 to EHLO", *BEGINS[:2], b"500 what?\r\n",
        then=lambda sock: None), UNHEALTHY, "mismatch", STARTTLS,
        {"peers": False, "detail": "step 3: .*500 what"}),
    ("dialogue, two answers at once", serves(at, talks(b"one\r\ntwo\r\nthree\r\n"),
        "says all at once"), HEALTHY, "ok", "dialogue =\n expect ^one\n expect ^two\n expect ^three",
        {"peers": False}),
    ("dialogue, in another order", serves(at, talks(b"one\r\nthree\r\ntwo\r\n"),
        "says them in another order"), UNHEALTHY, "timeout",
        f"dialogue =\n expect ^one\n expect ^two\n{SHORT}", {"peers": False}),
    ("dialogue, ends by what is sent", serves(at, talks(b"hello\r\n", "bye"), "reads the last word"),
        HEALTHY, "ok", "dialogue =\n expect hello\n send bye\\n", {"peers": False}),
    ("dialogue, endless", serves(at, hostile.endless(b"one\r\n", b"noise\r\n"), "no end of lines"),
        UNHEALTHY, "mismatch", "dialogue =\n send x\n expect ^one\n expect ^two", {"peers": False}),
    ("accepts and says nothing", serves(at, hostile.silent, "never says a word"),
        UNHEALTHY, "timeout", f"{SAYS_220}; {SHORT}", {"detail": "says nothing"}),
    ("connected, then black-holed", inside(at, hostile.banner(BANNER),
        "accepts, then every packet is dropped", then=CUT),
        UNHEALTHY, "timeout", f"{SAYS_220}; {SHORT}"),
    ("closed without a word", serves(at, hostile.close_at_once, "accepts and closes"),
        UNHEALTHY, "closed", SAYS_220),
    ("reset without a word", serves(at, hostile.reset_at_once, "accepts and resets"),
        UNHEALTHY, "reset", SAYS_220),
    ("reset after the request", serves(at, hostile.reply_and_reset(b""), "resets when it is asked"),
        UNHEALTHY, "reset", PING),
    ("reset midway", serves(at, reset_after(b"22"), "resets within its answer"),
        UNHEALTHY, "reset", SAYS_220),
    ("closed midway", serves(at, hostile.banner(b"22"), "half an answer, then silence"),
        UNHEALTHY, "timeout", f"{SAYS_220}; {SHORT}", {"detail": '"22"'}),
    ("garbage", serves(at, hostile.banner(bytes(range(256)) * 8), "2 KiB of noise, then closes"),
        UNHEALTHY, "timeout", f"{SAYS_220}; {SHORT}"),
    ("endless garbage", serves(at, hostile.endless(b"", b"\0\xff nonsense"), "noise without end"),
        UNHEALTHY, "mismatch", rf"send = x; {SAYS_220}"),
    ("pattern cannot be told", serves(at, hostile.banner(AB.encode()),
        "the pattern takes too long over its answer"), UNHEALTHY, "internal",
        "expect = a(a|b){240}Z", {"by": is_ours}),
    ("dripped", serves(at, hostile.drip(BANNER), "its answer byte by byte"), HEALTHY, "ok",
        rf"send = x; {SAYS_220}"),
    ("dripped without end", serves(at, hostile.drip(b"no" * 2000), "another answer byte by byte"),
        UNHEALTHY, "timeout", rf"send = x; {SAYS_220}; {SHORT}"),
    ("half-closed after its answer", serves(at, half_closed(BANNER), "answers and sends FIN"),
        HEALTHY, "ok", SAYS_220),
    ("half-closed without one", serves(at, half_closed(b""), "sends FIN and stays"),
        UNHEALTHY, "closed", SAYS_220),
    ("slow but in time", serves(at, late(0.3, hostile.banner(BANNER)), "answers after 0.3 s"),
        HEALTHY, "ok", SAYS_220),
    ("just over time", serves(at, late(0.8, hostile.banner(BANNER)), "answers after 0.8 s"),
        UNHEALTHY, "timeout", f"{SAYS_220}; {SHORT}"),
    ("hangs, then answers", becomes(at, hostile.silent, hostile.banner(BANNER),
        "says nothing, then greets"), UNHEALTHY, "timeout", f"{SAYS_220}; timeout = 500ms",
        {"then": (HEALTHY, "ok")}),
    ("answers, then hangs", becomes(at, hostile.banner(BANNER), hostile.silent,
        "greets, then says nothing"), HEALTHY, "ok", f"{SAYS_220}; timeout = 500ms",
        {"then": (UNHEALTHY, "timeout")}),
)
