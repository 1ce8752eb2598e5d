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
        pasted = probe.run("validate", "-c", probe.write("pasted.ini", r.out))
        assert pasted.code == 0, str(pasted)


def test_what_is_not_shown_has_a_hint_where_to_put_it(probe):
    urls = [
        "mongodb://u:hunter2@h:1/?authSource=admin",
        "mongodb+srv://u:hunter2@db.h.test/?tlsCertificateKeyFilePassword=hunter2",
        "https://u:hunter2@h:1/x?token=hunter2",
        "https://h:1/x",
        "tcp://h:1",
        "unix:///tmp/a-b",
        "process:hunter",
    ]
    r = probe.run("explain", *urls, env={"PROBE_CONFIG": "/dev/null"})
    assert r.code == 0 and "hunter2" not in r.out + r.err, str(r)
    assert r.lines.count("# uri_file = /run/secrets/uri") == 2, str(r)
    assert r.lines.count("# url_file = /run/secrets/url") == 1, str(r)
    pasted = probe.run("validate", "--json", "-c", probe.write("pasted.ini", r.out))
    assert pasted.code == 0 and pasted.json["probes"] == len(urls), str(pasted)
    assert "*** stands for a user name and password" in pasted.out, str(pasted)


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


def test_the_story_of_a_verdict(probe, port):
    agent = probe.agent(
        f"[probe gone]\ntype = tcp\naddress = 127.0.0.1:{port}\nretries = 2\ninterval = 300ms\n"
        "success_threshold = 3\ntimeout = 200ms\n"
        "[probe later]\ntype = process\npid = 1\nafter = gone\ninterval = 1h\n"
        "[probe self]\ntype = process\npid = 1\ninterval = 1h\n"
    )
    agent.wait_status("later", "blocked")
    agent.wait_status("self", "healthy")

    def story(name):
        r = probe.run("explain", "-c", agent.config, "--agent", agent.socket, name)
        assert r.code == 0, str(r)
        return "\n".join(r.lines[: r.lines.index(f"[probe {name}]")])

    text = story("gone")
    by = f"by {agent.config}"
    assert "# unhealthy since " in text, text
    assert f"failures in a row that count; retries = 2 {by}\n" in text, text
    assert f"refused: connect to 127.0.0.1:{port}: connection refused; counted: yes" in text, text
    assert f"# {by}, it becomes healthy after 3 successes in a row: at the earliest in " in text, text
    text = story("later")
    assert "it comes after gone, which is unhealthy; so it is not checked and not blamed" in text, text
    text = story("self")
    assert "# healthy since " in text and "the next check starts in 59m" in text, text
    words = f"# {by}, it becomes unhealthy after 3 failures in a row: at the earliest in 2h59m"
    assert words in text, text
    r = probe.run("explain", "-c", agent.config, "--agent", agent.socket)
    assert r.out.count("# the last results") >= 2, str(r)
    assert probe.run("validate", "-c", probe.write("pasted.ini", r.out)).code == 0, str(r)
    other = probe.write("other.ini", "[probe self]\ntype = process\npid = 2\n[probe new]\ntype = "
                        "process\npid = 1\n")
    r = probe.run("explain", "-c", other, "--agent", agent.socket)
    assert "the agent probes another target under this name" in r.out, str(r)
    assert f"# the agent at {agent.socket} has no such probe" in r.out, str(r)


def test_no_agent_is_no_failure(probe):
    config = probe.write("probe.ini", "[probe a]\naddress = h:1\n")
    r = probe.run("explain", "-c", config)
    assert r.code == 0 and "address = h:1" in r.out, str(r)
    assert r.lines[0].startswith("# no agent answers at ") and "no-agent.sock" in r.lines[0], str(r)
    r = probe.run("explain", "-c", config, "--agent", "http://127.0.0.1:1", "a")
    assert r.code == 0 and r.lines[0].startswith("# no agent answers at http://127.0.0.1:1"), str(r)
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
