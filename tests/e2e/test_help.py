"""`probe help`: the manual in short form, from the program itself."""

import json
import re

import pytest

TOPICS = ["commands", "types", "recipes", "targets", "config", "durations", "patterns", "agent", "defaults", "options", "exit-codes", "states",
          "reasons", "environment", "api", "status-json", "events", "metrics"]


def test_topics(probe):
    r = probe.run("help")
    assert r.code == 0 and not r.err
    for topic in TOPICS + ["run", "check", "wait", "status", "explain", "validate", "mongo", "tcp", "http", "process"]:
        assert topic in r.out.replace(",", " ").split()
        said = probe.run("help", topic)
        assert said.code == 0 and len(said.lines) > 3, said
        assert max(map(len, said.lines)) <= 80, said


def test_every_name(probe):
    names = probe.run("help", "--names").lines
    assert len(names) == len(set(names)) > 100
    every = probe.run("help", *names)
    assert every.code == 0 and not every.err
    for name in set(names) - set(TOPICS):
        assert name in every.out


def test_every_key(probe):
    """All keys that `explain` knows, and their twins' heads."""
    config = probe.write("c.ini", "[agent]\nlog_level = info\n[probe a]\nuri = mongodb://127.0.0.1:1/\n[probe b]\n"
                         "address = 127.0.0.1:1\n[probe c]\nurl = http://127.0.0.1/\n[probe d]\npid = 1\n")
    shown = json.loads(probe.run("explain", "--json", "-c", config, "--agent", probe.path("none")).out)
    keys = {key for p in shown["probes"] for key in p["config"]} | set(shown["agent"])
    keys = {key.removesuffix("_ns") for key in keys}
    assert {"interval", "uri", "send", "expect_json", "cmdline", "socket"} <= keys
    said = probe.run("help", *keys)
    assert said.code == 0
    explained = set(re.findall(r"^(\w+) = .*\n    Key of ", said.out, re.M))
    assert keys == explained


def test_one_key(probe):
    r = probe.run("help", "start_period")
    assert r.lines[0] == "start_period = duration (default 0s)"
    assert "failures of checks started in that time do not count" in " ".join(r.out.split())


def test_columns(probe):
    out = " ".join(probe.run("help", "expect_json").out.split())
    assert "'/json/pointer = value': it is that" in out and " Ta " not in out


def test_what_has_the_name(probe):
    """A key, an option and a reason in one answer."""
    out = probe.run("help", "timeout").out
    for what in ("timeout = duration", "--timeout D", "Reason of a failed check"):
        assert what in out


def test_the_file_of_a_key(probe):
    for name, key in ("password_file", "password"), ("token_file", "token"), ("uri_file", "uri"):
        r = probe.run("help", name)
        assert r.code == 0 and r.lines[0] == f"{name} = path" and f"\n{key} = " in r.out, str(r)
    assert probe.run("help", "interval_file").code == 64


def test_exit_codes_are_those_of_the_command(probe):
    out = {c: probe.run(c, "-h").out.split("Exit codes:")[1] for c in ("run", "check", "wait", "status", "validate")}
    assert [c for c in out if " 75 stale" in out[c].replace("\n", " ")] == ["status"], out
    assert [c for c in out if " 124 " in out[c].replace("\n", " ")] == ["wait"], out
    assert all(" 64 usage" in codes for codes in out.values()), out


def test_option_with_dashes(probe):
    assert "only with" not in probe.run("help", "invert").out
    assert "--invert (check wait)" in probe.run("help", "invert").out


@pytest.mark.parametrize("word, near", [("strat_period", "start_period"), ("wiat", "wait"), ("exit-code", "exit-codes"),
                                        ("mongodb", "mongo")])
def test_unknown_topic(probe, word, near):
    r = probe.run("help", word)
    assert r.code == 64 and not r.out
    assert f"did you mean '{near}'?" in r.err


@pytest.mark.parametrize("word, where", [("redirects", "follow_redirects"), ("Kubernetes", "retries"), ("proxies", "http")])
def test_word_of_a_text(probe, word, where):
    r = probe.run("help", word)
    assert r.code == 64 and not r.out
    said = re.search(r"it is spoken of in: (.*)", r.err)
    assert said and where in said[1].split(", "), r


def test_far_from_all(probe):
    r = probe.run("help", "qqqqqqqqqq")
    assert r.code == 64 and r.err == "probe: no help for 'qqqqqqqqqq'\nprobe: see 'probe help'\n"


def test_names_of_probes(probe):
    config = probe.write("c.ini", "[probe b]\naddress = 127.0.0.1:1\n[probe a]\npid = 1\n")
    r = probe.run("explain", "--names", "-c", config)
    assert (r.code, r.out, r.err) == (0, "b\na\n", "")
    assert probe.run("status", "--names").code == 64
    config.write_text("[probe b\n")
    r = probe.run("explain", "--names", "-c", config)
    assert r.code == 78 and not r.out


def test_version_is_an_option_too(probe):
    """As most programs have it, whatever else is on the line."""
    wanted = probe.run("version")
    assert wanted.code == 0
    for words in (["-V"], ["--version"], ["check", "--version"]):
        assert probe.run(*words).out == wanted.out, words
