"""Names and addresses, with a scripted DNS server: every row once for tcp and once for http."""

import behave as b
import names
from lib import hostile
from names import by_tcp, code, late, lost, only
from scenarios.common import Situation, named, no_dns_server, told
from table import HEALTHY, UNHEALTHY, rows

V4, V6 = "127.0.0.1", "::1"
BOTH = [V4, V6]
UP = names.addresses(V4)
SHORT = "timeout = 400ms"


def holes(at, answer, how, behave):
    """Hosts that drop every packet (10.99.0.2 to .9), one that is there (10.99.0.1)."""

    def make(stage):
        near, _ = stage.networks(["drop"])
        server = near.call(lambda: stage.serve(behave, host="10.99.0.1"))
        zone = near.call(lambda: stage.keep(names.Names({"name.test": answer})))
        return Situation(at(f"name.test:{server.port}"), env=zone.env, prefix=near.prefix)

    return told(how, make)


def moves(at, behave):
    """The name's address changes from a host that is there no more to another."""

    def make(stage):
        port = stage.port()
        old = stage.serve(behave, port=port, host="127.0.0.2")
        stage.serve(behave, port=port, host="127.0.0.3")
        zone = stage.keep(names.Names({"name.test": ["127.0.0.2"]}))
        old.down()

        def change():
            zone["name.test"] = ["127.0.0.3"]

        return Situation(at(f"name.test:{port}"), env=zone.env, change=change)

    return told("the name's address changes to where the server is now", make)


def moves_away(at, behave):
    def make(stage):
        port = stage.port()
        stage.serve(behave, port=port, host="127.0.0.2")
        zone = stage.keep(names.Names({"name.test": ["127.0.0.2"]}))

        def change():
            zone["name.test"] = ["127.0.0.3"]

        return Situation(at(f"name.test:{port}"), env=zone.env, change=change)

    return told("the name's address changes to where nobody is", make)


def two_servers(at, first, how, behave):
    """Two DNS servers; the second one knows the name."""

    def make(stage):
        port = stage.serve(behave).port
        servers = [stage.keep(names.Names({"name.test": what})) for what in (first, UP)]
        both = ",".join(s.env["PROBE_DNS_SERVERS"] for s in servers)
        return Situation(at(f"name.test:{port}"), env={"PROBE_DNS_SERVERS": both})

    return told(how, make)


