"""mongo: deployments, and logins other than SCRAM."""

import signal
import os

import mongos
import names
from lib import hostile
from lib.net import free_port
from scenarios.common import Situation, told
from table import HEALTHY, UNHEALTHY, rows


def members(*scenarios, then=None, seeds=slice(None), more="", how=None):
    """A set of three; `seeds`: those that the string names; `then`: what they become."""

    def make(stage):
        found = mongos.replica_set(stage, *scenarios)

        def change():
            for member, scenario in zip(found.members, then):
                if scenario:
                    member.become(scenario)
                else:
                    member.down()

        hosts = ",".join(found.hosts[seeds])
        return Situation(
            f"uri = mongodb://{hosts}/?replicaSet=rs0{more}", change=change if then else None
        )

    def words(list_):
        return ", ".join(word or "down" for word in list_)

    return told(how or words(scenarios) + (f"; then {words(then)}" if then else ""), make)


def reads(preference, *scenarios, then=None):
    how = f"readPreference={preference}: " + ", ".join(word or "down" for word in scenarios)
    return members(*scenarios, then=then, more=f"&readPreference={preference}", how=how)


def one(scenario, how, more="?directConnection=false", user="", **kw):
    """One scripted server, asked as a deployment."""

    def make(stage):
        port = mongos.member(stage, scenario, **kw).port
        return Situation(f"uri = mongodb://{user}127.0.0.1:{port}/{more}")

    return told(how, make)


def advertises(host, how):
    """A primary that is known to its set as `host`."""

    def make(stage):
        zone = stage.keep(names.Names({}))
        near, _ = stage.networks(["meta l4proto tcp drop"]) if host[0].isdigit() else (None, None)
        make_server = lambda: mongos.member(stage, "primary", hosts=[host], set_name="rs0")
        server = near.call(make_server) if near else make_server()
        return Situation(f"uri = mongodb://127.0.0.1:{server.port}/?replicaSet=rs0",
                         prefix=near.prefix if near else (), env={} if near else zone.env)

    return told(how, make)


def serves(behave, how):
    def make(stage):
        return Situation(
            f"uri = mongodb://127.0.0.1:{stage.serve(behave).port}/?directConnection=false"
        )

    return told(how, make)


def nobody(stage):
    """nothing listens on any port"""
    hosts = ",".join(f"127.0.0.1:{stage.port()}" for _ in range(3))
    return Situation(f"uri = mongodb://{hosts}/?replicaSet=rs0")


def black_hole(stage):
    """a host that drops every packet"""
    near, _ = stage.networks(["meta l4proto tcp drop"])
    return Situation("uri = mongodb://10.99.0.2/?replicaSet=rs0", prefix=near.prefix)


def one_black_holed(stage):
    """the primary lives, another seed drops every packet"""
    near, far = stage.networks(["meta l4proto tcp drop"])
    server = near.call(lambda: mongos.member(stage, "primary"))
    return Situation(
        f"uri = mongodb://127.0.0.1:{server.port},10.99.0.2/?replicaSet=rs0", prefix=near.prefix
    )


def one_silent(stage):
    """the primary lives, another seed accepts and says nothing"""
    server, silent = mongos.member(stage, "primary"), stage.serve(hostile.silent)
    return Situation(
        f"uri = mongodb://127.0.0.1:{server.port},127.0.0.1:{silent.port}/?replicaSet=rs0"
    )


def real(user, how, more="?replicaSet=rs0"):
    def make(stage):
        port = mongos.real(stage, *mongos.USER, "--set", "rs0").port
        return Situation(f"uri = mongodb://{user}127.0.0.1:{port}/{more}")

    return told(how, make)


def real_stopped(stage):
    """a real server, then SIGSTOP"""
    server = mongos.real(stage, "--set", "rs0", shared=False)
    return Situation(
        f"uri = {server.uri}?replicaSet=rs0", change=lambda: os.kill(server.pid, signal.SIGSTOP)
    )


def unix(stage):
    """a Unix socket, percent-encoded"""
    path = stage.program.path("mongodb-27017.sock")
    mongos.member(stage, "up", path=path)
    return Situation("uri = mongodb://" + str(path).replace("/", "%2F") + "/?directConnection=false")


