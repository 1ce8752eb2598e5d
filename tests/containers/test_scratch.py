"""The binary in an image with nothing else in it: any user, read-only, every type, the driver's child."""

import subprocess

import pytest
from conftest import LABEL, docker, until

NOTHING = ["--read-only", "--user", "54321:54321", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "8"]

TLS_SERVER = """
import http.server, ssl
server = http.server.HTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/cert.pem", "/tls/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("up", flush=True)
server.serve_forever()
"""


@pytest.fixture
def check(images, network):
    def ask(*args, options=()):
        return docker("run", "--rm", "--label", LABEL, *NOTHING, "--network", network, *options, images["binary"], "check", "--timeout",
                      "5s", *args, check=False)

    return ask


def test_every_type(run, images, network, check, tmp_path):
    (tmp_path / "password").write_text("pw")
    tmp_path.chmod(0o755)  # before the container reads it
    db = run(images["mongodb"], options=[
        "--network", network, "--network-alias", "mongodb", "--user", "999:999", "--tmpfs", "/data/db:uid=999,gid=999", "--volume",
        f"{tmp_path}:/secret:ro", "--env", "MONGO_INITDB_ROOT_USERNAME=u", "--env", "MONGO_INITDB_ROOT_PASSWORD_FILE=/secret/password"])
    run(images["example-app"], "/app/app.py", options=["--network", network, "--network-alias", "app", "--entrypoint", "python3"])
    targets = ["mongodb://mongodb:27017/", "mongodb://u:pw@mongodb:27017/", "tcp://app:8080", "http://app:8080/healthz", "pid:1"]
    # --init: else process 1 is the check itself.
    done = until(lambda: (lambda d: d if d.returncode == 0 else None)(check(*targets, options=["--init"])), 30, "all healthy", 0.5)
    assert done.stdout.count("healthy") == len(targets)
    wrong = check("mongodb://u:wrong@mongodb:27017/")
    assert wrong.returncode == 1 and "auth" in wrong.stdout and "wrong" not in wrong.stdout, wrong.stdout
    assert db.state["Running"]


def test_no_ca_certificates_is_said(run, images, network, check, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=tls", "-addext", "subjectAltName=DNS:tls", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
                   check=True, capture_output=True)
    tmp_path.chmod(0o755)
    (tmp_path / "key.pem").chmod(0o644)
    c = run(images["example-app"], "-c", TLS_SERVER, options=["--network", network, "--network-alias", "tls", "--entrypoint", "python3",
                                                              "--volume", f"{tmp_path}:/tls:ro"])
    until(lambda: "up" in c.logs(), 20, "the TLS server")
    none = check("https://tls:8443/")
    assert none.returncode == 1 and "no CA certificates at all" in none.stdout, none.stdout
    usual = check("https://tls:8443/", options=["--volume", f"{tmp_path}/cert.pem:/etc/ssl/certs/ca-certificates.crt:ro"])
    assert usual.returncode == 0, usual.stdout


def test_a_name_that_is_not_there(check):
    done = check("tcp://nowhere:1")
    assert done.returncode == 1 and "dns" in done.stdout, done.stdout