def same_rows(prefix, at, behave):
    def by(answer, how, **kw):
        return named(at, answer, how, behave=behave, **kw)

    # fmt: off
    lines = (
        ("name", by([V4], "has an address"), HEALTHY, "ok"),
        ("alias", by(names.alias("real.test", V4), "is a CNAME"), HEALTHY, "ok"),
        ("missing", by(None, "no such name (NXDOMAIN)"), UNHEALTHY, "dns", "",
            {"detail": "name.test: no such name"}),
        ("no address", by([], "the name has no address"), UNHEALTHY, "dns", "",
            {"detail": "no address"}),
        ("appears later", by(None, "no such name, then there is", then=[V4]), UNHEALTHY, "dns", "",
            {"then": (HEALTHY, "ok")}),
        ("disappears", by([V4], "is there, then NXDOMAIN", then=code("NXDOMAIN")), HEALTHY, "ok",
            "", {"then": (UNHEALTHY, "dns")}),
        ("moves", moves(at, behave), UNHEALTHY, "refused", "", {"then": (HEALTHY, "ok")}),
        ("moves away", moves_away(at, behave), HEALTHY, "ok", "",
            {"then": (UNHEALTHY, "refused"), "then_detail": "127.0.0.3"}),
        ("SERVFAIL", by(code("SERVFAIL"), "the DNS server fails"), UNHEALTHY, "dns", "",
            {"detail": "SERVFAIL.*127.0.0.1:"}),
        ("a referral", by(names.referral, "the DNS server only names another one"), UNHEALTHY, "dns", "",
            {"detail": "only refers to others"}),
        ("REFUSED", by(code("REFUSED"), "the DNS server refuses"), UNHEALTHY, "dns", "",
            {"detail": "REFUSED"}),
        ("NOTIMP", by(code("NOTIMP"), "the DNS server cannot"), UNHEALTHY, "dns"),
        ("SERVFAIL, then answers", by(code("SERVFAIL"), "the DNS server recovers", then=[V4]),
            UNHEALTHY, "dns", "", {"then": (HEALTHY, "ok")}),
        ("DNS server silent", by(names.silent, "the DNS server says nothing"), UNHEALTHY,
            "timeout", SHORT, {"detail": "name.test: no answer from DNS server 127.0.0.1:"}),
        ("DNS server not there", no_dns_server(at), UNHEALTHY, "dns"),
        ("first question lost", by(lost(1, UP), "the first question is lost"), HEALTHY, "ok"),
        ("slow but in time", by(late(0.3, UP), "answers after 0.3 s"), HEALTHY, "ok"),
        ("just over time", by(late(0.8, UP), "answers after 0.8 s"), UNHEALTHY, "timeout", SHORT),
        ("garbage", by(names.garbage, "the DNS server answers noise"), UNHEALTHY, "timeout",
            SHORT),
        ("empty packet", by(names.empty, "an empty packet"), UNHEALTHY, "timeout", SHORT),
        ("head only", by(names.head_only, "a head without its body"), UNHEALTHY, "timeout",
            SHORT),
        ("cut answer", by(names.cut, "a reply that ends too early"), UNHEALTHY, "timeout",
            SHORT),
        ("another id", by(names.other_id, "a forged reply, by its id"), UNHEALTHY, "timeout", SHORT),
        ("another question", by(names.other_question, "the answer to another question"), UNHEALTHY,
            "timeout", SHORT),
        ("by TCP", by(by_tcp(UP), "truncated, whole only over TCP"), HEALTHY, "ok"),
        ("by TCP, silent", by(by_tcp(names.silent), "truncated, silent over TCP"), UNHEALTHY,
            "timeout", SHORT),
        ("100 addresses", by(names.addresses(*[V4] * 100), "100 times the same address"),
            HEALTHY, "ok"),
        ("two DNS servers, one fails", two_servers(at, code("SERVFAIL"), "the first says SERVFAIL",
            behave), HEALTHY, "ok"),
        ("two DNS servers, one silent", two_servers(at, names.silent, "the first says nothing",
            behave), HEALTHY, "ok"),
        ("nowhere", by(["0.0.0.0"], "the address is 0.0.0.0"), UNHEALTHY, "dns"),
        ("nowhere, IPv6", by(["::"], "the address is ::"), UNHEALTHY, "dns"),

        ("A and AAAA, IPv4 alive", by(BOTH, "nothing listens on ::1", alive=V4), HEALTHY, "ok"),
        ("A and AAAA, IPv6 alive", by(BOTH, "nothing listens on 127.0.0.1", alive=V6),
            HEALTHY, "ok"),
        ("A and AAAA, none alive", by(BOTH, "nothing listens", alive=None), UNHEALTHY, "refused",
            "", {"detail": r"\[::1\].*127.0.0.1|127.0.0.1.*\[::1\]"}),
        ("AAAA alone", by([V6], "has only an AAAA", alive=V6), HEALTHY, "ok"),
        ("AAAA not answered", by(only("A", UP, names.silent), "AAAA is not answered"),
            HEALTHY, "ok"),
        ("A not answered", by(only("A", names.silent, names.addresses(V6)), "A is not answered",
            alive=V6), HEALTHY, "ok"),
        ("AAAA SERVFAIL", by(only("A", UP, code("SERVFAIL")), "SERVFAIL for AAAA"), HEALTHY, "ok"),
        ("AAAA missing", by(only("A", UP, code("NXDOMAIN")), "NXDOMAIN for AAAA"), HEALTHY, "ok"),
        ("A SERVFAIL, AAAA none", by(only("A", code("SERVFAIL"), names.addresses()),
            "SERVFAIL for A, no AAAA"), UNHEALTHY, "dns", "", {"detail": "SERVFAIL"}),
        ("family = 6, has only an A", by([V4], "has only an A"), UNHEALTHY, "dns", "family = 6"),
        ("family = 4, IPv6 alive", by(BOTH, "nothing listens on 127.0.0.1", alive=V6), UNHEALTHY,
            "refused", "family = 4"),
        ("one of two is a hole", holes(at, ["10.99.0.2", "10.99.0.1"],
            "two addresses, the first drops every packet", behave), HEALTHY, "ok"),
        ("seven of eight are holes", holes(at, [f"10.99.0.{i}" for i in (2, 3, 4, 5, 6, 7, 8, 1)],
            "eight addresses, the last one is alive", behave), HEALTHY, "ok"),
        ("all are holes", holes(at, ["10.99.0.2", "10.99.0.3"], "two addresses, both drop packets",
            behave), UNHEALTHY, "timeout", SHORT, {"detail": "10.99.0.[23]"}),
    )
    return [(f"{prefix}: {name}", *rest) for name, *rest in lines]


def tcp(where):
    return f"address = {where}"


def http(where):
    return f"url = http://{where}/"


def overtaken(at, behave, *late_addresses):
    """IPv6 is connected and at work when the answer for IPv4 comes."""
    answer = only("AAAA", names.addresses(V6), late(0.2, names.addresses(*late_addresses)))
    how = "a dead IPv4 address" if late_addresses else "no IPv4 address"
    return named(at, answer, f"the reply takes 0.5 s, {how} becomes known meanwhile",
                 behave=behave, alive=V6)


SLOW_PAGE = b.answer(0.5, b.page(b"ok"))
SLOW_BANNER = b.late(0.5, hostile.banner(b"220 ready\r\n"))

ROWS = rows(
    "dns",
    *same_rows("tcp", tcp, hostile.silent),
    *same_rows("http", http, hostile.http_reply()),
    ("http: late answer, an address", overtaken(http, SLOW_PAGE, V4), HEALTHY, "ok"),
    ("http: late answer, none", overtaken(http, SLOW_PAGE), HEALTHY, "ok"),
    ("tcp: late answer, an address", overtaken(tcp, SLOW_BANNER, V4), HEALTHY, "ok",
        "expect = ^220"),
    ("tcp: late answer, none", overtaken(tcp, SLOW_BANNER), HEALTHY, "ok", "expect = ^220"),
)
