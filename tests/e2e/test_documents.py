"""Every example of README.md, of packaging/ and of the manual is run, each by its kind (lib/examples.py).
One that is not says why, where it stands; one of which nothing is known fails."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from lib.examples import all_examples
from lib.net import wait_until
from lib.program import ROOT
from lib.sandbox import Sandbox, can_be_made
from lib.servers import sbin

EXAMPLES = all_examples()
KINDS = {"ini", "sh", "console", "dockerfile", "yaml", "podman", "haproxy", "sse", "tree", "container",
         "not run"}

# What the examples mean where they do not say it: the configuration of the agent that they ask.
CONFIG = """[defaults]
interval = 200ms
[probe mongodb]
uri = mongodb://mongodb:27017/
[probe web]
url = http://app:8080/health
"""

AGENT = """probe run >agent.log 2>&1 & agent=$!
trap 'kill $agent 2>/dev/null' EXIT
probe wait -q --timeout 30s http://127.0.0.1:9797/ready || { cat agent.log >&2; exit 1; }
"""
AGENT_STOPS = "\ntrap - EXIT\nkill $agent; wait $agent || { echo \"the agent ended with $?\" >&2; exit 1; }\n"


def of(*kinds):
    chosen = [e for e in EXAMPLES if e.kind in kinds]
    return pytest.mark.parametrize("example", chosen, ids=[e.id for e in chosen])


@pytest.fixture(scope="module")
def sandbox(binary):
    why_not = can_be_made()
    if why_not:
        pytest.skip(f"needs a network and a mount name space: {why_not}")
    made = Sandbox(binary)
    yield made
    made.close()


def test_each_has_a_kind():
    assert len(EXAMPLES) > 30
    unknown = [f"{e.id}: {e.kind}" for e in EXAMPLES if e.kind not in KINDS]
    assert not unknown, f"of what kind are these (see lib/examples.py)? {unknown}"


# ---- Configurations


def set_variables(text):
    """An example's own variables, where it has no default for them, get a value."""
    return {name: "1" for name in re.findall(r"\$\{(\w+)(?::\?[^}]*)?\}", text)}


@of("ini")
def test_ini(example, probe):
    path = probe.write("probe.ini", example.text)
    r = probe.run("validate", "--lint", "-c", path, env=set_variables(example.text))
    assert r.code == 0 and "warning" not in r.out, f"{example.id}\n{r}"


# ---- Commands


def configuration_of(example):
    """What the ini block above it shows, checked more often; else what CONFIG has."""
    shown = [e.text for e in example.before if e.kind == "ini"]
    if not shown or "uri = mongodb://mongodb" not in shown[-1]:
        return CONFIG
    return re.sub(r"(?m)^interval = .*$", "interval = 200ms", shown[-1])


def with_agent(script):
    """`probe run` goes on while the lines below it are run, once it is ready, and is stopped at the end."""
    runs = re.compile(r"(?m)^(probe run\b[^#&\n]*?)\s*&?\s*(#.*)?$")
    own = runs.search(script)
    if not own:
        return AGENT + script + AGENT_STOPS
    return runs.sub(lambda m: AGENT.replace("probe run", m[1]), script, count=1) + AGENT_STOPS


@of("sh")
def test_sh(example, sandbox):
    script = example.text
    agent = "agent" in example.words.split() or re.search(r"^probe (run|status)\b", script, re.M)
    r = sandbox.run(with_agent(script) if agent else script, config=configuration_of(example) if agent else None)
    assert r.code == 0, f"{example.id}\n{r}"


def shape(line):
    """Without what differs from run to run: times, addresses, numbers of processes; one blank for many."""
    line = re.sub(r"\b\d+(\.\d+)?\s?(µs|ms|s|m\d+s|h\d+m)\b", "TIME", line)
    line = re.sub(r"\b\d+\.\d+\.\d+\.\d+\b", "ADDRESS", line)
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", line)).strip()


@of("console")
def test_console(example, sandbox):
    """What is typed behind each `$`, and what is shown. What it shows as refused is down."""
    for typed, shown in re.findall(r"^\$ (.*\n)((?:(?!\$ ).*\n)*)", example.text, re.M):
        down = [n for n in ("mongodb", "db", "app", "cache") if re.search(rf"//{n}:.*refused", example.text)]
        commands = [line for line in re.findall(r"^\$ (.*)", example.text, re.M)]
        script = "\n".join(commands[: commands.index(typed.strip()) + 1])
        want = [shape(line) for line in shown.splitlines() if line.strip()]
        tried = []
        for terminal in (False, True):
            r = sandbox.run(f"set +e\n{script}\ntrue", down=down, terminal=terminal)
            got = [shape(line) for line in r.out.splitlines() if line.strip()]
            tried.append(r)
            if got[len(got) - len(want):] == want or sorted(got) == sorted(want):
                break
        else:
            pytest.fail(f"{example.id}: $ {typed}shows otherwise: {want}\n{tried}")


