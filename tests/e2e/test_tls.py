"""TLS of every type that speaks it, against real servers with certificates good and bad."""

import pytest

from lib import hostile, servers
from lib.net import free_port, wait_until, accepts


def check(probe, text, *args):
    config = probe.write("probe.ini", f"[probe x]\ntimeout = 5s\n{text}\n")
    return probe.run("check", "--json", "-c", config, "x", *args)


def last(r):
    return r.json["probes"][0]["last"]


@pytest.fixture(params=["http", "tcp"])
def target(request, start):
    """target(pair, host) -> the lines of a probe of a TLS server with that certificate."""

    def make(pair, host="127.0.0.1"):
        port = start(servers.Nginx, tls=pair).port
        if request.param == "http":
            return f"url = https://{host}:{port}/"
        return f"type = tcp\naddress = {host}:{port}\ntls = yes"

    return make


def test_verified_by_address_and_by_name(probe, target, certs):
    for host in ("127.0.0.1", "localhost"):
        r = check(probe, f"{target(certs.pair(), host)}\ntls_ca = {certs.ca}")
        assert r.code == 0, str(r)
        assert last(r)["phases_ms"]["tls"] is not None, str(r)


def test_unknown_authority(probe, target, certs):
    lines = target(certs.pair())
    r = check(probe, lines)
    assert r.code == 1 and last(r)["reason"] == "tls", str(r)
    r = check(probe, f"{lines}\ntls_verify = no")
    assert r.code == 0, str(r)


def test_wrong_host(probe, target, certs):
    lines = target(certs.pair("other", "DNS:other.test"))
    r = check(probe, f"{lines}\ntls_ca = {certs.ca}")
    assert r.code == 1 and last(r)["reason"] == "tls", str(r)
    r = check(probe, f"{lines}\ntls_ca = {certs.ca}\ntls_server_name = other.test")
    assert r.code == 0, str(r)


def test_expired(probe, target, certs):
    r = check(probe, f"{target(certs.pair('expired', days=-1))}\ntls_ca = {certs.ca}")
    assert r.code == 1 and last(r)["reason"] == "tls" and "expired" in last(r)["detail"], str(r)


def test_min_days(probe, target, certs):
    lines = f"{target(certs.pair())}\ntls_ca = {certs.ca}\ntls_min_days"
    r = check(probe, f"{lines} = 1")
    assert r.code == 0 and last(r)["warning"] is None, str(r)
    r = check(probe, f"{lines} = 30")
    assert r.code == 0 and "tls_min_days is 30" in last(r)["warning"], str(r)
    r = check(probe, f"{lines} = 30", "--strict")
    assert r.code == 1 and r.json["probes"][0]["status"] == "healthy", str(r)


def test_tls_towards_a_plain_server_and_towards_silence(probe, serve, certs):
    for behave, reasons in (
        (hostile.http_reply(), {"tls", "timeout", "protocol"}),
        (hostile.garbage, {"tls"}),
        (hostile.close_at_once, {"tls", "closed", "reset"}),
        (hostile.silent, {"timeout"}),
    ):
        port = serve(behave).port
        for lines in (f"url = https://127.0.0.1:{port}/",
                      f"type = tcp\naddress = 127.0.0.1:{port}\ntls = yes"):
            r = check(probe, lines, "--timeout", "1s")
            assert r.code == 1 and last(r)["reason"] in reasons, str(r)


SAYS_VERSION = 'location / { add_header X-Spoken $server_protocol; return 200 "ok"; }'


@pytest.mark.parametrize(
    "configured, server_has_2, spoken",
    [("2", True, "HTTP/2.0"), ("any", True, "HTTP/(2.0|1.1)"), ("1.1", True, "HTTP/1.1"),
     ("1.0", True, "HTTP/1.0"), ("any", False, "HTTP/1.1")],
)
def test_http_version(probe, start, certs, configured, server_has_2, spoken):
    nginx = start(servers.Nginx, SAYS_VERSION, tls=certs.pair(), http2=server_has_2)
    lines = f"url = {nginx.url}\ntls_ca = {certs.ca}\nhttp_version = {configured}\nexpect_header"
    r = check(probe, f"{lines} = X-Spoken: {spoken}")
    assert r.code == 0, str(r)
    r = check(probe, f"{lines} = X-Spoken: HTTP/9")
    assert r.code == 1 and last(r)["reason"] == "mismatch", str(r)


def test_http_2_towards_a_server_without_it(probe, start, certs):
    nginx = start(servers.Nginx, tls=certs.pair())
    r = check(probe, f"url = {nginx.url}\ntls_ca = {certs.ca}\nhttp_version = 2")
    assert r.code == 1 and last(r)["reason"] == "mismatch", str(r)


def test_client_certificate(probe, start, certs):
    nginx = start(
        servers.Nginx, tls=certs.pair(),
        server=f'ssl_client_certificate {certs.ca}; ssl_verify_client on; '
               'location / { return 200 "ok"; }',
    )
    cert, key = certs.pair("client")
    lines = f"url = {nginx.url}\ntls_ca = {certs.ca}"
    r = check(probe, lines)
    assert r.code == 1, str(r)
    r = check(probe, f"{lines}\ntls_cert = {cert}\ntls_key = {key}")
    assert r.code == 0, str(r)


