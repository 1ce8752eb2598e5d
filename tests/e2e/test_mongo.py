"""The mongo type against real servers and the scripted one: logins, TLS, roles, the init phase, the
driver's child, and the connection that an agent keeps."""

import os
import shlex
import shutil
import signal
import subprocess

import pytest

from lib import hostile, servers
from lib.net import free_port, wait_until
from lib.program import ROOT

SCRIPTED = ROOT / "tests/servers/mongo_scripted.py"
USER = ("--user", "user", "--password", "pencil")


@pytest.fixture
def scripted():
    """scripted(scenario...) -> the port of a server that plays it."""
    running = []

    def start(*words):
        p = subprocess.Popen(
            ["/usr/bin/python3", SCRIPTED, *map(str, words)], stdout=subprocess.PIPE, text=True
        )
        running.append(p)
        return int(p.stdout.readline())

    yield start
    for p in running:
        p.kill()
        p.wait()
        p.stdout.close()


@pytest.fixture
def real(start, request):
    """Skips where no real server that knows logins and TLS can be had."""

    def launch(*args):
        kind = subprocess.run(
            [servers.LADDER, "find"], capture_output=True, text=True, check=True,
            env={k: v for k, v in os.environ.items() if k != "MONGODB_URI"},
        ).stdout.split()[0]
        if kind != "ferretdb":
            pytest.skip(f"needs FerretDB, there is {kind}")
        return start(servers.Mongo, *args)

    return launch


def check(probe, uri, *args, more="", **kw):
    config = probe.write("probe.ini", f"[probe db]\ntimeout = 5s\nuri = {uri}\n{more}\n")
    r = probe.run("check", "--json", "-c", config, "db", *args, **kw)
    assert "pencil" not in r.out + r.err and "hunter2" not in r.out + r.err, str(r)
    return r


def last(r):
    return r.json["probes"][0]["last"]


def verdict(r):
    return "ok" if r.code == 0 else last(r)["reason"]


# ---- logins



@pytest.mark.parametrize("way", ["", "?replicaSet=rs0"], ids=["server", "set"])
def test_logins(probe, real, way):
    port = real(*USER, "--set", "rs0").port
    host = f"127.0.0.1:{port}/{way}"
    join = "&" if way else "?"
    for mechanism in ("", "SCRAM-SHA-1", "SCRAM-SHA-256"):
        more = f"{join}authMechanism={mechanism}" if mechanism else ""
        r = check(probe, f"mongodb://user:pencil@{host}{more}")
        assert r.code == 0 and "primary of rs0" in last(r)["detail"], str(r)
    assert verdict(check(probe, f"mongodb://user:hunter2@{host}")) == "auth"
    assert verdict(check(probe, f"mongodb://nobody:hunter2@{host}")) == "auth"
    secret = probe.write("password", "pencil\n")
    r = check(probe, f"mongodb://{host}", more=f"user = user\npassword_file = {secret}")
    assert r.code == 0, str(r)


def test_secrets_are_nowhere(probe, driver, scripted):
    """Neither in argv nor in the environment of the child, while it hangs."""
    port = scripted("silent")
    config = probe.write(
        "p.ini", f"[probe db]\ntimeout = 3s\nuri = mongodb://user:pencil@127.0.0.1:{port}/?{driver}\n"
    )
    p = probe.spawn("check", "-c", config, "db")

    def child():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if f.read() == b"probe\0__mongo\0":
                        with open(f"/proc/{pid}/stat") as s:
                            if int(s.read().rsplit(")", 1)[1].split()[1]) == p.pid:
                                return pid
            except OSError:
                pass
        return None

    wait_until(child, 10, "the driver's child runs")
    with open(f"/proc/{child()}/environ", "rb") as f:
        assert b"pencil" not in f.read()
    assert p.wait(30) == 1


# ---- TLS


@pytest.fixture
def tls_server(real, certs):
    pair = certs.pair("server")
    port = free_port()
    real("--tls-cert", pair[0], "--tls-key", pair[1], "--tls-port", port)
    return port


