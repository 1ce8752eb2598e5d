"""dns: a record, asked of a scripted name server."""

import socket

import names
from dnslib import MX, QTYPE, RR, TXT
from lib import hostile
from names import alias, by_tcp, code, late, lost, only
from scenarios.common import Situation, filtered, nobody, told
from table import HEALTHY, UNHEALTHY, rows

UP = names.addresses("192.0.2.1")
SHORT = "timeout = 400ms"


def asks(answer, how, query="{server}/name.test", scheme="dns", then=None):
    """The server by its address."""

    def make(stage):
        zone = stage.keep(names.Names({} if answer is None else {"name.test": answer}))
        server = f"{zone.host}:{zone.port}"

        def change():
            zone["name.test"] = then

        return Situation(f"query = {scheme}://{query.format(server=server)}", env=zone.env,
                         change=change if then else None)

    return told(how, make)


def of_system(*answers, how, scheme="dns"):
    """Those of the system, one after the other."""

    def make(stage):
        zones = [stage.keep(names.Names({"name.test": what})) for what in answers]
        listed = ",".join(zone.env["PROBE_DNS_SERVERS"] for zone in zones)
        return Situation(f"query = {scheme}:///name.test", env={"PROBE_DNS_SERVERS": listed})

    return told(how, make)


def first_is_gone(scheme="dns"):
    def make(stage):
        zone = stage.keep(names.Names({"name.test": UP}))
        listed = f"127.0.0.1:{stage.port()},{zone.env['PROBE_DNS_SERVERS']}"
        return Situation(f"query = {scheme}:///name.test", env={"PROBE_DNS_SERVERS": listed})

    return told("the system's first server is gone, the second one answers", make)


def other_family():
    def make(stage):
        zone = stage.keep(names.Names({"name.test": UP}))
        listed = f"[::1]:{stage.port()},{zone.env['PROBE_DNS_SERVERS']}"
        return Situation("query = dns:///name.test", env={"PROBE_DNS_SERVERS": listed})

    return told("the system's servers: none on IPv6, one on IPv4 that answers", make)


def by_name(answer, how, says=UP):
    """The server by a name, which another one knows."""

    def make(stage):
        zone = stage.keep(names.Names({"name.test": says}))
        system = stage.keep(names.Names({"ns.test": answer}))
        return Situation(f"query = dns://ns.test:{zone.port}/name.test", env=system.env)

    return told(how, make)


def at(where):
    return f"query = dns://{where}/name.test"


def at_tcp(where):
    return f"query = dns+tcp://{where}/name.test"


def over_tcp(behave, how):
    def make(stage):
        return Situation(at_tcp(f"127.0.0.1:{stage.serve(behave).port}"))

    return told(how, make)


def udp_only(answer, how):
    """What comes by UDP is cut, and nobody listens on TCP."""

    def make(stage):
        zone = stage.keep(names.Names({"name.test": answer}))
        zone.tcp.shutdown(socket.SHUT_RDWR)
        return Situation(at(f"{zone.host}:{zone.port}"))

    return told(how, make)


def own(answer):
    """With the bit AA."""

    def act(query, kind, tcp):
        reply = bytearray(answer(query, kind, tcp))
        reply[2] |= 4
        return bytes(reply)

    return act


def not_own(answer):
    def act(query, kind, tcp):
        reply = bytearray(answer(query, kind, tcp))
        reply[2] &= ~4
        return bytes(reply)

    return act


def mail(query, kind, tcp):
    reply = query.reply()
    if kind == "MX":
        reply.add_answer(RR(query.q.qname, QTYPE.MX, rdata=MX("mail.name.test", 10), ttl=1))
    return reply.pack()


def long_text(query, kind, tcp):
    """A TXT record whose text is of over 16 KiB as it is written."""
    reply = query.reply()
    reply.add_answer(RR(query.q.qname, QTYPE.TXT, rdata=TXT([b"\1" * 255] * 20), ttl=1))
    return reply.pack()


def first_wrong(answer):
    """An answer with another id, then the right one, by the same socket."""
    state = {}

    def act(query, kind, tcp):
        state["n"] = state.get("n", 0) + 1
        return names.other_id(query, kind, tcp) if state["n"] % 2 else answer(query, kind, tcp)

    return act