# ---- Images


INSTRUCTIONS = set("FROM RUN CMD LABEL EXPOSE ENV ADD COPY ENTRYPOINT VOLUME USER WORKDIR ARG HEALTHCHECK".split())


def instructions(text):
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.strip().partition(" ")
            assert word in INSTRUCTIONS, line
            yield word, rest.strip()


def run_array(sandbox, array, seconds=60):
    command = shlex.join(array).replace("/usr/local/bin/probe", "probe", 1)
    assert command.startswith("probe "), array
    return sandbox.run(command, seconds=seconds)


@of("dockerfile")
def test_dockerfile(example, sandbox):
    """What it starts is started, with the services there."""
    entry, command = [], []
    for word, rest in instructions(example.text):
        if word == "HEALTHCHECK":
            options, _, array = rest.partition("CMD ")
            r = run_array(sandbox, json.loads(array))
            assert r.code == 0 and "healthy" in r.out, f"{example.id}\n{r}"
            own = re.search(r'"--timeout", "(\d+)s"', array)
            engine = re.search(r"--timeout=(\d+)s", options)
            assert own and engine and int(own[1]) < int(engine[1]), "the check's own timeout is to be the shorter"
        elif word == "ENTRYPOINT":
            entry = json.loads(rest)
        elif word == "CMD":
            command = json.loads(rest)
        elif word == "COPY":
            source = re.fullmatch(r"--from=probe (/\S+) /\S+", rest)
            made = (ROOT / "packaging/docker/Dockerfile").read_text()
            assert source and f" {source[1]}\n" in made, f"{rest}: the image that is copied from has no such file"
    if entry or command:
        r = run_array(sandbox, entry + command)
        assert r.code == 0 and "the app runs" in r.out, f"{example.id}\n{r}"


# ---- What others read


def check_kubernetes(sandbox, probe):
    get = probe["httpGet"]
    r = sandbox.run(with_agent(f"curl -sf http://127.0.0.1:{get['port']}{get['path']}"), config=CONFIG)
    assert r.code == 0 and r.out, r


def check_compose(sandbox, service):
    """Its health check is run; the binary is where it mounts it."""
    check = service["healthcheck"]
    kind, binary, *words = check["test"]
    assert kind == "CMD" and f":{binary}:ro" in "".join(service["volumes"])
    own = int(words[words.index("--timeout") + 1][:-1])
    assert own < int(check["timeout"][:-1]), "the check's own timeout is to be the shorter"
    r = run_array(sandbox, ["probe", *words])
    assert r.code == 0 and "healthy" in r.out, r


@of("podman")
def test_podman(example, sandbox):
    """The health check is run as podman would run it: an array, no shell."""
    done = subprocess.run(["bash", "-n", "-c", example.text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    binary, *words = json.loads(re.search(r"--health-cmd[\s\\]*'(\[.*?\])'", example.text)[1])
    assert f":{binary}:ro" in example.text
    r = run_array(sandbox, ["probe", *words])
    assert r.code == 0 and "healthy" in r.out, f"{example.id}\n{r}"


@of("yaml")
def test_yaml(example, sandbox, tmp_path):
    document = yaml.safe_load(example.text)
    if "scrape_configs" in document:
        (tmp_path / "prometheus.yml").write_text(example.text)
        subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], check=True, capture_output=True)
        port = document["scrape_configs"][0]["static_configs"][0]["targets"][0].split(":")[1]
        r = sandbox.run(with_agent(f"curl -sf http://127.0.0.1:{port}/metrics"), config=CONFIG)
        assert r.code == 0 and "probe_healthy{" in r.out, r
        return
    if "groups" in document:
        (tmp_path / "rules.yml").write_text(example.text)
        subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yml"], check=True, capture_output=True)
        metrics = (ROOT / "src/serve/metrics_probe.c").read_text()
        used = set(re.findall(r"\bprobe_[a-z_]+", str(document)))
        assert used and all(f'"{name}"' in metrics for name in used), used
        return
    if "services" in document:
        for service in document["services"].values():
            check_compose(sandbox, service)
        return
    probes = [document[key] for key in ("readinessProbe", "livenessProbe", "startupProbe") if key in document]
    assert probes, f"{example.id}: what is this?"
    for probe in probes:
        check_kubernetes(sandbox, probe)