def test_tls(probe, tls_server, certs):
    uri = f"mongodb://127.0.0.1:{tls_server}/?tls=true"
    r = check(probe, uri, more=f"tls_ca = {certs.ca}")
    assert r.code == 0, str(r)
    assert check(probe, f"{uri}&tlsCAFile={certs.ca}").code == 0
    assert check(probe, f"{uri}&tlsInsecure=true").code == 0
    assert verdict(check(probe, uri)) == "tls"
    r = check(probe, uri, more=f"tls_ca = {certs.ca}\ntls_server_name = other.test")
    assert verdict(r) == "tls" and "other.test" in last(r)["detail"], str(r)
    r = check(probe, uri, more=f"tls_ca = {certs.ca}\ntls_min_days = 30")
    assert r.code == 0 and "tls_min_days is 30" in last(r)["warning"], str(r)
    r = check(probe, f"mongodb://127.0.0.1:{tls_server}/")
    assert verdict(r) in ("closed", "reset", "protocol"), str(r)


def test_mutual_tls(probe, real, certs):
    pair, own = certs.pair("server"), certs.pair("client")
    port = free_port()
    real("--tls-cert", pair[0], "--tls-key", pair[1], "--tls-ca", certs.ca, "--tls-port", port)
    uri = f"mongodb://127.0.0.1:{port}/?tls=true&tlsCAFile={certs.ca}"
    r = check(probe, uri, more=f"tls_cert = {own[0]}\ntls_key = {own[1]}")
    assert r.code == 0, str(r)
    both = certs.dir / "client.both.pem"
    assert check(probe, f"{uri}&tlsCertificateKeyFile={both}").code == 0
    r = check(probe, uri)
    assert verdict(r) == "tls" and "client certificate" in last(r)["detail"], str(r)


# ---- what the server says about itself


@pytest.mark.parametrize(
    "scenario, more, expected, says",
    [
        ("secondary", "require = writable", "not-writable", "the primary is 127.0.0.1:1"),
        ("no-primary", "require = primary", "no-primary", "no primary"),
        ("not-initiated", "require = data", "not-initiated", "not initiated"),
        ("not-initiated", "", "ok", "not initiated"),
        ("lagging", "max_lag = 10s", "mismatch", "behind"),
        ("lagging", "max_lag = 5m", "ok", "secondary of rs0"),
        ("lagging", "max_lag = off", "ok", "secondary of rs0"),
        ("wrong-set", "set_name = rs0", "mismatch", "primary of other"),
        ("up", "set_name = rs0", "mismatch", "standalone"),
        ("read-only", "require = writable", "not-writable", "read-only"),
        ("auth-required", "", "auth", "requires authentication"),
        ("ping-no-ok", "", "protocol", "ok is not 1"),
    ],
)
def test_states(probe, scripted, scenario, more, expected, says):
    r = check(probe, f"mongodb://127.0.0.1:{scripted(scenario)}/", more=more)
    assert verdict(r) == expected and says in last(r)["detail"], str(r)


def test_unix_socket(probe, scripted):
    path = probe.path("mongo.sock")
    scripted("--unix", path, "primary")
    r = check(probe, "mongodb://" + str(path).replace("/", "%2F"))
    assert r.code == 0 and f"unix://{path}" in last(r)["detail"], str(r)


def test_deployment(probe, scripted):
    a, b = scripted("secondary"), free_port()
    both = f"mongodb://127.0.0.1:{a},127.0.0.1:{b}/?replicaSet=rs0"
    r = check(probe, both, more="require = writable")
    assert verdict(r) == "no-primary" and f"127.0.0.1:{a} secondary" in last(r)["detail"], str(r)
    assert check(probe, both).code == 0
    r = check(probe, f"mongodb://127.0.0.1:{a}/?replicaSet=other")
    assert verdict(r) == "mismatch", str(r)
    r = probe.run("check", "--invert", f"mongodb://127.0.0.1:{b}/?replicaSet=rs0")
    assert r.code == 0, str(r)


@pytest.mark.parametrize("to", ["", "?replicaSet=rs0"])
def test_gone_is_every_address_of_every_host(probe, dns, to):
    """No TCP connection goes to a multicast address: what may be there is not known."""
    server = dns({"all.test": ["127.0.0.1", "127.0.0.2"], "half.test": ["127.0.0.1", "224.0.0.1"]}, probe)
    env = {"PROBE_DNS_SERVERS": server.address}
    for host, code in (("all.test", 0), ("half.test", 1), ("none.test", 0)):
        r = probe.run("check", "--invert", f"mongodb://{host}:{free_port()}/{to}", env=env)
        assert r.code == code, f"{host}: {r}"


