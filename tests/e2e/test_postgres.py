"""postgres: against a real PostgreSQL, in each state that it can be brought into."""

import re
import signal
import subprocess

import pytest

from lib import servers
from lib.net import wait_until


def check(probe, text, *args):
    config = probe.write("probe.ini", f"[probe x]\ntimeout = 5s\n{text}\n")
    return probe.run("check", "--json", "-c", config, "x", *args)


def says(probe, text, reason, detail="", code=None):
    r = check(probe, text)
    last = r.json["probes"][0]["last"]
    assert (last["reason"] or "ok") == reason and detail in last["detail"], str(r)
    assert r.code == (code or (0 if reason == "ok" else 1)), str(r)
    return r


@pytest.fixture(scope="module")
def postgres():
    server = servers.Postgres()
    yield server
    server.close()


def at(server, rest=""):
    return f"uri = postgres://127.0.0.1:{server.port}{rest}"


def by_socket(server, rest=""):
    return f"uri = postgresql:///?host={server.dir}&port={server.port}{rest}"


def as_user(server, password="pencil", rest=""):
    return f"uri = postgres://postgres:{password}@127.0.0.1:{server.port}{rest}"


def test_ping_without_a_login(probe, postgres):
    r = probe.run("check", f"postgres://127.0.0.1:{postgres.port}", f"postgresql://127.0.0.1:{postgres.port}/any")
    assert r.code == 0 and r.out.count("asks for a login by SCRAM") == 2, str(r)
    says(probe, at(postgres) + "\nrequire = login", "auth", "the password is not set")


def test_login(probe, postgres):
    says(probe, as_user(postgres) + "\nrequire = login", "ok", "let in as postgres")
    says(probe, as_user(postgres) + "\nrequire = primary", "ok", "a primary")
    says(probe, as_user(postgres) + "\nrequire = writable", "ok")
    says(probe, as_user(postgres) + "\nrequire = standby", "mismatch", "not a standby")
    says(probe, as_user(postgres, rest="/nothere"), "mismatch", "3D000")
    r = says(probe, as_user(postgres, "wrongsecret"), "auth", "28P01")
    assert "wrongsecret" not in r.out + r.err
    secret = probe.write("secret", "pencil\n")
    says(probe, at(postgres) + f"\nuser = postgres\npassword_file = {secret}\nrequire = login", "ok")


def test_the_ways_a_server_may_ask(probe, start):
    hba = "".join(f"host all {name} 127.0.0.1/32 {kind}\n" for name, kind in
                  (("plain", "password"), ("old", "md5"), ("shut", "reject"), ("open", "trust")))
    server = start(servers.Postgres, "-c", "password_encryption=md5", hba=hba + "local all all trust\n")
    for name in ("plain", "old", "shut", "open"):
        server.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'pencil'")
    uri = lambda name, rest="": f"uri = postgres://{name}:pencil@127.0.0.1:{server.port}/postgres{rest}"
    says(probe, uri("old"), "ok", "let in as old")
    says(probe, uri("open") + "\nrequire = writable", "ok", "let in as open")
    says(probe, uri("shut"), "auth", "28000")
    says(probe, uri("plain"), "auth", "in the clear")
    says(probe, at(server), "ok", "accepts connections, but not ours")


def test_unix_socket(probe, postgres):
    says(probe, by_socket(postgres), "ok", "let in as postgres")
    says(probe, by_socket(postgres, "&dbname=template1&user=postgres") + "\nrequire = primary", "ok")
    escaped = str(postgres.dir).replace("/", "%2F")
    says(probe, f"uri = postgres://{escaped}:{postgres.port}/postgres", "ok")


