"""redis: against a real redis-server, in each state that it can be brought into."""

import pytest

from lib import servers
from lib.net import free_port, wait_until


def check(probe, text, *args):
    config = probe.write("probe.ini", f"[probe x]\ntimeout = 5s\n{text}\n")
    return probe.run("check", "--json", "-c", config, "x", *args)


def says(probe, text, reason, detail=""):
    r = check(probe, text)
    last = r.json["probes"][0]["last"]
    assert (last["reason"] or "ok") == reason and detail in last["detail"], str(r)
    assert r.code == (0 if reason == "ok" else 1), str(r)
    return r


@pytest.fixture(scope="module")
def redis():
    server = servers.Redis()
    yield server
    server.close()


def uri(server, rest=""):
    return f"uri = redis://127.0.0.1:{server.port}{rest}"


def test_pong(probe, redis):
    r = probe.run("check", f"redis://127.0.0.1:{redis.port}", f"redis+unix://{redis.socket}")
    assert r.code == 0 and r.out.count("PONG") == 2, str(r)
    says(probe, f"{uri(redis)}/3", "ok")
    says(probe, f"{uri(redis)}/99", "mismatch", "out of range")
    says(probe, f"{uri(redis)}\nrequire = writable", "ok", "master with 0 replicas")
    says(probe, f"{uri(redis)}\nrequire = replica", "mismatch", "not a replica")


def test_agent_sees_it_go_and_come(probe, start):
    server = start(servers.Redis)
    agent = probe.agent(f"[probe x]\n{uri(server)}\ninterval = 50ms\ntimeout = 2s\nretries = 1\n")
    agent.wait_status("x", "healthy")
    server.down()
    assert agent.wait_status("x", "unhealthy")["last"]["reason"] in ("refused", "reset", "closed")
    server.up()
    agent.wait_status("x", "healthy")
    agent.stop()


def test_login(probe, start):
    server = start(servers.Redis, "--requirepass", "hunter2secret")
    server.cli("-a", "hunter2secret", "acl", "setuser", "health", "on", ">p@ss/w:rd", "+ping")
    at = f"127.0.0.1:{server.port}"
    r = says(probe, f"uri = redis://{at}", "auth", "it is alive, and wants a login")
    assert "NOAUTH" in r.out, str(r)
    says(probe, f"uri = redis://:hunter2secret@{at}", "ok")
    says(probe, f"uri = redis://default:hunter2secret@{at}", "ok")
    secret = probe.write("secret", "p@ss/w:rd\n")
    says(probe, f"uri = redis://{at}\nuser = health\npassword_file = {secret}", "ok")
    says(probe, f"uri = redis://health:p%40ss%2Fw%3Ard@{at}", "ok")
    says(probe, f"uri = redis://health:p%40ss%2Fw%3Ard@{at}\nrequire = data", "auth", "NOPERM")
    r = says(probe, f"uri = redis://health:wrongsecret@{at}", "auth", "WRONGPASS")
    assert "wrongsecret" not in r.out + r.err, str(r)
    explained = probe.run("explain", "-c", probe.dir / "probe.ini")
    assert "wrongsecret" not in explained.out + explained.err, str(explained)


def test_password_that_the_server_has_not(probe, redis):
    says(probe, f"uri = redis://:pencil@127.0.0.1:{redis.port}", "auth", "the login is refused")


def test_tls(probe, start, certs):
    server = start(servers.Redis, tls=certs.pair())
    at = f"127.0.0.1:{server.port}"
    says(probe, f"uri = rediss://{at}\ntls_ca = {certs.ca}", "ok")
    says(probe, f"uri = rediss://{at}", "tls")
    says(probe, f"uri = rediss://{at}\ntls_verify = no\nrequire = master", "ok")
    r = says(probe, f"uri = rediss://{at}\ntls_ca = {certs.ca}\ntls_min_days = 30", "ok")
    assert "tls_min_days is 30" in r.json["probes"][0]["last"]["warning"], str(r)
    r = check(probe, f"uri = redis://{at}")
    assert r.code == 1 and r.json["probes"][0]["last"]["reason"] in ("closed", "reset", "protocol"), str(r)