@pytest.mark.parametrize("scenario", ["close-at-accept", "reset-at-accept"])
def test_who_accepts_is_not_gone(probe, scripted, scenario):
    """Somebody is there, who hangs up."""
    uri = f"mongodb://127.0.0.1:{scripted(scenario)}/?replicaSet=rs0"
    r = probe.run("wait", "--invert", "--timeout", "1s", uri)
    assert r.code == 124, str(r)


def test_stopped_server(probe, start):
    """It accepts, and says nothing."""
    server = start(servers.Mongo)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        r = probe.run("check", "--json", "--timeout", "300ms", server.uri)
        assert verdict(r) == "timeout" and "no reply to hello" in last(r)["detail"], str(r)
    finally:
        os.kill(server.pid, signal.SIGCONT)


# ---- what each member is


def test_members(probe, scripted):
    """In the document and in /metrics: a member that answers, and one that does not."""
    port = scripted("--set", "rs0", "primary")
    target = f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
    agent = probe.agent(f"[probe db]\ninterval = 100ms\nuri = {target}\nmin_members = 2\n")
    agent.wait_status("db", "unhealthy")
    here, gone = agent.probe("db")["members"]
    assert (here["name"], here["state"], here["up"], here["error"]) == (
        f"127.0.0.1:{port}", "primary", True, None)
    assert here["rtt_ms"] > 0 and here["lag_ms"] is None
    assert (gone["name"], gone["state"], gone["up"], gone["rtt_ms"]) == (
        "127.0.0.1:1", "unreachable", False, None)
    assert "connection refused" in gone["error"]
    metrics = agent.get("/metrics").text
    assert f'probe_mongo_member_up{{name="db",member="127.0.0.1:{port}"}} 1\n' in metrics
    assert 'probe_mongo_member_up{name="db",member="127.0.0.1:1"} 0\n' in metrics
    assert f'probe_mongo_member_state{{name="db",member="127.0.0.1:{port}",state="primary"}} 1\n' in metrics
    agent.stop()


def test_members_lag(probe, scripted):
    port = scripted("--set", "rs0", "lagging")
    target = f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
    agent = probe.agent(f"[probe db]\ninterval = 100ms\nuri = {target}\n")
    agent.wait_status("db", "healthy")
    lag = next(m for m in agent.probe("db")["members"] if m["state"] == "secondary")["lag_ms"]
    assert 59000 < lag < 61000
    assert 'probe_mongo_member_lag_seconds{name="db",member=' in agent.get("/metrics").text
    agent.stop()


# ---- the driver's child


def test_child_is_killed_at_the_deadline(probe, driver, serve):
    server = serve(hostile.silent)
    r = probe.run(
        "check", "--json", "--timeout", "300ms", f"mongodb://u:p@127.0.0.1:{server.port}/?{driver}"
    )
    assert verdict(r) == "timeout", str(r)


def test_names_of_the_driver(probe, driver, scripted, dns):
    """It asks the servers of PROBE_DNS_SERVERS as well, though a library of its own does."""
    server = dns({"db.shop.test": ["127.0.0.1"]}, probe)
    uri = f"mongodb://user:pencil@db.shop.test:{scripted('aws')}/?{driver}"
    r = check(probe, uri, env={"PROBE_DNS_SERVERS": server.address})
    assert r.code == 0, str(r)
    assert verdict(check(probe, uri)) in ("dns", "timeout")


def test_hostile_replies_to_the_driver(probe, driver, scripted):
    """Some of them crash it: whatever it does, nothing reads healthy that is not."""
    for scenario in ("garbage", "http", "huge-length", "deep-document", "reset-mid", "close-at-accept"):
        r = check(probe, f"mongodb://u:p@127.0.0.1:{scripted(scenario)}/?{driver}")
        assert r.code == 1 and verdict(r) not in ("internal", "ok"), f"{scenario}: {r}"


def mutated(probe, port, n, path="", *args):
    """n checks, each of another mutated reply; their reasons."""
    targets = [f"m{i}=mongodb://127.0.0.1:{port}/{path}" for i in range(n)]
    r = probe.run("check", "--json", "--timeout", "20s", *args, *targets, timeout=60)
    assert r.code == 1, str(r)
    return {"ok" if p["last"]["ok"] else p["last"]["reason"] for p in r.json["probes"]}