def test_tls(probe, start, certs):
    hba = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
    server = start(servers.Postgres, tls=certs.pair(), hba=hba)
    says(probe, as_user(server, rest="/?sslmode=require"), "ok")
    says(probe, as_user(server, rest="/?sslmode=prefer"), "ok")
    says(probe, as_user(server, rest="/?sslmode=verify-full"), "tls")
    says(probe, as_user(server, rest=f"/?sslmode=verify-full\ntls_ca = {certs.ca}"), "ok")
    r = says(probe, as_user(server, rest=f"\ntls_ca = {certs.ca}\ntls_min_days = 30"), "ok")
    assert "tls_min_days is 30" in r.json["probes"][0]["last"]["warning"], str(r)
    says(probe, as_user(server), "ok")
    says(probe, as_user(server, rest="/?sslmode=allow"), "ok")
    says(probe, as_user(server, rest="/?sslmode=disable"), "auth", "no encryption")
    says(probe, as_user(server, rest=f"/?sslmode=verify-full&sslrootcert={certs.ca}"), "ok")
    elsewhere = certs.pair("elsewhere", names="DNS:elsewhere.test")
    server.down(signal.SIGINT)
    other = start(servers.Postgres, tls=elsewhere, hba=hba)
    says(probe, as_user(other, rest=f"/?sslmode=verify-full&sslrootcert={certs.ca}"), "tls")
    says(probe, as_user(other, rest=f"/?sslmode=verify-ca&sslrootcert={certs.ca}"), "ok")
    says(probe, as_user(other, rest=f"/?sslmode=require&sslrootcert={certs.ca}"), "ok")
    says(probe, as_user(other, rest="/?sslmode=verify-ca"), "tls")


def test_password_in_the_clear(probe, start, certs):
    """Not by TLS that nobody asked for: whoever is on the way has a certificate too."""
    server = start(servers.Postgres, tls=certs.pair(), hba="local all all trust\nhost all all 127.0.0.1/32 password\n")
    says(probe, as_user(server), "auth", "in the clear")
    says(probe, as_user(server, rest="/?sslmode=prefer"), "ok", "let in as postgres")
    says(probe, as_user(server, rest="/?sslmode=require"), "ok", "let in as postgres")
    says(probe, as_user(server, rest="/?sslmode=disable"), "auth", "in the clear")


def test_login_by_certificate(probe, start, certs):
    hba = "local all all trust\nhostssl all all 127.0.0.1/32 cert\n"
    probe.dir.chmod(0o755)
    ca = probe.write("ca.pem", certs.ca.read_text())
    ca.chmod(0o644)
    server = start(servers.Postgres, "-c", f"ssl_ca_file={ca}", tls=certs.pair(), hba=hba)
    cert, key = certs.pair("postgres")
    files = f"sslcert={cert}&sslkey={key}"
    says(probe, at(server, f"/?sslmode=require&{files}") + "\nrequire = login", "ok", "let in as postgres")
    says(probe, at(server, "/?sslmode=require") + "\nrequire = login", "auth", "28000")


def test_several_hosts(probe, start):
    primary = start(servers.Postgres, hba="local all all trust\nlocal replication all trust\n" + servers.Postgres.HBA)
    standby = start(servers.Postgres, of=primary)
    hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
    uri = lambda query: f"uri = postgres://postgres:pencil@{hosts}/postgres?{query}"
    says(probe, uri(""), "ok", "let in as postgres")
    says(probe, uri("target_session_attrs=read-write") + "\nrequire = writable", "ok", f"{primary.port}: let in")
    says(probe, uri("target_session_attrs=standby") + "\nrequire = standby", "ok", f"{standby.port}: let in")
    says(probe, uri("target_session_attrs=prefer-standby") + "\nrequire = primary", "not-writable", "a standby")
    by_options = f"uri = postgres://postgres:pencil@/?host=127.0.0.1,localhost&port={standby.port},{primary.port}"
    says(probe, by_options + "&target_session_attrs=primary", "ok")
    r = probe.run("explain", "-c", probe.write("probe.ini", f"[probe x]\n{uri('')}\n"), "x")
    assert hosts in r.out and "pencil" not in r.out, str(r)
    standby.down(signal.SIGINT)
    says(probe, uri(""), "ok", f"{primary.port}: let in")
    says(probe, uri("target_session_attrs=standby"), "mismatch", "refused")
    primary.down(signal.SIGINT)
    says(probe, uri(""), "refused", f"{standby.port}")


def test_options_of_the_session(probe, postgres):
    says(probe, as_user(postgres, rest="/?options=-c%20default_transaction_read_only%3Don") + "\nrequire = writable",
         "not-writable", "read-only")