def test_mongo(probe, start, certs):
    cert, key = certs.pair()
    tls_port = free_port()
    start(servers.Mongo, "--tls-port", tls_port, "--tls-cert", cert, "--tls-key", key)
    wait_until(lambda: accepts(tls_port), 10, "the TLS port is open")
    lines = f"uri = mongodb://127.0.0.1:{tls_port}/?tls=true"
    r = check(probe, f"{lines}\ntls_ca = {certs.ca}")
    assert r.code == 0, str(r)
    r = check(probe, lines)
    assert r.code == 1 and last(r)["reason"] == "tls", str(r)
    r = check(probe, f"uri = mongodb://127.0.0.1:{tls_port}/?tls=true&tlsCAFile={certs.ca}")
    assert r.code == 0, str(r)


def test_mongo_credentials(probe, start):
    mongo = start(servers.Mongo, "--user", "someone", "--password", "hunter2secret")
    at = f"127.0.0.1:{mongo.port}/?authSource=admin"
    r = check(probe, f"uri = mongodb://someone:hunter2secret@{at}")
    assert r.code == 0, str(r)
    secret = probe.write("secret", "hunter2secret\n")
    r = check(probe, f"uri = mongodb://{at}\nuser = someone\npassword_file = {secret}")
    assert r.code == 0, str(r)
    r = check(probe, f"uri = mongodb://someone:wrong@{at}")
    assert r.code == 1 and last(r)["reason"] == "auth", str(r)
    assert "hunter2" not in r.out + r.err and "wrong@" not in r.out, str(r)


SYSTEM_DEFAULT = "openssl_conf = c\n[c]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\n"
OPENSSL_CNF = {
    "level": SYSTEM_DEFAULT + "CipherString = DEFAULT@SECLEVEL=5\n",
    "signatures": SYSTEM_DEFAULT + "SignatureAlgorithms = ed25519\n",
    "lenient": SYSTEM_DEFAULT + "VerifyMode = None\nMinProtocol = None\n",
    "providers": "openssl_conf = c\n[c]\nproviders = p\n[p]\nnull = n\n[n]\nactivate = 1\n",
    "fips": "openssl_conf = c\n[c]\nalg_section = a\n[a]\ndefault_properties = fips=yes\n",
    "no file of it": "openssl_conf = c\n[c\n",
}


@pytest.mark.parametrize("cnf", OPENSSL_CNF)
def test_openssl_cnf_changes_nothing(probe, start, certs, cnf):
    """Of no type, and not of the child with MongoDB's driver, which the last one is for."""
    env = {"OPENSSL_CONF": probe.write("openssl.cnf", OPENSSL_CNF[cnf])}
    nginx = start(servers.Nginx, tls=certs.pair())
    cert, key = certs.pair()
    port = free_port()
    start(servers.Mongo, "--tls-port", port, "--tls-cert", cert, "--tls-key", key)
    wait_until(lambda: accepts(port), 10, "the TLS port is open")
    mongo = f"uri = mongodb://127.0.0.1:{port}/?tls=true"
    targets = [f"url = {nginx.url}", f"address = 127.0.0.1:{nginx.port}\ntls = yes", mongo,
               f"{mongo}&tlsAllowInvalidHostnames=true"]
    sections = "".join(f"[probe p{i}{ca is not None:d}]\n{t}\n" + (f"tls_ca = {ca}\n" if ca else "")
                       for i, t in enumerate(targets) for ca in (None, certs.ca))
    config = probe.write("all.ini", f"[defaults]\ntimeout = 5s\n{sections}")
    names = [f"p{i}{ca}" for i in range(len(targets)) for ca in (0, 1)]
    r = probe.run("check", "--json", "-c", config, *names, env=env)
    got = {p["name"]: p["last"]["reason"] for p in r.json["probes"]}
    assert got == {n: None if n.endswith("1") else "tls" for n in names}, str(r)


@pytest.mark.parametrize("bits, primes, code, words", [
    (4096, 4, 0, None), (4200, 4, 0, "the key has 4200 bits"),
    (8256, 5, 78, "the key has 8256 bits, expected 8192 at most")])
def test_a_client_key_that_is_dear_to_sign_with(probe, certs, tmp_path, bits, primes, code, words):
    """The server has us sign in each handshake, and the other checks wait. Of several primes, for such
    a key is made in seconds."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    certs._openssl("genrsa", "-primes", primes, "-out", key, bits)
    certs._openssl("req", "-x509", "-key", key, "-out", cert, "-days", 2, "-subj", "/CN=me")
    conf = probe.write("p.ini", f"[probe web]\nurl = https://localhost:1/\ntls_ca = {certs.ca}\n"
                       f"tls_cert = {cert}\ntls_key = {key}\n")
    r = probe.run("validate", "-c", conf)
    assert r.code == code and (words or "valid") in r.out + r.err, str(r)
    assert words or "bits" not in r.err, str(r)
