"""`probe status` and `probe wait` as a person reads them in a pipe, and how an agent is found."""

import re

from lib import hostile
from lib.net import wait_until


def agent_with(probe, ini, **kw):
    return probe.agent("[defaults]\ninterval = 20s\ntimeout = 5s\n" + ini, **kw)


def test_every_probe_with_header_and_verdict(probe, serve):
    port = serve(hostile.silent).port
    agent = agent_with(probe, "".join(f"[probe p{i}]\naddress = 127.0.0.1:{port}\n" for i in range(200)))
    wait_until(lambda: agent.get("/ready").code == 200, 20, "all are healthy")
    r = probe.run("status", "--agent", agent.socket)
    assert r.lines[0].split() == ["NAME", "STATE", "SINCE", "TOOK", "NEXT", "DETAIL"], str(r)
    assert len(r.lines) == 202 and "\x1b" not in r.out, str(r)
    assert {line.split()[0] for line in r.lines[1:-1]} == {f"p{i}" for i in range(200)}, str(r)
    assert re.match(r"ready: 200 probes, 200 healthy$", r.lines[-1]), str(r)


def test_the_worst_come_first_where_there_is_much(probe, serve, port):
    good = serve(hostile.silent).port
    agent = agent_with(probe, "retries = 1\n" + "".join(
        f"[probe p{i}]\naddress = 127.0.0.1:{port if i == 60 else good}\n" for i in range(80)))
    wait_until(lambda: all(p["last"] for p in agent.get("/status").json["probes"]), 20, "all are checked")
    r = probe.run("status", "--agent", agent.socket)
    assert r.code == 1 and r.lines[1].startswith("p60 ") and len(r.lines) == 82, str(r)
    assert r.lines[-1].startswith("not ready: 80 probes, 79 healthy, 1 unhealthy"), str(r)


def test_how_far_a_streak_is(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent(f"[probe web]\naddress = 127.0.0.1:{server.port}\ninterval = 1h\nretries = 3\n"
                        "success_threshold = 2\n")

    def state():
        line = probe.run("status", "--agent", agent.socket).lines[1]
        return re.match(r"web +(\w+(?: \d+/\d+)?)  ", line)[1]

    def check():
        agent.post("/check/web")

    agent.wait_status("web", "starting")
    if not agent.probe("web")["checks_total"]:
        check()
    assert state() == "starting 1/2"
    check()
    assert state() == "healthy"
    assert probe.run("status", "--agent", agent.socket).lines[-1] == "ready: 1 probe, 1 healthy"
    server.down()
    check()
    assert state() == "healthy 1/3"
    assert probe.run("status", "--agent", agent.socket).lines[-1] == "ready: 1 probe, 1 healthy (1 failing)"
    check()
    assert state() == "healthy 2/3"
    check()
    assert state() == "unhealthy"
    server.up()
    check()
    assert state() == "unhealthy 1/2"


def test_next_below_a_second(probe, serve):
    agent = probe.agent(f"[probe web]\naddress = 127.0.0.1:{serve(hostile.silent).port}\n"
                        "interval = 900ms\n")
    agent.wait_status("web", "healthy")
    seen = {probe.run("status", "--agent", agent.socket).lines[1].split()[-1 - n] for n in range(1)}
    assert seen and "now" not in seen, seen
    assert "  <1s  " in probe.run("status", "--agent", agent.socket).out


def test_an_agent_by_its_name(probe, serve, dns):
    names = dns({"agent.test": ["127.0.0.1"]}, probe)
    agent = probe.agent(f"[probe web]\naddress = 127.0.0.1:{serve(hostile.silent).port}\n")
    agent.wait_status("web", "healthy")
    address = f"http://agent.test:{agent.port}"
    r = probe.run("status", "--agent", address, prefix=names.prefix)
    assert r.code == 0 and "web" in r.out, str(r)
    r = probe.run("status", "--agent", f"http://none.test:{agent.port}", prefix=names.prefix)
    assert r.code == 69 and "none.test" in r.err, str(r)


def test_wait_says_that_it_succeeded(probe, serve):
    targets = [f"{name}=tcp://127.0.0.1:{serve(hostile.silent).port}" for name in ("a", "b")]
    r = probe.run("wait", *targets, "--", "true")
    assert r.code == 0 and re.search(r"^probe: all 2 ready after [\d.]+ \S+, starting true$", r.err, re.M), str(r)
    r = probe.run("wait", targets[0])
    assert re.search(r"^probe: a ready after [\d.]+ \S+$", r.err, re.M), str(r)
    assert probe.run("wait", "-q", targets[0]).err == ""


def test_wait_asks_less_and_less_often_for_a_name_that_does_not_exist(probe, dns):
    names = dns({}, probe)
    r = probe.run("wait", "-v", "--timeout", "2s", "tcp://none.test:1", prefix=names.prefix)
    tries = r.err.count("waiting for tcp://none.test:1: dns")
    assert r.code == 124 and 2 <= tries <= 8, str(r)


def test_check_gives_up_after_5_s_by_itself(probe, serve):
    r = probe.run("check", f"tcp://127.0.0.1:{serve(hostile.silent).port}", "--set", "expect=never")
    assert r.code == 1 and "gave up after 5 s" in r.out, str(r)


def test_a_url_is_in_its_line_once(probe, port):
    r = probe.run("check", f"http://127.0.0.1:{port}/x")
    assert r.out.count(f"http://127.0.0.1:{port}/x") == 1, str(r)


def test_the_help_of_a_command_has_its_own_options_and_an_example(probe):
    r = probe.run("check", "-h")
    assert "--agent" not in r.out and "--set" in r.out and "Example:\n  probe check " in r.out, str(r)
    assert "--agent" in probe.run("status", "-h").out


def test_a_probe_that_is_no_longer_blocked_is_told_without_its_old_result(probe, serve):
    network, app = serve(hostile.silent), serve(hostile.silent)
    agent = probe.agent(
        "[defaults]\ninterval = 50ms\ntimeout = 1s\nretries = 1\n"
        f"[probe network]\naddress = 127.0.0.1:{network.port}\n"
        f"[probe app]\naddress = 127.0.0.1:{app.port}\nafter = network\n")
    agent.wait_status("app", "healthy")
    network.down()
    agent.wait_status("app", "blocked")
    app.down()
    network.up()
    agent.wait_status("app", "unhealthy")
    line = next(x for x in agent.log_lines() if "from=blocked" in x)
    assert "to=starting" in line and "detail=" not in line and "duration_ms" not in line, line