def test_replica(probe, start):
    master = start(servers.Redis)
    replica = start(servers.Redis, "--replicaof", f"127.0.0.1 {master.port}",
                    "--replica-serve-stale-data", "no", "--repl-timeout", "2")
    wait_until(lambda: "master_link_status:up" in replica.cli("info").stdout, 20, "it replicates")
    says(probe, f"{uri(replica)}\nrequire = replica\nmax_lag = 11s", "ok", "replica of 127.0.0.1")
    r = says(probe, f"{uri(replica)}\nwarn_lag = 11s", "ok")
    assert r.json["probes"][0]["last"]["warning"] is None, str(r)
    says(probe, f"{uri(replica)}\nrequire = data", "ok")
    says(probe, f"{uri(replica)}\nrequire = writable", "not-writable", "not a master")
    says(probe, f"{uri(replica)}\nrequire = master", "not-writable")
    says(probe, f"{uri(master)}\nrequire = master", "ok", "master with 1 replicas")
    master.down()
    wait_until(lambda: "master_link_status:down" in replica.cli("info").stdout, 20, "the link is down")
    says(probe, uri(replica), "not-ready", "MASTERDOWN")
    replica.cli("config", "set", "replica-serve-stale-data", "yes")
    says(probe, uri(replica), "ok")
    r = says(probe, f"{uri(replica)}\nwarn_lag = 11s", "ok")
    assert "its link is down" in r.json["probes"][0]["last"]["warning"], str(r)
    says(probe, f"{uri(replica)}\nrequire = data", "not-ready", "its link is down")


def test_loading(probe, start):
    server = start(servers.Redis, "--rdbcompression", "no")
    server.cli("eval", "for i=1,300 do redis.call('set', 'k' .. i, string.rep('x', 2000)) end", "0")
    server.cli("save")
    server.down()
    server.options = ("--key-load-delay", "100000", "--loading-process-events-interval-bytes", "1024")
    server.loads = True
    server.up()
    says(probe, uri(server), "not-ready", "LOADING")
    says(probe, f"{uri(server)}\nrequire = data", "not-ready", "it loads its data")


def test_cannot_save(probe, start):
    server = start(servers.Redis, "--enable-protected-configs", "yes")
    folder = server.dir / "gone"
    folder.mkdir()
    server.cli("config", "set", "dir", folder)
    server.cli("config", "set", "save", "3600 1")
    folder.rmdir()
    server.cli("bgsave")
    wait_until(lambda: "bgsave_status:err" in server.cli("info").stdout, 20, "it could not save")
    says(probe, uri(server), "not-writable", "MISCONF")


def test_busy_with_a_script(probe, start):
    server = start(servers.Redis, "--busy-reply-threshold", "10")
    client = servers.subprocess.Popen(["redis-cli", "-s", server.socket, "eval", "while true do end", "0"])
    wait_until(lambda: "BUSY" in server.cli("ping").stdout, 20, "it is busy")
    says(probe, uri(server), "not-ready", "a script holds it up")
    server.down()
    client.wait(20)


def test_full(probe, start):
    server = start(servers.Redis, "--maxclients", "1")
    client = servers.socket.create_connection(("127.0.0.1", server.port))
    with client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        says(probe, uri(server), "full", "max number of clients")


def test_cluster_without_slots(probe, start):
    server = start(servers.Redis, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    says(probe, uri(server), "ok")
    says(probe, f"{uri(server)}\nrequire = data", "not-ready", "the cluster's state is fail")
    server.cli("cluster", "addslotsrange", "0", "16383")
    wait_until(lambda: "state:ok" in server.cli("cluster", "info").stdout, 20, "the cluster is up")
    says(probe, f"{uri(server)}\nrequire = writable", "ok")


def test_sentinel(probe, start):
    server = start(servers.Redis, sentinel=True)
    says(probe, uri(server), "ok")
    says(probe, f"{uri(server)}\nrequire = data", "mismatch", "a sentinel")


@pytest.mark.parametrize(
    "lines, words",
    [
        ("uri = redis://a:1,b:2", "several hosts"),
        ("uri = redis://a/x", "the database is not a number"),
        ("uri = redis://a\nuser = u", "a user name without a password"),
        ("uri = redis://u:p@a\npassword = q", "given twice"),
        ("uri = redis://:p%zz@a", "hex digits"),
        ("uri = redis:///1", "no host"),
        ("uri = redis://a\ntls_ca = /etc/passwd", "TLS is off"),
        ("uri = redis+unix://a/b", "the path of a socket"),
    ],
)
def test_settings_that_are_refused(probe, lines, words):
    config = probe.write("probe.ini", f"[probe x]\ntype = redis\n{lines}\n")
    r = probe.run("validate", "-c", config)
    assert r.code == 78 and words in r.out + r.err, str(r)


def test_the_uri_tells_the_type(probe, redis):
    says(probe, uri(redis), "ok", "PONG")
    config = probe.write("probe.ini", "[probe x]\nuri = mongodb://127.0.0.1:1/\n[probe y]\nuri = redis://a\n")
    r = probe.run("explain", "-c", config)
    assert "type = mongo" in r.out and "type = redis" in r.out, str(r)
