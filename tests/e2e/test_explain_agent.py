"""`explain NAME` where there is no configuration: the agent tells its own, without the secrets."""

import pytest
from lib import hostile


@pytest.fixture
def agent(probe, serve):
    port = serve(hostile.silent).port
    secret = probe.write("password", "hunter2\n")
    agent = probe.agent(f"[probe db]\naddress = 127.0.0.1:{port}\ninterval = 7s\n"
                        f"[probe web]\nurl = http://u:hunter2@127.0.0.1:{port}/\nafter = db\nretries = 2\n"
                        "timeout = 1s\nheader =\n    X-Token: hunter2\n    Accept: text/plain\n"
                        f"[probe api]\nurl = http://127.0.0.1:{port}/\nuser = u\npassword_file = {secret}\n")
    agent.wait_status("db", "healthy")
    return agent


def explain(probe, agent, *words):
    return probe.run("explain", "--agent", agent.socket, *words, env={"PROBE_CONFIG": None})


def test_its_settings_and_its_story(probe, agent):
    r = explain(probe, agent, "db")
    assert r.code == 0 and "interval = 7s" in r.out and "type = tcp" in r.out, str(r)
    assert "healthy" in r.out and "it becomes unhealthy after 3 failures in a row" in r.out, str(r)


def test_set_wins_over_its_settings(probe, agent):
    r = explain(probe, agent, "--set", "retries=9", "db")
    assert r.code == 0 and "retries = 9" in r.out and "interval = 7s" in r.out, str(r)
    r = explain(probe, agent, "--set", "retries=none", "db")
    assert r.code == 64 and "--set retries" in r.err and not r.out, str(r)


def test_no_secret_is_told(probe, agent):
    for name in ("web", "api"):
        r = explain(probe, agent, name)
        assert f"[probe {name}]" in r.out and "hunter2" not in r.out + r.err, str(r)
        text = agent.get(f"/config/{name}").text
        assert f"[probe {name}]" in text and "hunter2" not in text, text
    assert "X-Token: ***" in agent.get("/config/web").text
    assert "password_file = " in agent.get("/config/api").text


def test_a_name_that_it_does_not_have(probe, agent):
    r = explain(probe, agent, "nobody")
    assert r.code == 64 and "the agent has no probe 'nobody'" in r.err, str(r)
    assert agent.get("/config/nobody").code == 404


def test_no_agent_either(probe):
    r = probe.run("explain", "--agent", probe.path("none.sock"), "web", env={"PROBE_CONFIG": None})
    assert r.code == 69 and "no agent answers" in r.err, str(r)