def test_tls_that_the_server_has_not(probe, postgres):
    says(probe, as_user(postgres, rest="/?sslmode=require"), "tls", "the server has no TLS")
    says(probe, as_user(postgres, rest="/?sslmode=prefer"), "ok")


def test_standby(probe, start):
    primary = start(servers.Postgres, hba="local all all trust\nlocal replication all trust\n" + servers.Postgres.HBA)
    standby = start(servers.Postgres, of=primary)
    says(probe, as_user(standby) + "\nrequire = standby", "ok", "a standby")
    says(probe, as_user(standby) + "\nrequire = login", "ok")
    says(probe, as_user(standby) + "\nrequire = primary", "not-writable", "a standby")
    primary.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    primary.sql("SELECT pg_reload_conf()")
    says(probe, as_user(primary) + "\nrequire = writable", "not-writable", "read-only")
    says(probe, as_user(primary) + "\nrequire = primary", "ok", "read-only")


def test_starting_up(probe, start):
    """A standby without its primary's files waits to be consistent: it starts for ever."""
    server = start(servers.Postgres, "-c", "hot_standby=off")
    server.down(signal.SIGINT)
    (server.data / "standby.signal").touch()
    server.options = ("-c", "hot_standby=off", "-c", "restore_command=false")
    server.up(ready=lambda: servers.accepts(server.port))
    says(probe, at(server), "not-ready", "57P03")
    says(probe, by_socket(server), "not-ready", "57P03")


def test_shutting_down(probe, start):
    server = start(servers.Postgres)
    client = subprocess.Popen(server.as_user(servers.postgres_bin("psql"), "-h", server.dir, "-p", server.port, "-U",
                                             "postgres"), stdin=subprocess.PIPE)
    wait_until(lambda: server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql'") == "2",
               20, "the client is in")
    server.process.send_signal(signal.SIGTERM)  # smart: it waits for the client
    wait_until(lambda: "smart shutdown" in server.log(), 20, "it shuts down")
    says(probe, at(server), "not-ready", "57P03")
    client.stdin.close()
    client.wait(20)


def test_full(probe, start):
    server = start(servers.Postgres, "-c", "max_connections=2", "-c", "superuser_reserved_connections=0",
                   "-c", "max_wal_senders=0")
    psql = server.as_user(servers.postgres_bin("psql"), "-h", server.dir, "-p", server.port, "-U", "postgres")
    clients = []

    def full():
        """One client more each time: one that came while a check had its place was refused."""
        clients.append(subprocess.Popen(psql, stdin=subprocess.PIPE))
        return check(probe, at(server)).json["probes"][0]["last"]["reason"] == "full"

    wait_until(full, 20, "it is full")
    says(probe, by_socket(server), "full", "53300")
    for client in clients:
        client.stdin.close()
        client.wait(20)


def test_the_log_stays_clean(probe, start, certs):
    server = start(servers.Postgres, "-c", "log_connections=off", tls=certs.pair())
    before = server.log()
    for lines in (at(server), by_socket(server), as_user(server), as_user(server) + "\nrequire = writable",
                  as_user(server, rest="/?sslmode=require")):
        says(probe, lines, "ok")
    server.down(signal.SIGINT)
    after = server.log()[len(before):]
    assert not re.search("FATAL|ERROR|WARNING|unexpected|could not|incomplete", after), after


def test_init_phase(probe, start):
    """The temporary server, as the entrypoint of Docker's image starts it."""
    server = start(servers.Postgres, "-c", "listen_addresses=")
    says(probe, by_socket(server), "init-phase", "its command line tells")
    says(probe, by_socket(server) + "\ninit_guard = off", "ok")


