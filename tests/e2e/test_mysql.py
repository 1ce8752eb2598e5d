"""mysql: against a real MariaDB, in each state that it can be brought into."""

import signal
import socket
import subprocess

import pytest

from lib import servers
from lib.net import wait_until


def check(probe, text, *args, **kw):
    config = probe.write("probe.ini", f"[probe x]\ntimeout = 5s\n{text}\n")
    return probe.run("check", "--json", "-c", config, "x", *args, **kw)


def says(probe, text, reason, detail="", code=None, **kw):
    r = check(probe, text, **kw)
    last = r.json["probes"][0]["last"]
    assert (last["reason"] or "ok") == reason and detail in last["detail"], str(r)
    assert r.code == (code or (0 if reason == "ok" else 1)), str(r)
    return r


@pytest.fixture(scope="module")
def mariadb():
    server = servers.Mariadb()
    yield server
    server.close()


def at(server, rest=""):
    return f"uri = mysql://127.0.0.1:{server.port}/{rest}"


def as_user(server, rest="", password="pencil"):
    return f"uri = mysql://health:{password}@127.0.0.1:{server.port}/{rest}"


def by_socket(server):
    return f"uri = mysql:///?socket={server.socket}"


def test_without_a_login(probe, mariadb):
    r = probe.run("check", f"mysql://127.0.0.1:{mariadb.port}")
    assert r.code == 0 and "1045" in r.out and "MariaDB 1" in r.out, str(r)
    says(probe, at(mariadb) + "\nrequire = login", "auth", "1045")
    says(probe, by_socket(mariadb), "ok")


def test_login(probe, mariadb):
    says(probe, as_user(mariadb), "ok", "ping ok as health, MariaDB 1")
    says(probe, as_user(mariadb) + "\nrequire = login", "ok")
    says(probe, as_user(mariadb) + "\nrequire = writable", "ok")
    says(probe, as_user(mariadb, "nothere"), "mismatch", "health")
    says(probe, as_user(mariadb, "information_schema"), "ok")
    r = says(probe, as_user(mariadb, password="wrongsecret"), "auth", "1045")
    assert "wrongsecret" not in r.out + r.err
    secret = probe.write("secret", "pencil\n")
    says(probe, at(mariadb) + f"\nuser = health\npassword_file = {secret}\nrequire = login", "ok")
    says(probe, by_socket(mariadb) + "\nuser = root\nrequire = writable", "ok", "ping ok as root")


def test_a_login_that_probe_has_not(probe, start):
    server = start(servers.Mariadb, "--plugin-load-add=auth_ed25519")
    server.sql("CREATE USER odd@'%' IDENTIFIED VIA ed25519 USING PASSWORD('pencil')")
    says(probe, f"uri = mysql://odd:pencil@127.0.0.1:{server.port}", "auth", "client_ed25519, which probe does not know")


def test_read_only(probe, start):
    server = start(servers.Mariadb, "--read-only")
    says(probe, as_user(server) + "\nrequire = writable", "not-writable", "read_only is on")
    says(probe, as_user(server) + "\nrequire = login", "ok")


def test_tls(probe, start, certs):
    server = start(servers.Mariadb, tls=certs.pair())
    server.sql("CREATE USER safe@'%' IDENTIFIED BY 'pencil' REQUIRE SSL")
    says(probe, as_user(server, "?ssl-mode=required"), "ok")
    says(probe, as_user(server, "?ssl-mode=preferred"), "ok")
    says(probe, as_user(server, "?ssl-mode=VERIFY_IDENTITY"), "tls")
    says(probe, as_user(server, f"?ssl-mode=verify_identity\ntls_ca = {certs.ca}"), "ok")
    r = says(probe, as_user(server, f"\ntls_ca = {certs.ca}\ntls_min_days = 30"), "ok")
    assert "tls_min_days is 30" in r.json["probes"][0]["last"]["warning"], str(r)
    safe = f"uri = mysql://safe:pencil@127.0.0.1:{server.port}/"
    says(probe, safe, "auth")
    says(probe, f"{safe}?ssl-mode=required\nrequire = writable", "ok")


def test_tls_that_the_server_has_not(probe, mariadb):
    says(probe, as_user(mariadb, "?ssl-mode=required"), "tls", "the server has no TLS")
    says(probe, as_user(mariadb, "?ssl-mode=preferred"), "ok")


def test_full(probe, start):
    server = start(servers.Mariadb, "--max-connections=10")
    clients = []

    def full():
        """One client more each time: on a busy machine one comes late, or not at all."""
        clients.append(subprocess.Popen(["mariadb", "--no-defaults", "-uroot", "-S", server.socket], stdin=subprocess.PIPE))
        return check(probe, at(server)).json["probes"][0]["last"]["reason"] == "full"

    wait_until(full, 20, "it is full")
    says(probe, as_user(server), "full", "1040")
    for client in clients:
        client.stdin.close()
        client.wait(20)


