"""What is shipped for Prometheus and Grafana, on a real Prometheus that scrapes a real agent. (Grafana
itself is no Debian package: of the dashboard, every query is run.)"""

import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from lib import hostile, servers
from lib.net import SLACK, accepts, free_port, wait_until
from lib.program import ROOT

MONITORING = ROOT / "packaging/compose/monitoring"
RULES = yaml.safe_load((MONITORING / "rules.yml").read_text())
ALERTS = [rule["alert"] for group in RULES["groups"] for rule in group["rules"]]


class Prometheus(servers.Process):
    """Prometheus as packaging/compose runs it, but for the agent's address and the intervals."""

    def __init__(self, agent_port):
        super().__init__()
        self.port = free_port()
        conf = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
        conf["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
        for job in conf["scrape_configs"]:
            job.pop("dns_sd_configs")
            job["static_configs"] = [{"targets": [f"127.0.0.1:{agent_port}"]}]
        (self.dir / "prometheus.yml").write_text(yaml.safe_dump(conf))
        (self.dir / "rules.yml").write_text((MONITORING / "rules.yml").read_text())
        self.launch(
            ["prometheus", "--config.file=prometheus.yml", f"--storage.tsdb.path={self.dir}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
            lambda: accepts(self.port),
        )

    def get(self, path, **arguments):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=20 * SLACK) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as e:
            if e.code == 503:  # it is still starting
                return None
            raise AssertionError(f"{url}: {e.read().decode()}") from None

    def query(self, expression):
        data = self.get("query", query=expression)
        return data and data["result"]


@pytest.fixture
def full(probe, serve, start, certs, port):
    """An agent of which every metric has something to say."""
    server = serve(hostile.silent)
    secure = start(servers.Nginx, tls=certs.pair(),
                   server='location = /none { return 404; } location / { return 200 "ok\n"; }')
    agent = probe.agent(
        "[defaults]\ninterval = 200ms\ntimeout = 5s\nretries = 1\n"
        f"[probe up]\naddress = 127.0.0.1:{server.port}\ntype = tcp\n"
        f"[probe down]\naddress = 127.0.0.1:{port}\ntype = tcp\nrequired = no\n"
        f"[probe secure]\nurl = https://localhost:{secure.port}/\ntls_ca = {certs.ca}\nlabels = team=shop\n"
        f"[probe missing]\nurl = https://localhost:{secure.port}/none\ntls_ca = {certs.ca}\nrequired = no\n"
        f"[probe dead]\nurl = http://127.0.0.1:{port}/\nrequired = no\n"
    )
    agent.plain = secure
    agent.wait_status("up", "healthy")
    agent.wait_status("down", "unhealthy")
    agent.wait_status("secure", "healthy")
    agent.wait_status("missing", "unhealthy")
    agent.wait_status("dead", "unhealthy")
    return agent


def dashboard_queries():
    dashboard = json.loads((MONITORING / "grafana/dashboards/probe.json").read_text())
    variables = {v["name"] for v in dashboard["templating"]["list"]}
    assert variables == {"datasource", "instance", "type", "name", "labels"}
    found = [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p["targets"]]
    assert all("$instance" in expression for _, expression in found), "a variable filters all"
    found = [(title, re.sub(r"\$(instance|type|name)", ".*", expression)) for title, expression in found]
    assert len(found) >= len(dashboard["panels"]) >= 8
    return found


# Rules as they are written for blackbox_exporter, and the probes that they are to find here.
BLACKBOX = {
    "probe_success == 0": {"down", "missing", "dead"},
    "probe_http_status_code <= 199 or probe_http_status_code >= 400": {"missing", "dead"},
    "probe_http_status_code == 0": {"dead"},
    "probe_http_status_code == 200": {"secure"},
    "probe_ssl_earliest_cert_expiry - time() < 86400 * 30": {"secure", "missing"},
    "probe_ssl_earliest_cert_expiry - time() <= 0": set(),
    "probe_dns_lookup_time_seconds > 4": set(),
    "probe_dns_lookup_time_seconds >= 0": {"up", "down", "secure", "missing", "dead"},
    "probe_duration_seconds > probe_timeout_seconds": set(),
    "avg_over_time(probe_duration_seconds[1m]) < 5": {"up", "down", "secure", "missing", "dead"},
    "probe_timeout_seconds == 5": {"up", "down", "secure", "missing", "dead"},
    'probe_success{team="shop"}': {"secure"},
}


def blackbox(prometheus):
    for expression, names in BLACKBOX.items():
        found = {r["metric"]["name"] for r in prometheus.query(expression)}
        assert found == names, expression


def test_scrapes_alerts_and_dashboard(full, start):
    agent, prometheus = full, start(Prometheus, full.port)

    def target():
        active = (prometheus.get("targets") or {}).get("activeTargets") or [{}]
        error = active[0].get("lastError")
        assert not error or "deadline exceeded" in error, active  # late, on a busy machine: it asks again
        return active[0].get("health") == "up"

    wait_until(target, 20, "Prometheus has scraped the agent", every=0.1)

    for title, expression in dashboard_queries():
        wait_until(lambda: prometheus.query(expression), 30, f"{title}: {expression} returns data", every=0.2)

    # What is read there is what the agent says here.
    healthy = {r["metric"]["name"]: r["value"][1] for r in prometheus.query("probe_healthy")}
    assert healthy == {"up": "1", "down": "0", "secure": "1", "missing": "0", "dead": "0"}
    blackbox(prometheus)
    ends = prometheus.query('(probe_tls_certificate_not_after_timestamp_seconds{name="secure"} - time()) / 86400')
    assert 1 < float(ends[0]["value"][1]) <= 2
    # Every name that is scraped is described, with its type, and no unit but the base ones.
    described = prometheus.get("metadata")
    scraped_names = {name for name in prometheus.get("label/__name__/values")
                     if name.startswith(("probe_", "process_"))}
    for name in scraped_names:
        family = name if name in described else re.sub("_(bucket|sum|count|total)$", "", name)
        assert described[family][0]["help"] and described[family][0]["type"] != "unknown", name
        assert not re.search("_(ms|millis|milliseconds|minutes|kb|mb|percent)(_|$)", name), name

    def rules():
        groups = (prometheus.get("rules") or {}).get("groups", [])
        found = {r["name"]: r for g in groups for r in g["rules"]}
        return found if found and all(r["health"] != "unknown" for r in found.values()) else None

    found = wait_until(rules, 20, "every rule was evaluated", every=0.1)
    assert set(found) == set(ALERTS)
    assert all(r["health"] == "ok" for r in found.values()), found

    def state(name):
        return rules()[name]["state"]

    wait_until(lambda: state("ProbeUnhealthy") == "pending", 20, "down is on its way to an alert", every=0.1)
    # The certificate of these tests lasts for two days.
    wait_until(lambda: state("ProbeCertificateEnds") == "firing", 20, "the certificate's end is told", every=0.1)
    assert [state(n) for n in ("ProbeStale", "ProbeFlapping", "ProbeAgentDown", "ProbeNotReady")] == ["inactive"] * 4
    agent.stop()
    wait_until(lambda: state("ProbeAgentDown") == "pending", 20, "the agent's end is seen", every=0.1)


def test_metrics_of_a_full_agent_are_clean(full):
    text = full.get("/metrics", tcp=True).text
    assert "probe_tls_certificate_not_after_timestamp_seconds{" in text and 'reason="refused"' in text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done.stdout + done.stderr


def series(text):
    """Each line without its value; counts by reason begin with the first failure."""
    return {line.rpartition(" ")[0] for line in text.splitlines()
            if not line.startswith("#") and "failures_total" not in line}


def test_series_neither_come_nor_go(full):
    first = series(full.get("/metrics").text)
    assert {f'probe_status{{name="up",status="{s}"}}' for s in ("starting", "healthy", "unhealthy", "blocked")} <= first
    full.plain.down()
    full.wait_status("secure", "unhealthy")
    assert series(full.get("/metrics").text) == first
    text = full.get("/metrics").text
    assert 'probe_http_status_code{name="secure",team="shop"} 0\n' in text
    assert 'probe_success{name="secure",team="shop"} 0\n' in text


def test_openmetrics(full):
    """Asked for as Prometheus does; the rules in which it differs from the text format."""
    accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"
    answer = full.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("\n# EOF\n") and answer.text.count("# EOF") == 1
    kinds, family = {}, None
    for line in answer.text.splitlines()[:-1]:
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in kinds and not family.endswith("_total")
            kinds[family] = kind
        elif not line.startswith("#"):
            name = re.match(r"\w+", line)[0]
            ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(kinds[family], ("",))
            assert name in {family + end for end in ends}, line
            le = re.search(r'le="([^"]*)"', line)
            assert not le or "." in le[1] or le[1] == "+Inf", line
    plain = full.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4") and "# EOF" not in plain.text


def test_the_last_reload_is_told(probe):
    agent = probe.agent("[probe a]\naddress = 127.0.0.1:1\n")

    def told():
        text = agent.get("/metrics").text
        at = re.search(r"^probe_config_last_reload_success_timestamp_seconds (\S+)$", text, re.M)
        return re.search(r"^probe_config_last_reload_successful (\d)$", text, re.M)[1], float(at[1])

    first = told()
    assert first[0] == "1"
    agent.configure("[probe a]\nnonsense = 1\n")
    assert agent.post("/reload").code == 422 and told() == ("0", first[1])
    agent.configure("[probe b]\naddress = 127.0.0.1:1\n")
    assert agent.post("/reload").code == 200
    assert told()[0] == "1" and told()[1] > first[1]


def promtool(*args):
    done = subprocess.run(["promtool", *args], capture_output=True, text=True, cwd=MONITORING)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_fire_and_do_not():
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    promtool("check", "rules", "rules.yml")
    promtool("test", "rules", "rules_test.yml")
    fires, silent = set(), set()
    for group in yaml.safe_load((MONITORING / "rules_test.yml").read_text())["tests"]:
        for case in group["alert_rule_test"]:
            (fires if case["exp_alerts"] else silent).add(case["alertname"])
    assert fires == silent == set(ALERTS), "each alert is tested where it is due and where it is not"
    assert fires >= {"ProbeUnhealthy", "ProbeStale", "ProbeFlapping", "ProbeCertificateEnds", "ProbeAgentDown"}