# ---- Other logins.


def x509(client, how, user="", both=True):
    """`client`: whose certificate is shown."""

    def make(stage):
        context = mongos.tls_context(stage, stage.certs.pair("server"), stage.certs.ca)
        port = mongos.member(stage, "x509", context=context).port
        cert, key = stage.certs.pair(client)
        lines = f"tls_ca = {stage.certs.ca}\n"
        more = f"&tlsCertificateKeyFile={stage.certs.dir}/{client}.both.pem"
        if not both:
            lines, more = f"{lines}tls_cert = {cert}\ntls_key = {key}\n", ""
        return Situation(
            f"uri = mongodb://{user}127.0.0.1:{port}/?authMechanism=MONGODB-X509&tls=true{more}\n"
            f"{lines}"
        )

    return told(how, make)


PLAIN = "?authMechanism=PLAIN&authSource=$external&tls=false"


# ---- mongodb+srv.


def srv(how, srv_records=None, txt=None, zone=None, more="?tls=false", then=None, scenario="primary",
        keys="", certificate=None, name="db.cluster.test", user=""):
    """`srv_records`: of (port) the SRV records, or an answer of names; None: the one right one."""

    def make(stage):
        context = None
        if certificate:
            context = mongos.tls_context(
                stage, stage.certs.pair(certificate, f"DNS:{certificate}.cluster.test")
            )
        port = free_port()
        server = mongos.member(
            stage, scenario, port=port, set_name="rs0", context=context,
            hosts=[f"a.cluster.test:{port}"],
        )
        right = names.records(SRV=[f"0 0 {server.port} a.cluster.test"])
        found = srv_records(server.port) if srv_records else right
        dns = stage.keep(names.Names({
            "_mongodb._tcp.db.cluster.test": found,
            "db.cluster.test": txt if callable(txt) else names.records(TXT=txt or []),
            "a.cluster.test": ["127.0.0.1"],
            "a.elsewhere.test": ["127.0.0.1"],
            **(zone(server.port) if zone else {}),
        }))

        def change():
            dns["_mongodb._tcp.db.cluster.test"] = then(port) if callable(then) else right

        lines = keys.format(ca=stage.certs.ca)
        return Situation(
            f"uri = mongodb+srv://{user}{name}/{more}\n{lines}", env=dns.env,
            change=change if then else None,
        )

    return told(how, make)


def leads_to(*targets):
    """`{}` is the server's port."""
    return lambda port: names.records(SRV=[target.format(port) for target in targets])


def also(name, *targets):
    return lambda port: {name: leads_to(*targets)(port)}


def answers(what):
    return lambda port: what


PRIMARY, WRITABLE = "require = primary", "require = writable"
SECONDARY, DATA = "require = secondary", "require = data"
SHORT = "timeout = 500ms"
CALM = r"\n\Z"  # no warning
S = "secondary"