@of("haproxy")
def test_haproxy(example, tmp_path):
    conf = tmp_path / "haproxy.cfg"
    conf.write_text(f"defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n{example.text}"
                    "frontend f\n bind 127.0.0.1:1\n default_backend app\n")
    done = subprocess.run([sbin("haproxy"), "-c", "-f", conf], capture_output=True, text=True)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr


@of("sse")
def test_events(example, sandbox):
    """The event that is shown has the members that one has."""
    fields = dict(line.split(": ", 1) for line in example.text.splitlines() if line)
    read = """exec 3<>/dev/tcp/127.0.0.1/9797
printf 'GET /events HTTP/1.0\\r\\n\\r\\n' >&3
sed -n '/^data: {"name"/{s/^data: //p;q}' <&3"""
    r = sandbox.run(with_agent(read), config=CONFIG)
    assert fields["event"] == "status" and list(json.loads(fields["data"])) == list(r.json), r


def members(document, prefix="", deep=()):
    """Paths of all members; those of `deep` are not looked into, their members are a table's."""
    for item in document if isinstance(document, list) else [document]:
        for key, value in item.items() if isinstance(item, dict) else ():
            yield prefix + key
            if prefix + key not in deep:
                yield from members(value, f"{prefix}{key}.", deep)


def listed(mark):
    page = (ROOT / "src/manual/probe-api.7").read_text()
    part = re.search(rf'^\.\\" {mark}\n\.Bl[^\n]*\n(.*?)^\.El$', page, re.M | re.S)
    return set(re.findall(r"^\.It Cm (\S+)$", part[1], re.M))


def test_documents_of_the_commands(probe):
    """The members of what --json prints, as the manual lists them."""
    agent = probe.agent("[probe a]\naddress = 127.0.0.1:1\ntimeout = 40s\n")
    agent.wait_status("a", "starting")
    common = ("--json", "-c", agent.config)
    valid = probe.run("validate", *common).json
    assert set(members(valid)) == listed("members of validate")
    explained = probe.run("explain", *common, "--agent", agent.socket).json
    deep = ("agent", "probes.config", "probes.agent_view")
    assert set(members(explained, deep=deep)) == listed("members of explain")
    assert set(members(probe.run("version", "--json").json, deep=("libraries",))) == listed("members of version")


def test_document_of_a_transition(probe):
    told = probe.path("told")
    agent = probe.agent("[probe a]\naddress = 127.0.0.1:1\nretries = 1\n", f"on_transition = sh -c 'cat >{told}.part; mv {told}.part {told}'")
    agent.wait_status("a", "unhealthy")
    wait_until(told.exists, 10, "the command was run")
    assert set(members(json.loads(told.read_text()))) == listed("members of on_transition")


def test_metrics(probe):
    """Those that the manual has are those that there are, of the kind that it says."""
    agent = probe.agent("[probe a]\naddress = 127.0.0.1:1\n")
    there = dict(re.findall(r"^# TYPE (\w+) (\w+)$", agent.get("/metrics").text, re.M))
    told = dict(re.findall(r"^(\w+) \((\w+)\)$", probe.run("help", "metrics").out, re.M))
    there.setdefault("process_max_fds", "gauge")  # missing where there is no limit
    assert there == told


@of("tree")
def test_tree(example):
    """Each path that is shown is there."""
    paths = re.findall(r"(?:^|\s{2,})([\w.-]+/[\w./-]*)", example.text, re.M)
    assert len(paths) >= 3
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing, missing


# ---- What cannot be run here


@of("container")
def test_is_run_by_the_container_tests(example):
    """tests/containers/test_readme.py takes them by this very comment, and knows their names."""
    assert example.document == "packaging/README.md"
    names = re.search(r"set\(BLOCKS\) == \{([^}]*)\}", (ROOT / "tests/containers/test_readme.py").read_text())
    assert f'"{example.words}"' in names[1]


@of("not run")
def test_not_run_says_why(example):
    """And is at least what a shell understands, of files that there are."""
    assert len(example.words) > 15, f"{example.id}: why?"
    if named := re.fullmatch(r"(tests/\S+\.py) runs it, .*", example.words):
        assert Path(example.document).name in (ROOT / named[1]).read_text(), named[1]
        return
    done = subprocess.run(["bash", "-n", "-c", example.text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path in re.findall(r"(?<![\w/.-])((?:packaging|tests|conf)/[\w./-]+)", example.text):
        assert (ROOT / path).exists(), path
    for target in re.findall(r"--target (\S+)", example.text):
        assert f" AS {target}\n" in (ROOT / "packaging/docker/Dockerfile").read_text(), target
