"""`probe validate` and `probe explain`: every error at once with its place, and what is in force."""

import json
import os

import pytest

from lib.program import ROOT

GOOD = """
[defaults]
interval = 7s

[probe db]
uri = mongodb://127.0.0.1:1/
after = web

[probe web]
url = http://127.0.0.1:1/
timeout = 1m30s
"""


def validate(probe, text, **kw):
    return probe.run("validate", "-c", probe.write("probe.ini", text), **kw)


def test_good_configuration(probe):
    r = validate(probe, GOOD)
    assert r.code == 0, str(r)


# Text of a configuration, and for each error in it: line, and words of the message.
ERRORS = {
    "unknown key": ("[probe a]\naddress = h:1\ntype = tcp\ncolour = red\n", [(4, "colour")]),
    "unknown section": ("[prob a]\n", [(1, "prob a")]),
    "key given twice": ("[probe a]\ntype = tcp\naddress = h:1\naddress = h:2\n", [(4, "address")]),
    "no unit": ("[probe a]\ntype = tcp\naddress = h:1\ninterval = 5\n", [(4, "unit")]),
    "bad unit": ("[probe a]\ntype = tcp\naddress = h:1\ninterval = 5x\n", [(4, "interval")]),
    "out of range": ("[probe a]\ntype = tcp\naddress = h:1\nretries = 0\n", [(4, "retries")]),
    "negative": ("[probe a]\ntype = tcp\naddress = h:1\ntimeout = -5s\n", [(4, "timeout")]),
    "not a number": ("[probe a]\ntype = tcp\naddress = h:1\nretries = many\n", [(4, "retries")]),
    "bad choice": ("[probe a]\ntype = tcp\naddress = h:1\nlevel = dead\n", [(4, "level")]),
    "bad bool": ("[probe a]\ntype = tcp\naddress = h:1\nrequired = maybe\n", [(4, "required")]),
    "unknown type": ("[probe a]\ntype = smtp\n", [(2, "smtp")]),
    "key of another type": ("[probe a]\ntype = tcp\naddress = h:1\nurl = http://h/\n", [(4, "url")]),
    "no section": ("interval = 5s\n", [(1, "section")]),
    "bad regular expression": ("[probe a]\ntype = tcp\naddress = h:1\nexpect = (\n", [(4, "expect")]),
    "after unknown": ("[probe a]\ntype = tcp\naddress = h:1\nafter = b\n", [(4, "b")]),
    "after itself": ("[probe a]\ntype = tcp\naddress = h:1\nafter = a\n", [(4, "after")]),
    "unset variable": ("[probe a]\ntype = tcp\naddress = ${PROBE_NOT_SET:?say where}\n",
                       [(3, "say where")]),
    "bad variable": ("[probe a]\ntype = tcp\naddress = ${oops\n", [(3, "address")]),
    "secret file missing": ("[probe a]\nurl = http://h/\nuser = u\npassword_file = /nowhere/x\n",
                            [(4, "/nowhere/x")]),
    "several": (
        "[probe a]\ntype = tcp\naddress = h:1\ninterval = 5\ncolour = red\n[nonsense]\n"
        "[probe b]\ntype = tcp\naddress = h\nretries = -1\n",
        [(4, "interval"), (5, "colour"), (6, "nonsense"), (9, "address"), (10, "retries")],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_is_named_with_its_line(probe, name):
    text, errors = ERRORS[name]
    r = validate(probe, text)
    assert r.code == 78, str(r)
    said = (r.out + r.err).splitlines()
    for line, word in errors:
        assert any(f"probe.ini:{line}:" in s and word in s for s in said), f"{line} {word}: {r}"


# Text of a configuration, and the lines of its errors: a value in error, or a key that is none, hides
# no other error of its section, and nothing is told that is only wrong for want of it.
TOGETHER = {
    "tcp": ("[probe a]\naddress = h:1\nfamily = 7\nexpect = (\n", [3, 4]),
    "tcp: no address": ("[probe a]\ntype = tcp\naddress = ${NOT_SET}\nexpect = (\n", [3, 4]),
    "tcp: unknown key": ("[probe a]\naddress = h:1\ncolour = red\nexpect = (\n", [3, 4]),
    "tcp: address misspelt": ("[probe a]\ntype = tcp\nadress = h:1\nexpect = (\n", [3, 4]),
    "tcp: twice": ("[probe a]\naddress = h:1\nsend = a\nsend = b\nexpect = (\n", [4, 5]),
    "tcp: tls": (
        "[probe a]\naddress = h:1\ntls = perhaps\ntls_server_name = x\nexpect = (\n", [3, 5]
    ),
    "tcp: tls misspelt": ("[probe a]\naddress = h:1\ntsl = yes\ntls_server_name = x\n", [3]),
    "tcp: tls in defaults": (
        "[defaults]\ntls = perhaps\n[probe a]\naddress = h:1\ntls_server_name = x\n", [2]
    ),
    "tcp: address in defaults": (
        "[defaults]\naddress = ${NOT_SET}\n[probe a]\ntype = tcp\nexpect = (\n[probe b]\ntype = tcp\n",
        [2, 5],
    ),
    "tcp: certificate": (
        "[probe a]\naddress = h:1\ntls = yes\ntls_cert = ${NOT_SET}\ntls_key = probe.ini\n", [4]
    ),
    "tcp: server name": (
        "[probe a]\naddress = unix:///x\ntls = yes\ntls_server_name = ${NOT_SET}\n", [4]
    ),
    "http": ("[probe a]\nurl = http://h/\nmax_body = big\nmethod = get\nheader = x\n", [3, 4, 5]),
    "http: url": ("[probe a]\nurl = http://h:x/\ntls_server_name = x\nheader = x\n", [2, 4]),
    "http: user": ("[probe a]\nurl = http://h/\nuser = ${NOT_SET}\npassword = p\n", [3]),
    "http: user misspelt": ("[probe a]\nurl = http://h/\nusr = u\npassword = p\n", [3]),
    "http: redirects": (
        "[probe a]\nurl = http://h/\nfollow_redirects = perhaps\ntls_server_name = x\nheader = x\n",
        [3, 5],
    ),
    "mongo": (
        "[probe a]\nuri = mongodb://h/?replicaSet=r\nmax_lag = 5\nset_name = s\n", [3, 4]
    ),
    "mongo: password": (
        "[probe a]\nuri = mongodb://h/\nuser = u\npassword_file = /nowhere/x\nfamily = 4\n", [4]
    ),
    "mongo: user": ("[probe a]\nuri = mongodb://h/\nuser = ${NOT_SET}\npassword = p\n", [3]),
    "mongo: half a login": ("[probe a]\nuri = mongodb://h/\nuser = u\nfamily = 4\n", [3]),
    "process": ("[probe a]\npid = many\nproc_root = x\n", [2, 3]),
    "process: misspelt": ("[probe a]\ntype = process\npidfil = x\nproc_root = x\n", [3, 4]),
    "process: counts": ("[probe a]\nname = x\nmin_count = many\nmax_count = 0\n", [3]),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_errors_of_a_section_come_together_and_alone(probe, name):
    text, lines = TOGETHER[name]
    r = validate(probe, text, env={"NOT_SET": None})
    said = probe.run("validate", "--json", "-c", probe.path("probe.ini")).json["problems"]
    assert r.code == 78 and [p["line"] for p in said if p["severity"] == "error"] == lines, str(r)


@pytest.mark.parametrize("lines, anybody", [
    ("address = unix:///x\ntls = yes", "address = unix:///x\ntls = yes\ntls_verify = no"),
    ("uri = mysql:///?socket=/x&ssl-mode=verify_identity", "uri = mysql:///?socket=/x&ssl-mode=verify_ca"),
    ("uri = mongodb://%2Fx.sock/?tls=true", "uri = mongodb://%2Fx.sock/?tls=true&tlsAllowInvalidHostnames=true"),
])
def test_a_unix_socket_has_no_name_to_verify_a_certificate_for(probe, lines, anybody):
    r = validate(probe, f"[probe a]\n{lines}\n")
    assert r.code == 78 and "tls_server_name" in r.out + r.err and "unix socket" in r.out + r.err, str(r)
    assert validate(probe, f"[probe a]\n{lines}\ntls_server_name = db.test\n").code == 0
    assert validate(probe, f"[probe a]\n{anybody}\n").code == 0


def test_cycle_of_after_is_an_error(probe):
    r = validate(
        probe,
        "[probe a]\ntype = tcp\naddress = h:1\nafter = b\n[probe b]\ntype = tcp\naddress = h:1\n"
        "after = a\n",
    )
    assert r.code == 78 and "after" in r.out + r.err, str(r)


def test_line_of_any_length_up_to_64_kib_and_no_further(probe):
    long = "x" * 60000
    r = validate(probe, f"[probe a]\nurl = http://h/{long}\n")
    assert r.code == 0, str(r)[-2000:]
    explained = probe.run("explain", "--json", "-c", probe.path("probe.ini"))
    assert long in explained.out
    r = validate(probe, f"[probe a]\nurl = http://h/{'x' * 66000}\n")
    assert r.code == 78 and "probe.ini:2:" in r.out + r.err, str(r)[-2000:]


def test_values_keep_what_inih_would_cut(probe):
    config = probe.write(
        "probe.ini",
        "[probe " + "n" * 60 + "]\nurl = http://127.0.0.1:1/\nuser = someone ; else # too\n"
        "header = A: 1\n    B: 2\n",
    )
    r = probe.run("explain", "--json", "-c", config)
    assert r.code == 0 and "someone ; else # too" in r.out, str(r)
    assert "n" * 60 in r.out and '"B: ***"' in r.out, str(r)


@pytest.mark.parametrize(
    "text, word",
    [
        ("[probe a]\ntype = tcp\naddress = h:1\nstart_interval = 1s\n", "start_interval"),
        ("[probe a]\ntype = tcp\naddress = h:1\ninterval = 1s\ntimeout = 5s\n", "timeout"),
        ("[probe a]\nuri = mongodb://localhost/\n", "localhost"),
        ("[probe a]\nurl = http://h/\nuser = u\npassword = p\n", "password_file"),
    ],
    ids=["start_interval", "timeout", "localhost", "secret"],
)
def test_unwise_is_a_warning_not_an_error(probe, text, word):
    r = validate(probe, text)
    assert r.code == 0, str(r)
    assert "probe.ini:" in r.out + r.err and word in r.out + r.err, str(r)


def test_secrets_that_all_may_read_are_a_warning(probe):
    config = probe.write("probe.ini", "[probe a]\nurl = http://h/\nuser = u\npassword = p\n", 0o644)
    r = probe.run("validate", "-c", config)
    assert r.code == 0 and "0640" in r.out + r.err, str(r)


def test_explain_shows_what_is_in_force_and_no_secret(probe):
    secret = probe.write("secret", "from-a-file-hunter2\n")
    config = probe.write(
        "probe.ini",
        GOOD + f"\n[probe s]\nurl = http://u:in-the-url-hunter2@127.0.0.1:1/\n"
        f"[probe t]\nurl = http://127.0.0.1:1/\nbearer_token_file = {secret}\n[probe m]\nuri = mongodb://u:uri-hunter2@127.0.0.1:1/\n",
    )
    for args in (["explain"], ["explain", "--json"], ["explain", "-v"]):
        r = probe.run(*args, "-c", config)
        assert r.code == 0, str(r)
        assert "hunter2" not in r.out + r.err, str(r)
        assert "web" in r.out and "db" in r.out, str(r)
    web = next(p for p in json.loads(probe.run("explain", "--json", "-c", config).out)["probes"]
               if p["name"] == "web")
    text = json.dumps(web)
    assert "90000" in text, "1m30s in ms or ns: " + text
    assert "7000" in text, "7s of [defaults]: " + text


def test_explain_of_names_only(probe):
    config = probe.write("probe.ini", GOOD)
    r = probe.run("explain", "-c", config, "web")
    assert r.code == 0 and "timeout" in r.out and "mongodb://" not in r.out, str(r)
    r = probe.run("explain", "-c", config, "wob")
    assert r.code == 64 and "web" in r.err, str(r)


def test_variables_expand(probe):
    config = probe.write(
        "probe.ini",
        "[probe a]\nurl = http://${PROBE_T_HOST}:${PROBE_T_PORT:-81}/$${x}\n",
    )
    r = probe.run("explain", "--json", "-c", config, env={"PROBE_T_HOST": "example.test"})
    assert r.code == 0 and "http://example.test:81/${x}" in r.out, str(r)


@pytest.mark.parametrize("bad", [b"\0", b"[probe a]\nurl = \xff\xfe\n", b"\xef\xbb\xbf[nonsense]\n",
                                 b"[", b"[probe ]\n", b"=", b"[probe a]\n=x\n", b"x" * 70000])
def test_hostile_files_are_errors_never_crashes(probe, bad):
    path = probe.path("probe.ini")
    path.write_bytes(bad)
    r = probe.run("validate", "-c", path)
    assert r.code == 78, str(r)[-2000:]


def test_a_directory_or_an_unreadable_file_is_78(probe):
    r = probe.run("validate", "-c", probe.dir)
    assert r.code == 78 and str(probe.dir) in r.err + r.out, str(r)


@pytest.mark.parametrize("conf", sorted(ROOT.glob("conf/*.ini")), ids=lambda p: p.name)
def test_shipped_configurations_are_good(probe, conf):
    r = probe.run("validate", "-c", conf)
    assert r.code == 0, str(r)


def test_durations_are_composes(probe):
    """The vectors' `compose_ns` column, by the number that `explain --json` shows."""
    vectors = json.loads((ROOT / "tests/unit/data/durations.json").read_text())["vectors"]
    good = [v for v in vectors if isinstance(v.get("compose_ns"), int)
            and 10**6 <= v["compose_ns"] < 10**15]
    text = "".join(
        f"[probe p{i}]\ntype = tcp\naddress = h:1\ntimeout = {v['in']}\n"
        for i, v in enumerate(good)
    )
    r = probe.run("explain", "--json", "-c", probe.write("probe.ini", text))
    assert r.code == 0 and len(good) > 10, str(r)
    for i, v in enumerate(good):
        shown = json.dumps(r.json["probes"][i])
        assert str(v["compose_ns"]) in shown, f"{v}: {shown}"


def test_nothing_to_watch(probe):
    """A forgotten mount, an empty file: an agent of it would be ready for ever."""
    for text in "", "# nothing yet\n", "[agent]\nsocket = off\n", "[defaults]\ninterval = 1s\n":
        path = probe.write("empty.ini", text)
        for command in "run", "validate":
            r = probe.run(command, "-c", path)
            assert r.code == 78 and "nothing to watch, expected a section" in r.out + r.err, str(r)
    r = probe.run("run", env={"PROBE_CONFIG": probe.path("not there")})
    assert r.code == 78 and "No such file" in r.err, str(r)
    r = probe.run("run", "-c", "/dev/null")
    assert r.code == 78 and "nothing to watch" in r.err, str(r)
    r = probe.run("validate", "-c", probe.write("empty.ini", "[agent]\nallow_empty = yes\n"))
    assert r.code == 0, str(r)


def test_reload_to_nothing_is_refused(probe):
    agent = probe.agent("[probe x]\npid = 1\ninterval = 50ms\n")
    agent.wait_status("x", "healthy")
    agent.configure("")
    answer = agent.post("/reload")
    assert answer.code == 422 and "nothing to watch" in answer.text, str(answer)
    assert agent.get("/ready").code == 200
    agent.stop()


def test_an_empty_share(probe):
    """Each of two agents has a share; that of one is empty, which is no readiness."""
    x = "[probe x]\npid = 1\ninterval = 50ms\n"
    agents = [probe.agent(x, f"shard = {i}/2") for i in range(2)]
    empty = [a for a in agents if not a.get("/status").json["probes"]]
    assert len(empty) == 1
    ready = empty[0].get("/ready")
    assert ready.code == 503 and "share" in ready.text and "is empty" in ready.text, str(ready)
    for a in agents:
        a.stop()
    i = agents.index(empty[0])
    agent = probe.agent(x, f"shard = {i}/2\nallow_empty = yes")
    assert agent.get("/ready").code == 200
    agent.stop()


def test_a_fifo_as_configuration(probe):
    """Whatever it is that nobody writes to, no command waits for it."""
    fifo = probe.path("fifo.ini")
    os.mkfifo(fifo)
    for command in (["run"], ["validate"], ["check", "x"], ["explain"]):
        r = probe.run(*command, "-c", fifo)
        assert r.code == 78 and "is a FIFO or pipe, expected a regular file" in r.out + r.err, str(r)
    agent = probe.agent("[probe x]\npid = 1\ninterval = 50ms\n")
    agent.wait_status("x", "healthy")
    agent.config.unlink()
    os.mkfifo(agent.config)
    answer = agent.post("/reload")
    assert answer.code == 422 and "is a FIFO" in answer.text, str(answer)
    agent.stop()


def test_what_a_reload_cannot_change(probe):
    """It is refused by name, and nothing else of that file is taken."""
    body = "[probe x]\npid = 1\ninterval = 50ms\n"
    agent = probe.agent(body)
    agent.wait_status("x", "healthy")
    agent.agent_lines = "ready_fd = 9"
    agent.configure(body + "[probe y]\npid = 1\n")
    answer = agent.post("/reload")
    assert answer.code == 422 and "ready_fd is taken at the start" in answer.text, str(answer)
    assert agent.get("/status/y").code == 404
    agent.stop()


def test_what_others_may_change(probe):
    """Whoever may write the file, or a folder above, chooses what the agent runs and reads."""
    folder = probe.path("etc")
    folder.mkdir(mode=0o755)
    for name, text in ("secret", "hunter2\n"), ("tell", "#!/bin/sh\n"):
        (folder / name).write_text(text)
        (folder / name).chmod(0o700)
    config = probe.write("etc/probe.ini",
        f"[agent]\non_transition = {folder}/tell\non_transition_url_file = {folder}/secret\n"
        "[probe x]\npid = 1\n", 0o600)
    (folder / "secret").write_text("http://localhost/\n")
    assert "others can change" not in probe.run("validate", "-c", config).out
    for name in "secret", "tell", "probe.ini":
        mode = (folder / name).stat().st_mode
        (folder / name).chmod(0o722)
        r = probe.run("validate", "-c", config)
        assert r.code == 0 and f"others can change {folder}/{name}: " in r.out, str(r)
        assert "can be written by everybody" in r.out, str(r)
        (folder / name).chmod(mode)
    folder.chmod(0o777)
    r = probe.run("validate", "-c", config)
    assert r.out.count(f"{folder} can be written by everybody") == 3, str(r)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "db:9797", "127.0.0.1", "[::1]", "127.0.0.1:70000"])
def test_what_cannot_be_listened_on(probe, address):
    for key in "listen", "agent_check":
        path = probe.write("l.ini", f"[agent]\n{key} = {address}\n[probe x]\npid = 1\n")
        r = probe.run("validate", "-c", path)
        assert r.code == 78 and f"agent.{key}: " in r.out, str(r)


def test_a_default_is_for_the_types_that_have_it(probe):
    """A value that one type of the file does not know is an error; that a type elsewhere would not, is none."""
    mongo = "[defaults]\nrequire = data\nmax_lag = 500ms\n[probe a]\nuri = mongodb://db/\n"
    postgres = "[probe b]\nuri = postgres://db/\n[probe c]\nuri = postgres://db/\n"
    redis = "[probe b]\nuri = redis://db/\nmax_lag = 20s\n"
    for text, wrong in (
        (mongo, []),
        (mongo + redis, []),
        (mongo + "[probe b]\nuri = postgres://db/\nrequire = ping\n", []),
        (mongo + postgres, [':2: defaults.require: "data" is unknown, expected ping, login']),
        (mongo + "[probe b]\nuri = redis://db/\n", [":3: defaults.max_lag: "]),
        ("[defaults]\nrequire = perhaps\n" + postgres, [':2: defaults.require: "perhaps" is unknown']),
    ):
        r = probe.run("validate", "-c", probe.write("probe.ini", text))
        errors = [line for line in r.out.splitlines() if "probe.ini:" in line and "warning" not in line][:-1]
        assert r.code == (78 if wrong else 0) and len(errors) == len(wrong), str(r)
        assert all(words in line for words, line in zip(wrong, errors)), str(r)
    config = probe.write("probe.ini", mongo)
    r = probe.run("check", "-c", config, "postgres://127.0.0.1:1/")
    assert r.code in (64, 78) and "defaults.require" in r.err, str(r)
    r = probe.run("check", "-c", config, "--set", "require=ping", "postgres://127.0.0.1:1/")
    assert r.code == 1, str(r)


def test_lint_wants_no_secret_and_no_certificate_here(probe):
    text = ("[agent]\ntoken_file = /nowhere/token\nready_file = /nowhere/ready\n"
            "[probe db]\nuri = mongodb://db.test/?tls=true\nuser = u\npassword_file = /nowhere/password\n"
            "tls_ca = /nowhere/ca.pem\ntls_cert = /nowhere/cert.pem\ntls_key = /nowhere/key.pem\n"
            "[probe db2]\nuri = mongodb://db.test/?tlsCAFile=/nowhere/ca.pem&tlsCertificateKeyFile=/nowhere/pair.pem\n"
            "[probe web]\nurl = https://web.test/\nheader =\n    Authorization: Bearer ${file:/nowhere/token}\n")
    config = probe.write("other.ini", text)
    r = probe.run("validate", "-c", config)
    assert r.code == 78 and r.out.count("/nowhere/") >= 5, str(r)
    r = probe.run("validate", "--lint", "-c", config)
    note, valid = r.lines
    assert r.code == 0 and valid == f"{config}: valid: 3 probes", str(r)
    assert note.startswith("note: 3 probes without a timeout: `probe run` gives a check 30s"), str(r)
    timed = probe.write("timed.ini", "[defaults]\ntimeout = 3s\n[probe a]\naddress = 127.0.0.1:1\n")
    assert probe.run("validate", "-c", timed).out == f"{timed}: valid: 1 probe\n"
    assert probe.run("check", "--lint", "tcp://127.0.0.1:1").code == 64


def test_lint_still_finds_what_is_wrong(probe):
    config = probe.write("other.ini", "[probe db]\nuri = nowhere\nuser = u\npassword_file = /nowhere/x\n"
                         "[probe web]\nurl = https://web.test/\ntiemout = 3s\n")
    r = probe.run("validate", "--lint", "-c", config)
    assert r.code == 78 and "db.uri: " in r.out and "did you mean timeout?" in r.out, str(r)
    assert "/nowhere" not in r.out, str(r)
    good = probe.write("ca.pem", "no certificate")
    config = probe.write("there.ini", f"[probe web]\nurl = https://web.test/\ntls_ca = {good}\n")
    r = probe.run("validate", "--lint", "-c", config)
    assert r.code == 78 and "tls_ca" in r.out, "a file that is there is looked at: " + str(r)


@pytest.mark.parametrize(
    "setting, says",
    [
        ("url = tcp://127.0.0.1:1", "tcp:// is of type tcp, expected target = tcp://... or address = what follows"),
        ("url = mongodb://u:hunter2@h/", "mongodb:// is of type mongo, expected target = mongodb://... or uri = "),
        ("uri = https://u:hunter2@h/", "https:// is of type http, expected target = https://... or url = "),
        ("address = redis://:hunter2@h/", "redis:// is of type redis, expected target = redis://... or uri = "),
        ("url = http://127.0.0.1:1/   # my web", "a comment needs a line of its own"),
        ("address = 127.0.0.1:1 ; my port", "a comment needs a line of its own"),
        ("type = mongodb", "did you mean mongo?"),
        ("type = postgresql", "did you mean postgres?"),
        ("type = mariadb", "did you mean mysql?"),
        ("type = https", "did you mean http?"),
        ("url = http://h/\nstatus = 200", "did you mean expect_status?"),
        ("url = https://h/\ninsecure = yes", "did you mean tls_verify?"),
        ("uri = redis://h/\nhost = h", "did you mean uri?"),
    ],
    ids=lambda a: a,
)
def test_a_habit_of_other_programs_gets_the_word_that_is_meant(probe, setting, says):
    r = validate(probe, f"[probe a]\n{setting}\n")
    assert r.code == 78 and says in r.out and "hunter2" not in r.out, str(r)
    assert ": invalid: 1 error" in r.out, "no consequences: " + str(r)


USELESS = {  # what others have of [defaults], and what has no use for it
    "tls_ca = {ca}": ["url = http://h:1/", "address = h:1", "uri = redis://h", "url = grpc://h:1/", "uri = mongodb://h/?tls=false",
                      "uri = postgres://h/?sslmode=disable", "url = http+unix:///run/s.sock:/"],
    "tls_min_days = 3": ["url = http://h:1/", "uri = mysql://h/?ssl-mode=DISABLED"],
    "proxy = http://p:1": ["url = http+unix:///run/s.sock:/"],
    "connect_to = 192.0.2.1:80": ["url = http+unix:///run/s.sock:/"],
    "min_count = 2": ["pid = 1", "pidfile = /run/x.pid"],
    "namespace = all": ["pid = 1"],
    "min_members = 2": ["uri = mongodb://h/"],
}


@pytest.mark.parametrize("key, target", [(key, target) for key in USELESS for target in USELESS[key]])
def test_a_default_is_left_out_where_it_is_of_no_use(probe, certs, key, target):
    key = key.format(ca=certs.ca)
    alone = probe.write("alone.ini", f"[probe a]\n{target}\n{key}\n", 0o600)
    r = probe.run("validate", "-c", alone)
    assert r.code != 0 and f"probe a.{key.split()[0]}: " in r.out + r.err, str(r)
    both = probe.write("both.ini", f"[defaults]\n{key}\n[probe a]\n{target}\n", 0o600)
    r = probe.run("validate", "-c", both)
    assert r.code == 0, str(r)
    # Nor does the configuration that it amounts to have it.
    effective = probe.run("explain", "-c", both)
    assert effective.code == 0, str(effective)
    given = [line for line in effective.out.splitlines() if line.startswith(key.split()[0])]
    assert given == [], given
    again = probe.write("again.ini", effective.out, 0o600)
    assert probe.run("validate", "-c", again).code == 0