# fmt: off
ROWS = rows(
    "mongo",
    ("set: primary and two secondaries", members("primary", S, S), HEALTHY, "ok", PRIMARY,
        {"detail": "primary of rs0"}),
    ("set: only a secondary is named", members("primary", S, S, seeds=slice(1, 2),
        how="a secondary is named, the driver finds the primary"), HEALTHY, "ok", WRITABLE,
        {"detail": "primary of rs0"}),
    ("set: a secondary is wanted", members("primary", S, S), HEALTHY, "ok", SECONDARY,
        {"detail": "secondary of rs0"}),
    ("set: primary dead, writes wanted", members(None, S, S), UNHEALTHY, "no-primary", WRITABLE,
        {"detail": "^rs0: (.* secondary, .* refused|.* refused, .* secondary)"}),
    ("set: primary dead, any will do", members(None, S, S), HEALTHY, "ok"),
    ("set: primary dead, data wanted", members(None, S, S), HEALTHY, "ok", DATA),
    ("set: electing, writes wanted", members("no-primary", "no-primary", "no-primary"),
        UNHEALTHY, "no-primary", WRITABLE),
    ("set: electing, data wanted", members("no-primary", "no-primary", "no-primary"),
        HEALTHY, "ok", DATA),
    ("set: electing, then primary", members(*["no-primary"] * 3, then=("primary", S, S)),
        UNHEALTHY, "no-primary", PRIMARY, {"then": (HEALTHY, "ok")}),
    ("set: primary dies", members("primary", S, S, then=(None, S, S)), HEALTHY, "ok", PRIMARY,
        {"then": (UNHEALTHY, "no-primary")}),
    ("set: no secondary", members("primary", None, None), UNHEALTHY, "mismatch|refused",
        SECONDARY),
    ("set: lagging", members("primary", "lagging", "lagging"), UNHEALTHY, "mismatch",
        f"{SECONDARY}; max_lag = 10s", {"detail": "behind"}),
    ("set: lags, and warns", members("primary", "lagging", "lagging"), HEALTHY, "ok",
        f"{PRIMARY}; min_members = 3; warn_lag = 10s",
        {"detail": r"last write of 127.0.0.1:[0-9]+ is 1m0s behind, warn_lag is 10 s\Z"}),
    ("set: lags, and need not warn", members("primary", "lagging", "lagging"), HEALTHY, "ok",
        f"{PRIMARY}; min_members = 3; warn_lag = 5m", {"detail": CALM}),
    ("set: not initiated", members(*["not-initiated"] * 3), UNHEALTHY, "not-initiated", PRIMARY),
    ("set: recovering", members(*["recovering"] * 3), UNHEALTHY, "mismatch|no-primary", DATA),
    ("set: wrong set", one("wrong-set", "a member of another set", "?replicaSet=rs0"),
        UNHEALTHY, "mismatch"),
    ("set: standalone", one("up", "a standalone where a set is wanted", "?replicaSet=rs0"),
        UNHEALTHY, "mismatch"),
    ("set: mongos", one("mongos", "a mongos where a set is wanted", "?replicaSet=rs0"),
        UNHEALTHY, "mismatch"),
    ("set: enough members", members("primary", S, S), HEALTHY, "ok", f"{PRIMARY}; min_members = 3"),
    ("set: an arbiter holds no data", members("primary", S, "arbiter"), UNHEALTHY, "mismatch",
        f"{PRIMARY}; min_members = 3", {"detail": "2 members that hold data answer, at least 3"}),
    ("set: its reserve is gone", members("primary", S, S, then=("primary", S, None)), HEALTHY, "ok",
        f"{PRIMARY}; min_members = 3", {"then": (UNHEALTHY, "mismatch")}),
    ("set: no reserve", members("primary", S, S, then=("primary", S, None)), HEALTHY, "ok",
        f"{PRIMARY}; min_members = 2", {"detail": CALM, "then": (HEALTHY, "ok"), "then_detail":
        r"1 of 3 members does not answer \(127.0.0.1:[0-9]+\): one more loss leaves no majority\Z"}),
    ("set: a member hangs", members("primary", S, "silent"), HEALTHY, "ok",
        f"{PRIMARY}; min_members = 2; timeout = 2s", {"detail": CALM}),
    ("set: no reserve, nobody waits", members("primary", S, None), HEALTHY, "ok", PRIMARY,
        {"detail": CALM}),
    ("set: no primary, one member hangs", members("silent", S, S, how="the primary hangs"),
        UNHEALTHY, "no-primary", f"{PRIMARY}; timeout = 1s",
        {"detail": "^rs0: .* no answer, .* secondary.*, .* secondary"}),
    ("set: the rest hangs", members("primary", "silent", "silent"), UNHEALTHY, "timeout",
        f"{SECONDARY}; {SHORT}", {"detail": "rs0: .* primary, .* no answer"}),
    ("set: advertises what only it reaches", advertises("10.99.0.2:27017",
        "it advertises an address that drops every packet"), UNHEALTHY, "timeout",
        f"{PRIMARY}; {SHORT}", {"detail": "advertises addresses .*directConnection=true"}),
    ("set: advertises no name", advertises("nobody.invalid:27017",
        "it advertises a name that there is not"), UNHEALTHY, "dns", PRIMARY,
        {"detail": "advertises addresses .*directConnection=true"}),
    ("set: all refuse", nobody, UNHEALTHY, "refused", "", {"detail": "127.0.0.1:[0-9]+"}),
    ("set: black-holed", black_hole, UNHEALTHY, "timeout", SHORT, {"detail": "10.99.0.2"}),
    ("set: a seed is black-holed", one_black_holed, HEALTHY, "ok", f"{PRIMARY}; timeout = 2s"),
    ("set: a seed is silent", one_silent, HEALTHY, "ok", f"{PRIMARY}; timeout = 2s"),

    ("reads: primary", reads("primary", "primary", S, S), HEALTHY, "ok", "",
        {"detail": "primary of rs0"}),
    ("reads: no primary", reads("primary", None, S, S), UNHEALTHY, "no-primary", "",
        {"detail": "no member for readPreference=primary: rs0: .* refused, .* secondary"}),
    ("reads: primary if there is one", reads("primaryPreferred", None, S, S), HEALTHY, "ok"),
    ("reads: secondary", reads("secondary", "primary", S, None), HEALTHY, "ok", "",
        {"detail": "secondary of rs0"}),
    ("reads: no secondary", reads("secondary", "primary", None, "hidden"), UNHEALTHY, "mismatch", "",
        {"detail": "no member for readPreference=secondary"}),
    ("reads: secondary if there is one", reads("secondaryPreferred", "primary", None, None), HEALTHY,
        "ok"),
    ("reads: nearest", reads("nearest", None, None, S), HEALTHY, "ok"),
    ("reads: one that hangs", reads("secondary", "primary", S, "silent"), HEALTHY, "ok",
        "timeout = 2s"),
    ("reads: all secondaries hang", reads("secondary", "primary", "silent", "silent"), UNHEALTHY,
        "timeout", SHORT, {"detail": "primary, .* no answer"}),
    ("reads: tags", reads("secondary&readPreferenceTags=dc:ny", "primary", S, "tagged"), HEALTHY,
        "ok"),
    ("reads: tags of nobody", reads("secondary&readPreferenceTags=dc:sf", "primary", S, "tagged"),
        UNHEALTHY, "mismatch", "", {"detail": r"tags dc:sf: rs0: .*\(tags dc:ny\)"}),
    ("reads: other tags at last", reads("nearest&readPreferenceTags=dc:sf&readPreferenceTags=",
        None, S, None), HEALTHY, "ok"),
    ("reads: stale", reads("secondary&maxStalenessSeconds=120", "primary", "stale", "stale"),
        UNHEALTHY, "mismatch", "", {"detail": "maxStalenessSeconds=120"}),
    ("reads: one is fresh", reads("secondary&maxStalenessSeconds=120", "primary", "stale", S),
        HEALTHY, "ok"),
    ("reads: stale beside the primary alone", reads("secondary&maxStalenessSeconds=120", None,
        "stale", "stale"), HEALTHY, "ok"),
    ("reads: too strict", reads("secondary&maxStalenessSeconds=60", "primary", S, S), UNHEALTHY,
        "mismatch", "", {"detail": "drivers refuse maxStalenessSeconds=60"}),
    ("reads and writes", reads("secondary", "primary", S, None), HEALTHY, "ok", WRITABLE,
        {"detail": "primary of rs0; reads go to .*secondary of rs0"}),
    ("reads without writes", reads("secondary", None, S, S), UNHEALTHY, "no-primary", WRITABLE),
    ("writes without reads", reads("secondary", "primary", None, None), UNHEALTHY,
        "mismatch", WRITABLE, {"detail": "no member for readPreference=secondary"}),
    ("reads end", reads("secondary", "primary", S, S, then=("primary", None, None)), HEALTHY, "ok",
        "", {"then": (UNHEALTHY, "mismatch")}),
    ("reads: from one server as it is", one("primary", "the one server is a primary",
        "?readPreference=secondary"), HEALTHY, "ok"),
    ("reads: from a mongos", one("mongos", "whom a mongos reads from is its affair",
        "?directConnection=false&readPreference=secondary&readPreferenceTags=dc:ny"), HEALTHY, "ok"),
    ("set: a member that is too old", members("primary", "too-old", S), HEALTHY, "ok",
        f"{PRIMARY}; min_members = 3",
        {"detail": r"has wire versions 0 to 5, drivers speak 6 to 29 and refuse the whole"}),
    ("set: too old alone", members("too-old"), UNHEALTHY, "mismatch", "",
        {"detail": "too old for drivers"}),

    ("deployment: up", one("up", "one server, asked as a deployment"), HEALTHY, "ok"),
    ("deployment: real", real("", "a real server", "?directConnection=false"), HEALTHY, "ok"),
    ("deployment: Unix socket", unix, HEALTHY, "ok"),
    ("deployment: login", real("user:pencil@", "a real server, the right password"), HEALTHY, "ok"),
    ("deployment: wrong password", real("user:hunter2@", "a real server, a wrong password"),
        UNHEALTHY, "auth"),
    ("deployment: ping wants a login", one("auth-required", "ping answered Unauthorized"),
        UNHEALTHY, "auth"),
    ("deployment: stopped", real_stopped, HEALTHY, "ok", "timeout = 1s",
        {"then": (UNHEALTHY, "timeout")}),
    ("deployment: silent", one("silent", "accepts and says nothing"), UNHEALTHY, "timeout", SHORT),
    ("deployment: hello but never ping", one("hello-then-silent", "answers hello alone"),
        UNHEALTHY, "timeout", SHORT),
    ("deployment: closed at accept", one("close-at-accept", "FIN at once"), UNHEALTHY,
        "closed|reset"),
    ("deployment: reset at accept", one("reset-at-accept", "RST at once"), UNHEALTHY, "closed|reset"),
    ("deployment: reset mid-hello", one("reset-mid", "RST within hello's reply"), UNHEALTHY,
        "closed|reset|protocol"),
    ("deployment: dripped without end", one("drip", "byte by byte, for a minute", delay=0.1),
        UNHEALTHY, "timeout", SHORT),
    ("deployment: garbage", one("garbage", "99 bytes of noise"), UNHEALTHY, "protocol|closed|timeout",
        SHORT),
    ("deployment: speaks HTTP", one("http", "a web server's 400"), UNHEALTHY,
        "protocol|closed|timeout", SHORT),
    ("deployment: deep document", one("deep-document", "5,000 documents in each other"), UNHEALTHY,
        "protocol|closed"),
    ("deployment: ping ok: 0", one("ping-ok0", "shutting down"), UNHEALTHY, "protocol"),
    ("deployment: ping without ok", one("ping-no-ok", "no ok"), UNHEALTHY, "protocol"),
    ('deployment: ping ok: "1"', one("ping-ok-string", "ok is a text"), UNHEALTHY, "protocol"),
    ("deployment: ping ok: NaN", one("ping-nan", "ok is NaN"), UNHEALTHY, "protocol"),

    ("X.509", x509("client", "the certificate is the login"), HEALTHY, "ok"),
    ("X.509, key apart", x509("client", "tls_cert and tls_key", both=False), HEALTHY, "ok"),
    ("X.509, user named", x509("client", "the user in the string as well", "CN%3Dclient@"),
        HEALTHY, "ok"),
    ("X.509: another user named", x509("client", "not the certificate's", "CN%3Dother@"),
        UNHEALTHY, "auth"),
    ("X.509: no such user", x509("stranger", "a certificate of nobody known"), UNHEALTHY, "auth"),
    ("PLAIN", one("plain", "a user of a directory", PLAIN, "user:pencil@"), HEALTHY, "ok"),
    ("PLAIN: wrong password", one("plain", "another password", PLAIN, "user:hunter2@"),
        UNHEALTHY, "auth"),
    ("PLAIN in a set", one("plain", "asked as a deployment", PLAIN + "&directConnection=false",
        "user:pencil@"), HEALTHY, "ok"),
    ("PLAIN is not known", one("up", "a server without it", PLAIN, "user:pencil@"),
        UNHEALTHY, "auth|protocol"),

    ("SRV", srv("SRV and TXT lead to the set", txt=["replicaSet=rs0"]), HEALTHY, "ok", PRIMARY,
        {"detail": "primary of rs0"}),
    ("SRV without TXT", srv("SRV alone"), HEALTHY, "ok"),
    ("SRV with TLS", srv("TLS is on by default", more="", certificate="a",
        keys="tls_ca = {ca}"), HEALTHY, "ok"),
    ("SRV with TLS: wrong host", srv("the certificate is another host's", more="",
        certificate="b", keys="tls_ca = {ca}"), UNHEALTHY, "tls"),
    ("SRV: no such name", srv("NXDOMAIN", answers(names.code("NXDOMAIN"))), UNHEALTHY, "dns", "",
        {"detail": "cluster.test"}),
    ("SRV: no record", srv("the name has none", answers(names.records())), UNHEALTHY, "dns"),
    ("SRV: SERVFAIL", srv("the DNS server says SERVFAIL", answers(names.code("SERVFAIL"))),
        UNHEALTHY, "dns"),
    ("SRV: DNS silent", srv("the DNS server never answers", answers(names.silent)),
        UNHEALTHY, "dns|timeout", "timeout = 700ms"),
    ("SRV: garbage", srv("the DNS server answers noise", answers(names.garbage)),
        UNHEALTHY, "dns|timeout", "timeout = 700ms"),
    ("SRV: another domain", srv("it leads out of its own domain",
        leads_to("0 0 {} a.elsewhere.test")), UNHEALTHY, "dns", "",
        {"detail": "a.elsewhere.test, which is not below cluster.test"}),
    ("SRV: one of another domain", srv("one of two leads out of its own domain",
        leads_to("0 0 {} a.cluster.test", "0 0 {} a.elsewhere.test")), UNHEALTHY, "dns"),
    ("SRV: target missing", srv("it leads to a name that there is not",
        leads_to("0 0 {} gone.cluster.test")), UNHEALTHY, "dns"),
    ("SRV: one target missing", srv("one of two targets has no name",
        leads_to("0 0 {} gone.cluster.test", "0 0 {} a.cluster.test")), HEALTHY, "ok", PRIMARY),
    ("SRV: target refuses", srv("it leads to a port that nobody listens on",
        leads_to("0 0 9 a.cluster.test")), UNHEALTHY, "refused"),
    ("SRV: name in capitals", srv("DB.Cluster.TEST", name="DB.Cluster.TEST"), HEALTHY, "ok"),
    ("SRV: name of two parts", srv("cluster.test itself", name="cluster.test",
        zone=also("_mongodb._tcp.cluster.test", "0 0 {} a.cluster.test")), HEALTHY, "ok"),
    ("SRV: service name", srv("srvServiceName", more="?tls=false&srvServiceName=wares",
        zone=also("_wares._tcp.db.cluster.test", "0 0 {} a.cluster.test"),
        srv_records=answers(names.code("NXDOMAIN"))), HEALTHY, "ok"),
    ("SRV: forbidden TXT", srv("TXT sets what it may not", txt=["tls=true"]), UNHEALTHY, "dns", "",
        {"detail": "db.cluster.test: its TXT record has the option tls"}),
    ("SRV: two TXT", srv("two TXT records", txt=["replicaSet=rs0", "authSource=a"]), UNHEALTHY, "dns"),
    ("SRV: TXT of another set", srv("TXT names another set", txt=["replicaSet=other"]), UNHEALTHY,
        "mismatch"),
    ("SRV: TXT fails", srv("SERVFAIL for TXT alone", txt=names.code("SERVFAIL")), UNHEALTHY, "dns"),
    ("SRV: login by authSource", srv("TXT names the database of the login", scenario="login-users",
        txt=["authSource=users"], more="other?tls=false", user="user:pencil@"), HEALTHY, "ok"),
    ("SRV appears later", srv("NXDOMAIN, then the record", answers(names.code("NXDOMAIN")),
        then=True), UNHEALTHY, "dns", "", {"then": (HEALTHY, "ok")}),
    ("SRV moves", srv("after its TTL it leads to a port that nobody listens on",
        then=leads_to("0 0 9 a.cluster.test")), HEALTHY, "ok", "",
        {"then": (UNHEALTHY, "refused")}),
    ("balanced", one("balanced", "a mongos behind a load balancer", "?loadBalanced=true"),
        HEALTHY, "ok", WRITABLE),
    ("balanced: no balancer", one("mongos", "a mongos that no load balancer is before",
        "?loadBalanced=true"), UNHEALTHY, "mismatch", "", {"detail": "serviceId"}),
)
