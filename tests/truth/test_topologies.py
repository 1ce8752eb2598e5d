"""The topologies of MongoDB's specifications, as data: MONGODB_SPECIFICATIONS names a clone of
github.com/mongodb/specifications; without it they are skipped."""

import datetime
import json
import os

import pytest

import names
import topologies
from lib import hostile

FOLDER = os.environ.get("MONGODB_SPECIFICATIONS")
DISCOVERY = [topologies.Topology(p) for p in topologies.discovery_files(FOLDER)] if FOLDER else []
SELECTION = [topologies.Selection(p) for p in topologies.selection_files(FOLDER)] if FOLDER else []

pytestmark = pytest.mark.skipif(not FOLDER, reason="MONGODB_SPECIFICATIONS names no folder")


def named(cases):
    return [pytest.param(case, id=case.name) for case in cases]


def check(stage, uri, settings, timeout="2s", env=None):
    """One check of the deployment for each setting; {setting: (healthy, reason, detail, ms)}. A string
    that the driver refuses is `usage`."""
    lines = [f"[defaults]\ntimeout = {timeout}\n"]
    for i, setting in enumerate(settings):
        lines.append(f"[probe p{i}]\nuri = {uri}\n{setting}\n")
    config = stage.program.write("probe.ini", "".join(lines))
    r = stage.program.run("check", "--json", "-c", config, *(f"p{i}" for i in range(len(settings))), env=env)
    if r.code == 78:
        return {setting: (False, "usage", r.err, 0) for setting in settings}
    found = {p["name"]: p for p in json.loads(r.out)["probes"]}
    return {
        setting: (found[f"p{i}"]["status"] == "healthy", found[f"p{i}"]["last"]["reason"] or "ok",
                  found[f"p{i}"]["last"]["detail"], found[f"p{i}"]["last"]["duration_ms"])
        for i, setting in enumerate(settings)
    }


SETTINGS = [f"require = {word}" for word in topologies.REQUIRES]


def differences(topology, found):
    for word, (healthy, reason, detail, _) in zip(topologies.REQUIRES, found.values()):
        right, reasons = topology.expected(word)
        if healthy != right or reason not in reasons:
            yield f"{word}: {reason}, expected {'|'.join(sorted(reasons))}: {detail}"


@pytest.mark.parametrize("topology", named(DISCOVERY))
def test_discovery(topology, stage):
    """Verdict and reason, and where the verdict is not the specification's, it is known why."""
    found = check(stage, topology.deploy(stage).uri, SETTINGS)
    wrong = list(differences(topology, found))
    for word, (healthy, *_) in zip(topologies.REQUIRES, found.values()):
        if healthy != topology.specified(word) and not topology.exception(word):
            wrong.append(f"{word}: the specification has it otherwise")
    assert not wrong, "\n".join(wrong)


def hanging(stage):
    return f"127.0.0.1:{stage.serve(hostile.silent).port}", {}


def nameless(stage):
    return "nobody.invalid:27017", stage.keep(names.Names({})).env


@pytest.mark.parametrize("further", [hanging, nameless])
@pytest.mark.parametrize("topology", named([t for t in DISCOVERY if t.kind not in ("Single", "LoadBalanced")]))
def test_one_more(topology, further, stage, record_property):
    """With a member more that hangs or has no name the verdict is the same; where it is a failure, the
    reason may be that one, or that nobody knows what it is."""
    deployment = topology.deploy(stage)
    before = check(stage, deployment.uri, SETTINGS)
    address, env = further(stage)
    deployment.join(address)
    after = check(stage, deployment.uri, SETTINGS, env=env)
    more = {"timeout"} if further is hanging else {"dns"}
    for setting, (healthy, reason, detail, took) in after.items():
        assert healthy == before[setting][0], f"{setting}: {reason}: {detail}"
        assert reason in {before[setting][1]} | more, f"{setting}: {reason}: {detail}"
        if healthy:
            record_property(f"{setting}: later by ms", took - before[setting][3])


def now(ms):
    return datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(milliseconds=ms)


@pytest.mark.parametrize("case", named(SELECTION))
def test_selection(case, stage):
    if case.why_not():
        pytest.skip(case.why_not())
    setting = "require = writable" if case.writes else ""
    healthy, reason, detail, _ = check(stage, case.deploy(stage, now).uri, [setting])[setting]
    assert healthy == case.expected(), f"{reason}: {detail}"
