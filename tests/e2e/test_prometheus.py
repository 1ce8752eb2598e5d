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
    secure = start(servers.Nginx, tls=certs.pair())
    agent = probe.agent(
        "[defaults]\ninterval = 200ms\ntimeout = 5s\nretries = 1\n"
        f"[probe up]\naddress = 127.0.0.1:{server.port}\ntype = tcp\n"
        f"[probe down]\naddress = 127.0.0.1:{port}\ntype = tcp\nrequired = no\n"
        f"[probe secure]\nurl = https://localhost:{secure.port}/\ntls_ca = {certs.ca}\n"
    )
    agent.wait_status("up", "healthy")
    agent.wait_status("down", "unhealthy")
    agent.wait_status("secure", "healthy")
    return agent


def dashboard_queries():
    dashboard = json.loads((MONITORING / "grafana/dashboards/probe.json").read_text())
    found = [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p["targets"]]
    assert len(found) >= len(dashboard["panels"]) >= 8
    return found


def test_scrapes_alerts_and_dashboard(full, start):
    agent, prometheus = full, start(Prometheus, full.port)

    def target():
        active = (prometheus.get("targets") or {}).get("activeTargets") or [{}]
        assert not active[0].get("lastError"), active
        return active[0].get("health") == "up"

    wait_until(target, 20, "Prometheus has scraped the agent", every=0.1)

    for title, expression in dashboard_queries():
        wait_until(lambda: prometheus.query(expression), 30, f"{title}: {expression} returns data", every=0.2)

    # What is read there is what the agent says here.
    healthy = {r["metric"]["name"]: r["value"][1] for r in prometheus.query("probe_healthy")}
    assert healthy == {"up": "1", "down": "0", "secure": "1"}
    ends = prometheus.query('(probe_tls_certificate_not_after_timestamp_seconds{name="secure"} - time()) / 86400')
    assert 1 < float(ends[0]["value"][1]) <= 2
    # Every name that is scraped is described, with its type, and no unit but the base ones.
    described = prometheus.get("metadata")
    scraped_names = {name for name in prometheus.get("label/__name__/values")
                     if name.startswith(("probe_", "process_"))}
    for name in scraped_names:
        family = name if name in described else re.sub("_(bucket|sum|count)$", "", name)
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