def test_init_phase_replayed(probe, start):
    """As the image's entrypoint goes: the temporary server, scripts, its end, the real one."""
    server = start(servers.Postgres, "-c", "listen_addresses=")
    waiting = probe.spawn("wait", "--timeout", "60s", by_socket(server)[6:], f"postgres://127.0.0.1:{server.port}")
    says(probe, by_socket(server), "init-phase")
    says(probe, at(server), "refused")
    server.sql("CREATE DATABASE shop")
    says(probe, by_socket(server), "init-phase")
    server.down(signal.SIGINT)
    says(probe, by_socket(server), "refused")
    assert waiting.poll() is None, "the temporary server was taken for the real one"
    server.options = ()
    server.up()
    assert waiting.wait(30) == 0
    says(probe, by_socket(server, "&dbname=shop") + "\nrequire = primary", "ok")


def test_init_phase_that_only_the_server_tells(probe, start):
    """From another pid namespace, as in a container that shares no more than the socket."""
    server = start(servers.Postgres, "-c", "listen_addresses=")
    config = probe.write("probe.ini", f"[probe x]\n{by_socket(server)}\n")
    prefix = ["unshare", "--pid", "--fork", "--mount-proc"]
    r = probe.run("check", "--json", "-c", config, "x", prefix=prefix)
    assert r.code == 1 and r.json["probes"][0]["last"]["reason"] == "init-phase", str(r)
    assert "listen_addresses tells" in r.out, str(r)
    real = start(servers.Postgres, hba="local all postgres trust\nlocal all all scram-sha-256\n")
    config = probe.write("probe.ini", f"[probe x]\n{by_socket(real)}\n")
    r = probe.run("check", "--json", "-c", config, "x", prefix=prefix)
    assert r.code == 0, str(r)
    config = probe.write("probe.ini", f"[probe x]\n{by_socket(real)}\nuser = other\n")
    r = probe.run("check", "--json", "-c", config, "x", prefix=prefix)
    assert r.code == 70 and "expected a login" in r.out, str(r)


@pytest.mark.parametrize(
    "uri, words",
    [
        ("postgres://a:1,b:x/", "is not a port"),
        ("postgres://a,b,c/?port=1,2", "2 ports for 3 hosts"),
        ("postgres://a,/", "no host"),
        ("postgres://a/?sslmode=Require", "sslmode is none of disable, allow, prefer"),
        ("postgres://a/?sslrootcert=/x&sslmode=verify-ca", "/x: No such file"),
        ("postgres://a/?sslrootcert=system&sslmode=require", "expected sslmode=verify-full"),
        ("postgres://a/?sslmode=disable\ntls_min_days = 3", "TLS is off here"),
        ("postgres:///?host=/run/x\ntls_min_days = 3", "TLS is off here"),
        ("postgres://a/?sslcrl=/x", "the keys tls_* say"),
        ("postgres://a/?hostaddr=1.2.3.4", "hostaddr is refused"),
        ("postgres://a/?channel_binding=require", "channel_binding=require is refused"),
        ("postgres://a/?target_session_attrs=master", "target_session_attrs is none of"),
        ("postgres://a/?port=x", "the port is not a number"),
        ("postgres:///db", "no host"),
        ("postgres://a/?x", "name=value"),
        ("postgres://u:p%@a/", "hex digits"),
    ],
)
def test_settings_that_are_refused(probe, uri, words):
    config = probe.write("probe.ini", f"[probe x]\nuri = {uri}\n")
    r = probe.run("validate", "-c", config)
    assert r.code == 78 and words in r.out + r.err, str(r)


def test_pgbouncer(probe, start):
    """It answers for itself until one is logged in; then the server behind it is needed."""
    server = start(servers.Postgres)
    bouncer = start(servers.Pgbouncer, server)
    uri = lambda password, database: f"uri = postgres://postgres:{password}@127.0.0.1:{bouncer.port}/{database}"
    says(probe, at(bouncer, "/shop"), "ok", "asks for a login by SCRAM")
    says(probe, uri("pencil", "shop") + "\nrequire = writable", "ok", "a primary")
    says(probe, uri("other", "shop"), "auth")
    says(probe, uri("pencil", "nothere"), "mismatch", "no such database")
    server.down(signal.SIGQUIT)
    says(probe, at(bouncer, "/shop"), "ok")
    wait_until(lambda: check(probe, uri("pencil", "shop")).code == 1, 5, "it notices")
    says(probe, uri("pencil", "shop") + "\nrequire = writable", "not-ready")
