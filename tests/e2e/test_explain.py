"""`probe explain`: settings that read back as the same, their origins, and the agent's view."""

from lib import hostile

EVERYTHING = """
[agent]
max_workers = 9
[defaults]
interval = 61s
[probe web]
url = http://127.0.0.1:1/$${x}?a=$$$$
expect_json =
    /status = ok
    /n = 1
expect_body = ^a$
body = first

    third
after = port
level = alive ready
[probe port]
type = tcp
address = 127.0.0.1:1
send_file = {send}
[probe db]
uri = mongodb://127.0.0.1:1,127.0.0.1:2/?replicaSet=rs0
"""


def settings(result):
    """What `explain --json` says, without what it comes from."""
    assert result.code == 0, str(result)
    return {k: v for k, v in result.json.items() if k != "file"}


def test_the_text_reads_back_as_the_same(probe):
    send = probe.write("send", "PING\\r\\n\n")
    config = probe.write("probe.ini", EVERYTHING.replace("{send}", str(send)))
    text = probe.run("explain", "-c", config)
    assert text.code == 0, str(text)
    pasted = probe.write("pasted.ini", text.out)
    one = settings(probe.run("explain", "--json", "-c", config))
    assert settings(probe.run("explain", "--json", "-c", pasted)) == one
    assert one["agent"]["max_workers"] == 9
    web = one["probes"][0]["config"]
    assert web["url"] == "http://127.0.0.1:1/${x}?a=$$" and web["interval_ns"] == 61 * 10**9
    assert web["expect_json"] == ["/status = ok", "/n = 1"] and web["body"] == "first\n\nthird"
    assert web["level"] == ["alive", "ready"] and web["after"] == ["port"]
    assert web["fail_interval_ns"] == web["interval_ns"] and web["required"] is True


def test_each_setting_has_its_origin(probe):
    config = probe.write("probe.ini", "[defaults]\ntimeout = 3s\n[probe a]\naddress = h:1\n")
    lines = probe.run("explain", "-c", config, "a").lines
    assert lines[lines.index("address = h:1") - 1] == f"# {config}:4"
    assert lines[lines.index("timeout = 3s") - 1] == f"# {config}:2"
    assert lines[lines.index(";family = any") - 1] == "# default"


def test_a_url_becomes_a_section_to_paste(probe):
    for url, line in [
        ("tcp://127.0.0.1:1", "address = 127.0.0.1:1"),
        ("http://h:1/x", "url = http://h:1/x"),
        ("pidfile:/run/x.pid", "pidfile = /run/x.pid"),
        ("mongodb://u:hunter2@h:1/", "uri = mongodb://***@h:1/"),
    ]:
        r = probe.run("explain", url, env={"PROBE_CONFIG": "/dev/null"})
        assert r.code == 0 and line in r.lines, str(r)
        assert r.lines[0].startswith("[probe "), str(r)
        assert "hunter2" not in r.out + r.err, str(r)
        section = r.out.replace("***", "u:x")
        pasted = probe.run("validate", "-c", probe.write("pasted.ini", section))
        assert pasted.code == 0, str(pasted)


def test_the_agents_view(probe, serve):
    closed = serve(hostile.close_at_once)
    agent = probe.agent(
        f"[probe web]\ntype = tcp\naddress = 127.0.0.1:{closed.port}\ninterval = 1h\n"
        "[probe gone]\ntype = tcp\naddress = 127.0.0.1:1\ninterval = 1h\nstart_period = 1h\n"
        "start_interval = 1h\n"
    )
    agent.wait_status("web", "healthy")
    view = {p["name"]: p for p in probe.run("explain", "--json", "-c", agent.config,
                                            "--agent", agent.socket).json["probes"]}
    assert view["web"]["agent_view"]["status"] == "healthy"
    assert view["web"]["agent_view"]["last"]["ok"] is True
    assert view["web"]["agent_view"]["next_in_ms"] > 0
    assert view["gone"]["agent_view"]["last"]["counted"] == "no, in start_period"
    r = probe.run("explain", "-c", agent.config, "--agent", agent.socket, "gone")
    assert "# starting since" in r.out and "refused: connect to 127.0.0.1:1" in r.out, str(r)
    assert "no, in start_period" in r.out and "the next check starts in" in r.out, str(r)


def test_no_agent_is_no_failure(probe):
    config = probe.write("probe.ini", "[probe a]\naddress = h:1\n")
    r = probe.run("explain", "-c", config)
    assert r.code == 0 and "address = h:1" in r.out, str(r)
    r = probe.run("explain", "-c", config, "--json")
    assert "agent_view" not in r.json["probes"][0], str(r)


def test_validate_as_json(probe):
    config = probe.write("probe.ini", "[probe a]\naddress = h\nretries = 0\nstart_interval = 1s\n")
    r = probe.run("validate", "--json", "-c", config)
    assert r.code == 78 and r.json["valid"] is False, str(r)
    assert (r.json["errors"], r.json["warnings"]) == (2, 1), str(r)
    assert [p["line"] for p in r.json["problems"]] == [2, 3, 4], str(r)


def test_validate_needs_a_file(probe):
    r = probe.run("validate", "-c", probe.path("nowhere.ini"))
    assert r.code == 78 and "nowhere.ini" in r.out + r.err, str(r)
