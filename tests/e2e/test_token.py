"""The token of the API on TCP: who is told what, how the commands give it, and the manual's examples of it
(src/manual/probe-api.7)."""

import subprocess

from lib import servers
from lib.examples import all_examples
from lib.net import free_port

TOKEN = "correct-horse-battery"
PROBES = "[probe a]\naddress = 127.0.0.1:1\ninterval = 1h\nretries = 1\n"


def guarded(probe, more=""):
    path = probe.write("token", TOKEN + "\n")
    return probe.agent(PROBES, f"token_file = {path}\n{more}"), path


def example(part):
    found = [e.text for e in all_examples() if e.document.endswith("probe-api.7") and part in e.text]
    assert len(found) == 1
    return found[0]


def test_who_is_told_what(probe):
    agent, _ = guarded(probe)
    agent.wait_status("a", "unhealthy")
    for path in "/ready", "/status", "/metrics", "/", "/events":
        r = agent.get(path, tcp=True)
        assert r.code == 401 and r.headers["www-authenticate"].startswith("Bearer "), r
    assert agent.get("/healthz", tcp=True).code == 200
    assert agent.get("/live", tcp=True).text == "live\n"
    r = agent.get("/ready", tcp=True, headers={"Authorization": f"Bearer {TOKEN}"})
    assert r.code == 503 and "refused" in r.text
    assert agent.get("/status").code == 503, "the socket asks for none"
    assert TOKEN not in agent.log()
    assert TOKEN not in probe.run("explain", "-c", agent.config, "--json").out


def test_commands_give_it(probe):
    agent, path = guarded(probe)
    agent.wait_status("a", "unhealthy")
    at = ("--agent", f"http://127.0.0.1:{agent.port}")
    r = probe.run("status", *at)
    assert r.code == 69 and "--token-file" in r.err, str(r)
    r = probe.run("status", *at, "--token-file", path)
    assert r.code == 1 and "refused" in r.out, str(r)
    r = probe.run("status", *at, env={"PROBE_TOKEN_FILE": path})
    assert r.code == 1, str(r)
    r = probe.run("explain", "-c", agent.config, "--json", *at, "--token-file", path)
    assert r.json["probes"][0]["agent_view"]["status"] == "unhealthy", str(r)
    wrong = probe.write("wrong", "correct-horse-batterx")
    r = probe.run("status", *at, "--token-file", wrong)
    assert r.code == 69 and "correct" not in r.err, str(r)
    for bad in probe.write("lines", "one\ntwo: three\n"), probe.path("none"):
        r = probe.run("status", *at, "--token-file", bad)
        assert r.code == 69 and str(bad) in r.err, str(r)
    r = probe.run("status", "--agent", agent.socket, "--token-file", probe.path("none"))
    assert r.code == 1, "it is not read for a socket"


def test_it_is_read_again_at_a_reload(probe):
    agent, path = guarded(probe)
    probe.write("token", "another-horse-battery")
    assert agent.post("/reload").code == 200
    with_header = {"Authorization": "Bearer another-horse-battery"}
    assert agent.get("/ready", tcp=True, headers=with_header).code == 503
    probe.write("token", "")
    assert agent.post("/reload").code == 422, "an empty token would open the door"
    assert agent.get("/ready", tcp=True, headers=with_header).code == 503
    assert agent.get("/ready", tcp=True).code == 401


def test_an_open_api_is_a_warning(probe):
    """Of validate, and of the start: one line that says what to write."""
    for listen, more, warned in (
        ("0.0.0.0", "", True), ("[::]", "", True), ("127.0.0.1", "", False),
        ("0.0.0.0", "token = off", False),
        ("0.0.0.0", f"token_file = {probe.write('token', TOKEN)}", False),
    ):
        agent = probe.agent(PROBES, f"listen = {listen}:{free_port()}\n{more}")
        r = probe.run("validate", "-c", agent.config)
        assert r.code == 0, str(r)
        for text in r.out + r.err, agent.log():
            lines = [line for line in text.splitlines() if "token_file" in line]
            assert len(lines) == warned and (not warned or "token = off" in lines[0]), text


def test_the_examples_of_the_manual(probe, certs, start):
    agent, _ = guarded(probe)
    script = example("curl -s -H").replace("9797", str(agent.port))
    done = subprocess.run(["bash", "-c", script], cwd=probe.dir, capture_output=True, text=True,
                          env=probe.environ({"PATH": f"{probe.binary.parent}:/usr/bin:/bin"}))
    assert "not ready: a " in done.stdout and done.stdout.count("a ") >= 2, done
    pem, port = probe.path("tls.pem"), free_port()
    pem.write_text("".join(path.read_text() for path in certs.pair("server")))
    proxy = example("ssl crt").replace("127.0.0.1:9797", f"127.0.0.1:{agent.port}")
    start(servers.Haproxy, proxy.replace(":9443", f"127.0.0.1:{port}").replace("/etc/probe/tls.pem", str(pem)), port)
    told = {}
    for header in "X: y", f"Authorization: Bearer {TOKEN}":
        done = subprocess.run(
            ["curl", "-s", "--cacert", certs.ca, "-H", header, "-w", "%{http_code}", f"https://localhost:{port}/ready"],
            capture_output=True, text=True)
        told[header[0]] = done.stdout[-3:]
    assert told == {"X": "401", "A": "503"}, told
