"""`--set` and `-c -`: what a HEALTHCHECK or a CI line says without a file in the image."""

import json
import os
import re

import pytest

from lib import servers
from lib.certs import Certs
from lib.examples import all_examples
from lib.net import wait_until


@pytest.fixture
def nginx(start):
    return start(servers.Nginx, 'location = / { return 200; } location / { return 404; }')


def test_set_reaches_the_check(probe, nginx):
    r = probe.run("check", "--set", "expect_status=404", f"{nginx.url}missing")
    assert r.code == 0, str(r)
    r = probe.run("check", "--set", "b.expect_status=404", f"a={nginx.url}missing",
                  f"b={nginx.url}missing")
    assert r.code == 1 and r.lines[0].startswith("a ") and "unhealthy" in r.lines[0], str(r)
    assert "unhealthy" not in r.lines[1], str(r)


def test_set_reaches_a_url_beside_a_file(probe, nginx):
    """The image's own configuration has a probe that nobody asks for here."""
    config = probe.write("probe.ini", "[probe mongodb]\nuri = mongodb://mongodb:27017/\n")
    for code, status in ((0, 200), (1, 404)):
        r = probe.run("check", "-c", config, "--set", f"expect_status={status}", nginx.url)
        assert r.code == code, str(r)


@pytest.mark.parametrize("url, value", [("postgres://h/", "login"), ("redis://h/", "replica"), ("mongodb://h/", "data")])
def test_a_word_that_one_type_knows(probe, url, value):
    r = probe.run("explain", "--set", f"require={value}", url)
    assert r.code == 0 and f"\nrequire = {value}\n" in r.out, str(r)
    r = probe.run("explain", "--set", f"require={value}", "mysql://h/")
    assert r.code == (0 if value == "login" else 64), str(r)
    r = probe.run("explain", "--set", "require=perhaps", url)
    assert r.code == 64 and "--set require" in r.err, str(r)


def test_wait_takes_it_too(probe, nginx):
    r = probe.run("wait", "--timeout", "10s", "--set", "expect_status=404", f"{nginx.url}missing")
    assert r.code == 0, str(r)


def test_the_manuals_example_of_a_private_ca(probe, start):
    """That of src/manual/probe.1, with a CA and a server of the test's own."""
    found = [e.text for e in all_examples() if e.document.endswith("probe.1") and "tls_ca=" in e.text]
    assert len(found) == 1
    _, *words = json.loads(re.search(r"CMD (\[.*?\])", found[0].replace("\\\n", ""), re.S)[1])
    certs = Certs()
    try:
        server = start(servers.Nginx, tls=certs.pair())
        words = [w.replace("/ca.pem", str(certs.ca)).replace("https://app:8443/health", server.url) for w in words]
        r = probe.run(*words)
        assert r.code == 0, str(r)
        del words[words.index("--set") : words.index("--set") + 2]
        assert " tls: " in probe.run(*words).out, "and only by it"
    finally:
        certs.close()


def test_a_secret_in_argv_is_refused_and_its_file_is_not(probe, serve):
    seen = []

    def server(sock):
        seen.append(sock.recv(65536))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    port = serve(server).port
    secret = probe.write("token", "hunter2\n", 0o600)
    url = f"web=http://127.0.0.1:{port}/"
    for word in ("bearer_token=hunter2", "web.bearer_token=hunter2", "header=Authorization: hunter2"):
        r = probe.run("check", "--set", word, url)
        key = word.split("=")[0]
        assert r.code == 64 and f"--set {key}: " in r.err and f"--set {key}_file=PATH" in r.err, str(r)
        assert "hunter2" not in r.err + r.out, str(r)
    r = probe.run("check", "--set", f"bearer_token_file={secret}", url)
    assert r.code == 0 and b"Authorization: Bearer hunter2" in seen[-1], str(r)


@pytest.mark.parametrize("word, says", [
    ("timeout", "--set: expected KEY=VALUE"), ("timeout=5", "--set timeout: \"5\": missing unit"),
    ("tiemout=5s", "did you mean timeout?"), ("web.timeout=5s", "no target is named web"),
    ("expect_status=200", "it is a key of type http"),
])
def test_a_mistake_is_a_usage_error_that_names_the_option(probe, port, word, says):
    r = probe.run("check", "--set", word, f"tcp://127.0.0.1:{port}")
    assert r.code == 64 and says in r.err and r.out == "", str(r)


def test_explain_says_where_it_is_from(probe):
    config = probe.write("a.ini", "[probe web]\nurl = http://127.0.0.1:1/\n")
    r = probe.run("explain", "-c", config, "--set", "web.expect_status=204", "web")
    assert r.code == 0 and "# given on the command line\nexpect_status = 204" in r.out, str(r)


def test_an_agent_keeps_it_over_a_reload(probe, nginx):
    ini = f"[probe web]\nurl = {nginx.url}missing\ninterval = 50ms\n"
    agent = probe.agent(ini, args=("--set", "web.expect_status=404"))
    since = agent.wait_status("web", "healthy")["since"]
    agent.configure(ini + "[probe other]\npid = 1\n")
    assert agent.post("/reload").code == 200, agent.log()
    assert agent.probe("web")["since"] == since and agent.probe("web")["status"] == "healthy"


def test_the_configuration_from_standard_input(probe, nginx):
    r = probe.run("check", "-c", "-", "web", input=f"[probe web]\nurl = {nginx.url}/\n".encode())
    assert r.code == 0, str(r)
    r = probe.run("validate", "-c", "-", input=b"[probe web]\nurl = nowhere\n")
    assert r.code == 78 and r.out.startswith("standard input:2: probe web.url: "), str(r)
    r = probe.run("check", "-c", "-", "web", input=b"x" * (17 << 20))
    assert r.code == 78 and "16 MiB" in r.err, str(r)


def test_a_standard_input_without_an_end_is_given_up(probe):
    read, write = os.pipe()
    r = probe.run("check", "-c", "-", "web", stdin=read)
    os.close(read)
    os.close(write)
    assert r.code == 78 and "no end within 10s" in r.err, str(r)


def test_an_agent_of_standard_input_reloads_what_it_read(probe, port):
    read, write = os.pipe()
    agent = probe.agent("[probe me]\npid = 1\n", start=False)
    os.write(write, agent.config.read_bytes())
    os.close(write)
    agent.process = probe.spawn("run", "-c", "-", stdin=read)
    os.close(read)
    wait_until(agent.answers, 10, "the agent answers")
    reply = agent.post("/reload")
    assert reply.code == 200 and agent.probe("me")["name"] == "me", reply
    agent.stop()