def test_one_wrong_byte_is_never_healthy(probe, scripted):
    """PROBE_MUTATIONS=10000 for the long run."""
    port = scripted("mutated-ping")
    for _ in range(max(1, int(os.environ.get("PROBE_MUTATIONS", "1000")) // 250)):
        assert mutated(probe, port, 250) <= {"protocol", "closed"}


def test_one_wrong_byte_in_a_set_is_never_healthy(probe, scripted):
    port = scripted("--set", "rs0", "mutated-ping")
    assert mutated(probe, port, 250, "?directConnection=false") <= {"protocol", "closed"}


@pytest.mark.skipif(
    bool(os.environ.get("PROBE_SANITIZED")),
    reason="a sanitizer turns the child's crash signal into an exit; the plain and static builds tell",
)
def test_crash_is_told(probe, driver, serve, scripted):
    """A child that is killed by another hand is ours to blame, not the server's."""
    port = scripted("silent")
    p = probe.spawn("check", "--json", "--timeout", "20s", f"mongodb://u:p@127.0.0.1:{port}/?{driver}")

    def kill():
        done = subprocess.run(["pgrep", "-P", str(p.pid)], capture_output=True, text=True)
        for pid in done.stdout.split():
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read() == b"probe\0__mongo\0":
                    os.kill(int(pid), signal.SIGSEGV)
                    return True
        return False

    wait_until(kill, 10, "the driver's child runs")
    assert p.wait(30) == 1
    out = (probe.dir / "stdout.0").read_text()
    assert '"protocol"' in out and "SIGSEGV" in out, out


def test_starved_of_workers(probe, driver, serve):
    """Who gets no place, or one too late, is not the server's fault."""
    uri = f"mongodb://u:p@127.0.0.1:{serve(hostile.silent).port}/?{driver}"
    names = "abcde"
    config = probe.write(
        "p.ini",
        "[agent]\nmax_workers = 2\n" + "".join(f"[probe {n}]\nuri = {uri}\n" for n in names),
    )
    r = probe.run("check", "--json", "-c", config, *names, "--timeout", "500ms")
    reasons = sorted(p["last"]["reason"] for p in r.json["probes"])
    assert r.code != 0 and reasons == ["internal"] * 3 + ["timeout"] * 2, str(r)


# ---- an agent's deployments that hang


def timed_out(state, words):
    last = state["last"] or {"reason": None, "detail": ""}
    return last["reason"] == "timeout" and words in last["detail"]


def test_hanging_deployments_take_no_place(probe, serve, scripted):
    """Nor do they keep others from being checked."""
    uri = f"mongodb://127.0.0.1:{serve(hostile.silent).port},127.0.0.1:{free_port()}/?replicaSet=rs0"
    good = f"mongodb://127.0.0.1:{scripted('up')}/?directConnection=false"
    agent = probe.agent(
        "[defaults]\ninterval = 100ms\ntimeout = 1s\n"
        + "".join(f"[probe {n}]\nuri = {uri}\n" for n in "abcd")
        + f"[probe good]\nuri = {good}\n",
        agent="max_workers = 1\n",
    )
    for n in "abcd":
        wait_until(lambda n=n: timed_out(agent.probe(n), "no answer yet, 127"), 20, "a timeout")
    agent.wait_status("good", "healthy")
    before = agent.probe("good")
    wait_until(lambda: agent.probe("good")["checks_total"] > before["checks_total"] + 9, 20, "10 more")
    assert agent.probe("good")["failures_total"] == before["failures_total"], agent.probe("good")


def test_a_deployment_that_hung_is_seen_again(probe, start):
    server = start(servers.Mongo)
    agent = probe.agent(
        "[defaults]\ninterval = 100ms\ntimeout = 1s\nretries = 1\n"
        f"[probe db]\nuri = {server.uri}?directConnection=false\n"
    )
    agent.wait_status("db", "healthy")
    os.kill(server.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: timed_out(agent.probe("db"), "no answer yet"), 20, "a timeout")
    finally:
        os.kill(server.pid, signal.SIGCONT)
    agent.wait_status("db", "healthy")
    server.down()
    wait_until(lambda: agent.probe("db")["last"]["reason"] == "refused", 20, "a refusal")


# ---- the agent's kept connection


def test_agent_sees_a_restart(probe, start):
    server = start(servers.Mongo)
    agent = probe.agent(f"[defaults]\ninterval = 100ms\nretries = 1\n[probe db]\nuri = {server.uri}\n")
    agent.wait_status("db", "healthy")
    server.down()
    agent.wait_status("db", "unhealthy")
    assert agent.probe("db")["last"]["reason"] == "refused"
    server.up()
    agent.wait_status("db", "healthy")


@pytest.mark.parametrize("scenario", ["close-idle", "reset-idle", "garbage-idle"])
def test_agent_blames_no_server_for_its_idle_connection(probe, scripted, scenario):
    port = scripted(scenario)
    agent = probe.agent(
        f"[defaults]\ninterval = 10ms\nretries = 1\n[probe db]\nuri = mongodb://127.0.0.1:{port}/\n"
    )
    agent.wait_status("db", "healthy")
    wait_until(lambda: agent.probe("db")["checks_total"] > 30, 20, "30 checks")
    assert agent.probe("db")["failures_total"] == 0, agent.probe("db")


# ---- the init phase of the official image, replayed in namespaces of its own

UNSHARE = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "bash", "-c"]
TEMPORARY = (
    "mongod --bind_ip 127.0.0.1 --port 27017 --sslMode disabled --logappend "
    "--pidfilepath /tmp/docker-entrypoint-temp-mongod.pid --fork"
)


def container(scenario, seen):
    """A prefix under which a server plays `scenario` on 127.0.0.1:27017 and, with `seen`, a process
    is there that calls itself mongod and has these arguments."""
    fake = ""
    if seen:
        fake = f"printf '#!/bin/bash\\nsleep 60; :\\n' >mongod; chmod +x mongod; ./{seen} & "
    return [
        *UNSHARE,
        f"rm -f port; ip link set lo up; {fake}"
        f"/usr/bin/python3 {shlex.quote(str(SCRIPTED))} --port 27017 {scenario} >port & "
        'for i in {1..500}; do [ -s port ] && break; sleep 0.01; done; "$@"',
        "container",
    ]


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and namespaces"
)
@pytest.mark.parametrize(
    "scenario, seen, expected",
    [
        ("init", "", "init-phase"),  # the server says so itself
        ("up", TEMPORARY, "init-phase"),  # its command line is seen
        ("guarded", "", "ok"),  # a real one, which tells nobody
        ("up", "", "ok"),
        ("up", "mongod --auth --bind_ip_all", "ok"),
        ("up", "mongod --pidfilepath /run/mongod.pid --fork", "ok"),
    ],
)
def test_init_phase(probe, scenario, seen, expected):
    for host in ("127.0.0.1", "localhost"):
        r = check(probe, f"mongodb://{host}/", prefix=container(scenario, seen))
        assert verdict(r) == expected, str(r)
    r = check(probe, "mongodb://localhost/?directConnection=false", prefix=container(scenario, seen))
    assert verdict(r) == expected, f"as a deployment: {r}"
    r = check(probe, "mongodb://127.0.0.1/", more="init_guard = off", prefix=container(scenario, seen))
    assert r.code == 0, str(r)


@pytest.mark.parametrize("args, expected", [
    (["--pidfilepath", "/tmp/docker-entrypoint-temp-mongod.pid", "--fork"], "init-phase"), (["--auth"], "ok")])
def test_init_phase_on_a_socket(probe, args, expected):
    """The command line of who listens there tells: this server itself denies it."""
    path, mongod = probe.path("mongodb-27017.sock"), probe.path("mongod")
    mongod.symlink_to("/usr/bin/python3")
    run = (f"import runpy, sys; sys.path.insert(0, '{SCRIPTED.parent}'); "
           f"sys.argv = ['', '--unix', '{path}', 'up']; runpy.run_path('{SCRIPTED}', run_name='__main__')")
    with subprocess.Popen([mongod, "-c", run, *args], stdout=subprocess.PIPE, text=True) as p:
        try:
            assert p.stdout.readline()
            r = check(probe, "mongodb://" + str(path).replace("/", "%2F"))
            assert verdict(r) == expected, str(r)
        finally:
            p.kill()
