"""conf/recipes: each is good, is in the program as it stands, and tells a good server from a bad one;
on the real server where Debian has it, else on its documented replies."""

import os
import shutil
import subprocess

import pytest

from lib import hostile
from lib.net import free_port, wait_until
from lib.program import ROOT

FOLDER = ROOT / "conf/recipes"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ini"))


def find(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed: packaging/lib/deps.sh does that")
    if not path:
        pytest.skip(f"{name} is not here")
    return path


def ask(probe, recipe, at, name=None, more=(), **env):
    variable = {"smtp": "SMTP", "rabbitmq": "RABBITMQ_API"}.get(recipe, recipe.upper())
    variable = {"amqp": "RABBITMQ"}.get(name, variable)
    env[variable] = at
    return probe.run("check", "-c", FOLDER / f"{recipe}.ini", *more, name or recipe, env=env)


def good(r):
    assert r.code == 0, str(r)


def bad(r, words=""):
    assert r.code == 1 and words in r.out, str(r)


def test_all_are_there():
    assert NAMES == sorted("""rabbitmq kafka memcached nats elasticsearch minio etcd consul vault influxdb temporal
                           smtp ldap ssh mqtt""".split())


@pytest.mark.parametrize("name", NAMES)
def test_in_the_program(probe, name):
    text = (FOLDER / f"{name}.ini").read_text()
    assert text.startswith(f"# {name}: ") and "Tested on " in text
    assert probe.run("explain", f"recipe:{name}").out == text
    secret = probe.write("secret", "hush-hush")
    r = probe.run("validate", "-c", FOLDER / f"{name}.ini", env={"RABBITMQ_PASSWORD_FILE": str(secret)})
    assert r.code == 0, str(r)


def test_list(probe):
    r = probe.run("help", "recipes")
    tasks, _, services = r.out.partition("Sections for services")
    assert r.code == 0 and "HEALTHCHECK" in tasks
    assert [line.split()[0] for line in services.splitlines() if line.startswith("  ")] == NAMES
    r = probe.run("explain", "recipe:memcache")
    assert r.code == 64 and "did you mean memcached?" in r.err


# ---- real servers


@pytest.fixture
def real():
    """real([command...], port) runs it until the end of the test."""
    running = []

    def start(command, port):
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.append(process)

        def listens():
            assert process.poll() is None, f"{command} ended"
            found = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True)
            return found.stdout.strip()

        wait_until(listens, 30, f"{command[0]} listens")
        return f"127.0.0.1:{port}"

    yield start
    for process in running:
        process.terminate()
        process.wait()


def test_memcached(probe, real):
    port = free_port()
    good(ask(probe, "memcached", real([find("memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p", port], port)))


def test_nats(probe, real):
    port = free_port()
    good(ask(probe, "nats", real([find("nats-server"), "-a", "127.0.0.1", "-p", port], port)))
    port = free_port()
    at = real([find("nats-server"), "-a", "127.0.0.1", "-p", port, "--user", "u", "--pass", "p"], port)
    bad(ask(probe, "nats", at), "Authorization Violation")


def test_mqtt(probe, real):
    for anonymous in ("true", "false"):
        port = free_port()
        conf = probe.write("mosquitto.conf", f"listener {port} 127.0.0.1\nallow_anonymous {anonymous}\n", 0o644)
        at = real([find("mosquitto"), "-c", conf], port)
        if anonymous == "true":
            good(ask(probe, "mqtt", at))
        else:
            bad(ask(probe, "mqtt", at), "reject")


def test_etcd(probe, real):
    port, peer = free_port(), free_port()
    at = real([find("etcd"), "--data-dir", probe.path("etcd"), "--listen-client-urls", f"http://127.0.0.1:{port}",
               "--advertise-client-urls", f"http://127.0.0.1:{port}", "--listen-peer-urls",
               f"http://127.0.0.1:{peer}"], port)
    wait_until(lambda: ask(probe, "etcd", at).code == 0, 30, "etcd has a leader")


def test_ssh(probe, real):
    port, key = free_port(), probe.path("key")
    sshd = find("sshd")
    os.makedirs("/run/sshd", exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    good(ask(probe, "ssh", real([sshd, "-D", "-f", "/dev/null", "-o", "ListenAddress=127.0.0.1", "-p", port,
                                 "-h", key, "-o", "PidFile=none"], port)))


# ---- documented replies


def page(body, status="200 OK"):
    return hostile.http_reply(body, status)


REPLIES = [
    # recipe, probe, a good reply, a bad one
    ("rabbitmq", "rabbitmq", page(b'{"status":"ok"}'),
     page(b'{"status":"failed","reason":"There are alarms in effect in the cluster"}', "503 Service Unavailable")),
    ("rabbitmq", "amqp", hostile.reply(b"\1\0\0\0\0\1\xf4\0\x0a\0\x0a\0\x09" + bytes(60)),
     hostile.reply_and_close(b"AMQP\0\1\0\0")),
    ("kafka", "kafka", hostile.reply(b"\0\0\0\x10\0\0\0\1\0\0\0\0\0\1\0\x12\0\0\0\3"),
     hostile.reply(b"\0\0\0\x0a\0\0\0\1\0\x23\0\0\0\0")),
    ("elasticsearch", "elasticsearch", page(b'{"cluster_name":"c","status":"yellow","timed_out":false}'),
     page(b'{"cluster_name":"c","status":"red","timed_out":false}')),
    ("minio", "minio", page(b""), page(b"", "503 Service Unavailable")),
    ("consul", "consul", page(b'"10.1.10.12:8300"'), page(b'""')),
    ("influxdb", "influxdb", page(b'{"name":"influxdb","message":"ready for queries","status":"pass"}'),
     page(b'{"name":"influxdb","status":"fail"}')),
    ("memcached", "memcached", hostile.reply(b"VERSION 1.6.18\r\n"), hostile.reply(b"ERROR\r\n")),
    ("nats", "nats", None, hostile.banner(b"INFO {}\r\n-ERR 'Authorization Violation'\r\n")),
    ("etcd", "etcd", None, page(b'{"health":"false"}', "503 Service Unavailable")),
    ("ssh", "ssh", None, hostile.banner(b"Exceeded MaxStartups\r\n")),
    ("mqtt", "mqtt", None, hostile.reply(b"\x20\2\0\5")),
]


@pytest.mark.parametrize("recipe, name, well, ill", REPLIES, ids=[f"{r[0]}-{r[1]}" for r in REPLIES])
def test_replies(probe, serve, recipe, name, well, ill):
    secret = probe.write("secret", "hush-hush")
    more = ("--set", f"{name}.timeout=1s")
    if well:
        good(ask(probe, recipe, f"127.0.0.1:{serve(well).port}", name, RABBITMQ_PASSWORD_FILE=str(secret)))
    bad(ask(probe, recipe, f"127.0.0.1:{serve(ill).port}", name, more, RABBITMQ_PASSWORD_FILE=str(secret)))


def secure(behave, pair):
    """The behaviour once TLS has begun on a socket."""
    import ssl

    def act(sock):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, pair))
        behave(context.wrap_socket(sock, server_side=True))

    return act