# fmt: off
ROWS = rows(
    "dns",
    ("record", asks(UP, "has the record"), HEALTHY, "ok", "", {"detail": "A 192.0.2.1 from"}),
    ("record by TCP", asks(UP, "has the record", scheme="dns+tcp"), HEALTHY, "ok"),
    ("AAAA", asks(names.addresses("2001:db8::1"), "has an AAAA record",
        "{server}/name.test?type=AAAA"), HEALTHY, "ok", "", {"detail": "2001:db8::1"}),
    ("MX", asks(mail, "has an MX record", "{server}/name.test?type=MX"), HEALTHY, "ok",
        r"expect = ^10 mail\.name\.test$"),
    ("a text of over 16 KiB", asks(long_text, "a TXT record of 5 KiB of control bytes",
        "{server}/name.test?type=TXT", "dns+tcp"), HEALTHY, "ok", "", {"detail": "TXT of over 16 KiB"}),
    ("alias", asks(alias("real.test", "192.0.2.1"), "a CNAME and its target"), HEALTHY, "ok"),
    ("alias without target", asks(alias("real.test"), "a CNAME alone"), UNHEALTHY, "dns", "",
        {"detail": "no A record"}),
    ("alias into another zone", asks(names.alias_alone, "a CNAME, of a server that looks nothing up"), UNHEALTHY, "dns", "",
        {"detail": "answers an alias alone"}),
    ("alias without such a record", asks(names.alias_of_none, "a CNAME, and the SOA of a zone that has no more"), UNHEALTHY,
        "dns", "", {"detail": "no A record"}),
    ("a chain of aliases", asks(names.chain("a.test", "b.test", "c.test", "192.0.2.1"), "three CNAMEs and an A"),
        HEALTHY, "ok", "", {"detail": "192.0.2.1"}),
    ("an address of another name", asks(names.chain("a.test", "b.test", "192.0.2.1", order=(0, 2)),
        "a CNAME, and the A of a name that it does not lead to"), UNHEALTHY, "dns", "", {"detail": "no A record"}),
    ("aliases in a circle", asks(names.chain("a.test", "name.test", "192.0.2.1", order=(0, 1)),
        "two CNAMEs that name each other"), UNHEALTHY, "dns", "", {"detail": "no A record"}),
    ("another case", asks(lambda q, kind, tcp: UP(q, kind, tcp).replace(b"\4name\4test", b"\4NaMe\4TeSt"),
        "the name in other letters"), HEALTHY, "ok"),
    ("no such name", asks(None, "NXDOMAIN"), UNHEALTHY, "dns", "", {"detail": "NXDOMAIN"}),
    ("no such record", asks(names.addresses("2001:db8::1"), "only an AAAA record"), UNHEALTHY,
        "dns", "", {"detail": "no A record"}),
    ("SERVFAIL", asks(code("SERVFAIL"), "SERVFAIL"), UNHEALTHY, "dns", "", {"detail": "SERVFAIL"}),
    ("a referral", asks(names.referral, "it only names another server"), UNHEALTHY, "dns", "",
        {"detail": "a referral to others"}),
    ("REFUSED", asks(code("REFUSED"), "REFUSED"), UNHEALTHY, "dns", "", {"detail": "REFUSED"}),
    ("NOTIMP", asks(code("NOTIMP"), "NOTIMP"), UNHEALTHY, "dns", "", {"detail": "NOTIMP"}),
    ("expected", asks(names.addresses("192.0.2.1", "10.1.2.3"), "two records"), HEALTHY, "ok",
        r"expect = ^10\.", {"detail": "10.1.2.3 and 1 more"}),
    ("not expected", asks(UP, "another record"), UNHEALTHY, "mismatch", r"expect = ^10\.",
        {"detail": "192.0.2.1"}),
    ("authoritative", asks(own(UP), "answers from its zone"), HEALTHY, "ok",
        "authoritative = yes"),
    ("not authoritative", asks(not_own(UP), "answers from a cache"), UNHEALTHY, "mismatch",
        "authoritative = yes", {"detail": "not authoritative"}),
    ("no such name, not authoritative", asks(not_own(code("NXDOMAIN")), "NXDOMAIN from a cache"),
        UNHEALTHY, "mismatch", "authoritative = yes"),
    ("cut, by TCP whole", asks(by_tcp(UP), "TC by UDP, the record by TCP"), HEALTHY, "ok"),
    ("cut, by TCP refused", udp_only(by_tcp(UP), "TC by UDP, nobody on TCP"), UNHEALTHY,
        "refused|reset|closed"),
    ("cut, by TCP too", asks(lambda q, kind, tcp: by_tcp(UP)(q, kind, False), "TC by TCP too"),
        UNHEALTHY, "protocol"),
    ("silent", asks(names.silent, "says nothing"), UNHEALTHY, "timeout", SHORT,
        {"detail": "no answer from the DNS server 127.0.0.1"}),
    ("refused", nobody(at), UNHEALTHY, "refused"),
    ("refused by TCP", nobody(at_tcp), UNHEALTHY, "refused"),
    ("black-holed", filtered(at, "meta l4proto udp drop", "another host, which drops every packet"),
        UNHEALTHY, "timeout", SHORT),
    ("first packet lost", asks(lost(1, UP), "the first question is lost"), HEALTHY, "ok", "",
        {"ways": ["check"]}),
    ("late", asks(late(0.3, UP), "answers after 0.3 s"), HEALTHY, "ok"),
    ("too late", asks(late(0.8, UP), "answers after 0.8 s"), UNHEALTHY, "timeout", SHORT),
    ("another id", asks(names.other_id, "the answer to nobody's question"), UNHEALTHY, "timeout",
        SHORT, {"detail": "other questions"}),
    ("another id first", asks(first_wrong(UP), "a forged answer, then the right one"), HEALTHY,
        "ok"),
    ("another question", asks(names.other_question, "the answer to another question"), UNHEALTHY,
        "timeout", SHORT),
    ("garbage", asks(names.garbage, "the id, then noise"), UNHEALTHY, "protocol|timeout", SHORT),
    ("empty", asks(names.empty, "an empty packet"), UNHEALTHY, "timeout", SHORT),
    ("broken off", asks(names.cut, "ends within its record"), UNHEALTHY, "protocol"),
    ("points at itself", asks(names.loops, "a name that points at itself"), UNHEALTHY, "protocol"),
    ("TCP: says nothing", over_tcp(hostile.silent, "accepts and says nothing"), UNHEALTHY,
        "timeout", SHORT),
    ("TCP: closes", over_tcp(hostile.reply_and_close(b"\0"), "closes within the answer"),
        UNHEALTHY, "closed|reset"),
    ("TCP: noise", over_tcp(hostile.reply(b"\0\x0e" + b"not a message."), "noise"), UNHEALTHY,
        "protocol"),
    ("of the system", of_system(UP, how="the system's server has the record"), HEALTHY, "ok"),
    ("the first fails", of_system(code("SERVFAIL"), UP, how="the first server says SERVFAIL"),
        HEALTHY, "ok"),
    ("the first is silent", of_system(names.silent, UP, how="the first server says nothing"),
        HEALTHY, "ok"),
    ("the first is gone", first_is_gone(), HEALTHY, "ok"),
    ("the first is gone, by TCP", first_is_gone("dns+tcp"), HEALTHY, "ok"),
    ("the first is silent, by TCP", of_system(names.silent, UP, scheme="dns+tcp",
        how="the first server accepts and says nothing"), HEALTHY, "ok"),
    ("the first is cut, then silent", of_system(by_tcp(names.silent), UP,
        how="the first server says TC by UDP, and nothing by TCP"), HEALTHY, "ok"),
    ("the first is late, by TCP", of_system(late(1.3, UP), names.silent, scheme="dns+tcp",
        how="the first server answers after 1.3 s, the second says nothing"), HEALTHY, "ok"),
    ("all are silent, by TCP", of_system(names.silent, names.silent, scheme="dns+tcp", how="no server says a word"),
        UNHEALTHY, "timeout", SHORT),
    ("the first is gone, of IPv6", other_family(), HEALTHY, "ok"),
    ("the first is gone, IPv6 alone", other_family(), UNHEALTHY, "refused", "family = 6"),
    ("the first fails, by TCP", of_system(code("SERVFAIL"), UP, scheme="dns+tcp",
        how="the first server says SERVFAIL"), HEALTHY, "ok"),
    ("all fail, by TCP", of_system(code("SERVFAIL"), code("REFUSED"), scheme="dns+tcp", how="no server is of use"),
        UNHEALTHY, "dns", "", {"detail": "REFUSED"}),
    ("all fail", of_system(code("SERVFAIL"), code("REFUSED"), how="no server is of use"),
        UNHEALTHY, "dns", "", {"detail": "REFUSED"}),
    ("the first knows no such name", of_system(code("NXDOMAIN"), UP, how="NXDOMAIN is an answer"),
        UNHEALTHY, "dns", "", {"detail": "NXDOMAIN"}),
    ("server by name", by_name(only("A", names.addresses("127.0.0.1"), names.addresses()),
        "ns.test is an address"), HEALTHY, "ok"),
    ("server by name, one address fails", by_name(only("A", names.addresses("127.0.0.1", "127.0.0.2"),
        names.addresses()), "the first address says SERVFAIL, nobody is at the second", code("SERVFAIL")),
        UNHEALTHY, "dns", "", {"detail": "SERVFAIL"}),
    ("server's name missing", by_name(code("NXDOMAIN"), "no such server"), UNHEALTHY, "dns"),
    ("record comes", asks(code("NXDOMAIN"), "the name is made", then=UP), UNHEALTHY, "dns", "",
        {"then": (HEALTHY, "ok")}),
)