def own_address():
    said = subprocess.run(["ip", "-o", "-4", "addr", "show", "scope", "global"], capture_output=True, text=True).stdout
    return said.split()[3].split("/")[0] if said else None


def test_nothing_is_counted_against_the_host(probe, start):
    """max_connect_errors is 2: more checks than that, and then the same of connections that are cut. The server
    counts for other hosts than its own loopback only."""
    address = own_address()
    if not address:
        pytest.skip("no address but the loopback's")
    server = start(servers.Mariadb, "--max-connect-errors=2", "--performance-schema=ON",
                   "--plugin-load-add=auth_ed25519", host="0.0.0.0")
    server.sql("CREATE USER odd@'%' IDENTIFIED VIA ed25519 USING PASSWORD('pencil')")
    where = f"{address}:{server.port}"
    counted = lambda: server.sql("SELECT COALESCE(SUM(sum_connect_errors), 0) FROM performance_schema.host_cache")
    cached = lambda: int(server.sql("SELECT COUNT(*) FROM performance_schema.host_cache"))
    for lines in (f"uri = mysql://{where}", f"uri = mysql://health:pencil@{where}\nrequire = writable") * 3:
        says(probe, lines, "ok")
    says(probe, f"uri = mysql://health:wrong@{where}", "auth")
    says(probe, f"uri = mysql://health:pencil@{where}/?ssl-mode=required", "tls")
    says(probe, f"uri = mysql://odd:pencil@{where}", "auth", "which probe does not know")
    assert counted() == "0" and cached() == 1, counted()
    for _ in range(4):
        with socket.create_connection((address, server.port)) as sock:
            sock.recv(100)
    wait_until(lambda: int(counted()) >= 2, 20, "connections that are cut are counted")
    says(probe, f"uri = mysql://{where}", "auth", "1129")


def test_init_phase(probe, start):
    """The temporary server, as the entrypoint of the image starts it."""
    server = start(servers.Mariadb, "--skip-networking", "--default-time-zone=SYSTEM", "--wsrep_on=OFF",
                   networking=False)
    says(probe, by_socket(server), "init-phase", "its command line tells")
    says(probe, by_socket(server) + "\nuser = root\ninit_guard = off", "ok")
    # From another pid namespace, as in a container that shares no more than the socket.
    prefix = ["unshare", "--pid", "--fork", "--mount-proc"]
    says(probe, by_socket(server) + "\nuser = root", "init-phase", "skip_networking tells", prefix=prefix)
    says(probe, by_socket(server), "internal", "expected a login", code=70, prefix=prefix)


@pytest.mark.parametrize("options, networking", [
    # MariaDB's image, then Bitnami's.
    (("--skip-networking", "--default-time-zone=SYSTEM", "--wsrep_on=OFF", "--expire-logs-days=0",
      "--loose-innodb_buffer_pool_load_at_startup=0", "--skip-ssl"), False),
    (("--bind-address=127.0.0.1", "--skip-slave-start"), True),
])
def test_init_phase_replayed(probe, start, options, networking):
    """As the image's entrypoint goes: the temporary server, scripts, its end, the real one."""
    server = start(servers.Mariadb, *options, networking=networking)
    waiting = probe.spawn("wait", "--timeout", "60s", by_socket(server)[6:])
    says(probe, by_socket(server), "init-phase", "its command line tells")
    server.sql("CREATE DATABASE shop")
    says(probe, by_socket(server), "init-phase")
    server.down(signal.SIGTERM)
    says(probe, by_socket(server), "refused")
    assert waiting.poll() is None, "the temporary server was taken for the real one"
    server.options, server.networking = (), True
    server.up()
    assert waiting.wait(30) == 0
    says(probe, as_user(server), "ok")


def test_real_server_that_is_not_seen(probe, mariadb):
    prefix = ["unshare", "--pid", "--fork", "--mount-proc"]
    says(probe, by_socket(mariadb) + "\nuser = root", "ok", prefix=prefix)


@pytest.mark.parametrize(
    "uri, words",
    [
        ("mysql://a:1,b:2/", "several hosts"),
        ("mysql://a/?ssl-mode=maybe", "ssl-mode is none of"),
        ("mysql://a/?tls=true", "the keys tls_* say it"),
        ("mysql:///db", "no host"),
        ("mysql://:p@a/", "a password without a user name"),
        ("mysql:///?socket=x", "not an absolute path"),
    ],
)
def test_settings_that_are_refused(probe, uri, words):
    config = probe.write("probe.ini", f"[probe x]\nuri = {uri}\n")
    r = probe.run("validate", "-c", config)
    assert r.code == 78 and words in r.out + r.err, str(r)