def test_vault(probe, serve, certs):
    pair = certs.pair("server")
    replies = {True: b'{"initialized":true,"sealed":false,"standby":true}',
               False: b'{"initialized":true,"sealed":true,"standby":true}'}
    for well, body in replies.items():
        server = serve(secure(page(body, "200 OK" if well else "503 Service Unavailable"), pair))
        r = ask(probe, "vault", f"localhost:{server.port}", more=("--set", f"vault.tls_ca={certs.ca}"))
        good(r) if well else bad(r, "HTTP 503")


# The replies of RFC 4511, 4.2.2 and 4.14: success, and (2) protocolError or (53) unwillingToPerform.
EXTENDED = b"\x30\x0c\2\1\1\x78\7\x0a\1%c\4\0\4\0"
BOUND = b"\x30\x0c\2\1\2\x61\7\x0a\1%c\4\0\4\0"


@pytest.mark.parametrize("extended, bound, well", [(0, 0, True), (2, 0, False), (0, 53, False)])
def test_ldap(probe, serve, certs, extended, bound, well):
    pair = certs.pair("server")

    def bind(sock):
        assert sock.recv(100) == b"\x30\x0c\2\1\2\x60\7\2\1\3\4\0\x80\0"
        sock.sendall(BOUND % bound)
        sock.recv(100)

    def behave(sock):
        assert sock.recv(100) == b"\x30\x1d\2\1\1\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
        sock.sendall(EXTENDED % extended)
        if extended == 0:
            secure(bind, pair)(sock)
        else:
            sock.recv(100)

    r = ask(probe, "ldap", f"localhost:{serve(behave).port}", more=("--set", f"ldap.tls_ca={certs.ca}"))
    good(r) if well else bad(r, "reject")


def test_smtp(probe, serve, certs):
    pair = certs.pair("server")

    def inside(sock):
        sock.recv(100)
        sock.sendall(b"250-mail\r\n250 HELP\r\n")
        sock.recv(100)

    def behave(sock):
        sock.sendall(b"220 mail ESMTP\r\n")
        sock.recv(100)
        sock.sendall(b"250-mail\r\n250-STARTTLS\r\n250 HELP\r\n")
        sock.recv(100)
        sock.sendall(b"220 go ahead\r\n")
        secure(inside, pair)(sock)

    ca = ("--set", f"smtp.tls_ca={certs.ca}")
    good(ask(probe, "smtp", f"localhost:{serve(behave).port}", more=ca))
    bad(ask(probe, "smtp", f"127.0.0.1:{serve(hostile.banner(b'421 too many')).port}", more=ca), "reject")
