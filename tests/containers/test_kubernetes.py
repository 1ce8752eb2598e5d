"""packaging/kubernetes on a real kube-apiserver with its etcd: server-side validation, admission and defaults. There is
no kubelet, so that no pod runs. Both programs are built from their Go modules, once: four minutes of two cores. So that
is done in CI and with PROBE_TEST_LONG=1, which `tests/run --long` sets; elsewhere the tests run once they are there."""

import fcntl
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, free_port, sh, until
from test_files import need

MODULE = ROOT / "tests/containers/apiserver"
VERSION = re.search(r"k8s.io/kubernetes (v[0-9.]+)", (MODULE / "go.mod").read_text())[1]
CACHE = Path(os.environ.get("PROBE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "probe")
# Its module has the definition of PodMonitor, as its users install it.
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.79.2"
NAMESPACE = "shop"


def built():
    """The folder of the programs kube-apiserver and server, which is etcd."""
    folder = CACHE / f"kubernetes-{VERSION}"
    if folder.exists():
        return folder
    if os.environ.get("PROBE_TEST_LONG") != "1" and os.environ.get("CI") != "true":
        pytest.skip("kube-apiserver is not built: PROBE_TEST_LONG=1 builds it, in four minutes of two cores")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            work = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=CACHE))
            try:
                sh(need("go"), "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", f"{work}/",
                   "k8s.io/kubernetes/cmd/kube-apiserver", "go.etcd.io/etcd/server/v3", cwd=MODULE, timeout=3600,
                   env=dict(os.environ, CGO_ENABLED="0"))
                work.rename(folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return folder


class Api:
    """One API server and its etcd on loopback, ended by their pids."""

    def __init__(self, programs, own):
        self.token, self.started, self.own = secrets.token_hex(16), [], own
        store, peer, port = free_port(), free_port(), free_port()
        self.run("etcd", programs / "server", "--data-dir", own / "etcd", "--log-level", "error", "--unsafe-no-fsync",
                 "--listen-client-urls", f"http://127.0.0.1:{store}", "--advertise-client-urls", f"http://127.0.0.1:{store}",
                 "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                 "--initial-cluster", f"default=http://127.0.0.1:{peer}")
        (own / "tokens").write_text(f"{self.token},test,1,system:masters\n")
        sh("openssl", "genrsa", "-out", own / "accounts.key", "2048")
        self.run("apiserver", programs / "kube-apiserver", "--etcd-servers", f"http://127.0.0.1:{store}", "--cert-dir", own / "certs",
                 "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", port,
                 "--endpoint-reconciler-type", "none", "--token-auth-file", own / "tokens", "--authorization-mode", "RBAC",
                 "--service-cluster-ip-range", "10.0.0.0/24", "--service-account-issuer", "https://test",
                 "--service-account-key-file", own / "accounts.key", "--service-account-signing-key-file", own / "accounts.key")
        self.address = f"https://127.0.0.1:{port}"
        until(self.ready, 300, "the API server is ready")

    def run(self, name, *command):
        log = open(self.own / f"{name}.log", "w")
        self.started.append(subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT,
                                             stdin=subprocess.DEVNULL, cwd=self.own))
        log.close()

    def ready(self):
        for name, process in zip(("etcd", "apiserver"), self.started):
            assert process.poll() is None, f"{name} ended: {(self.own / f'{name}.log').read_text()[-2000:]}"
        certificate = self.own / "certs/apiserver.crt"
        return certificate.exists() and certificate.stat().st_size and self.ask("GET", "/readyz")[0] == 200

    def ask(self, method, path, body=None, kind="application/json"):
        """(status, document, warnings); status 0 where no answer came."""
        trust = ssl.create_default_context(cafile=self.own / "certs/apiserver.crt")
        request = urllib.request.Request(self.address + path, method=method, data=body and json.dumps(body).encode(), headers={
            "Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"})
        try:
            reply = urllib.request.urlopen(request, timeout=30, context=trust)
        except urllib.error.HTTPError as e:
            reply = e
        except OSError as e:
            return 0, str(e), []
        text = reply.read()
        document = json.loads(text) if text.startswith(b"{") else text
        return reply.status, document, reply.headers.get_all("Warning") or []

    def path(self, thing):
        """Where an object lives; its plural is what the server says."""
        group = thing["apiVersion"]
        root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        status, listed, _ = self.ask("GET", root)
        assert status == 200, (root, listed)
        (about,) = [r for r in listed["resources"] if r["kind"] == thing["kind"] and "/" not in r["name"]]
        place = f"/namespaces/{NAMESPACE}" if about["namespaced"] else ""
        return f"{root}{place}/{about['name']}/{thing['metadata']['name']}"

    def apply(self, thing, dry=False):
        """Server-side, every field known: what `kubectl apply --server-side --validate=strict` sends."""
        query = "?fieldManager=test&fieldValidation=Strict" + ("&dryRun=All" if dry else "")
        return self.ask("PATCH", self.path(thing) + query, thing, "application/apply-patch+yaml")

    def accept(self, thing, dry=False):
        status, document, warnings = self.apply(thing, dry)
        assert status in (200, 201) and not warnings, (thing["kind"], thing["metadata"], status, document, warnings)
        return document

    def close(self):
        for process in reversed(self.started):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """With the operator's definition of PodMonitor, and a name space that warns of a pod that is not `restricted`."""
    made = Api(built(), tmp_path_factory.mktemp("api"))
    try:
        found = json.loads(sh(need("go"), "mod", "download", "-json", OPERATOR, cwd="/", timeout=300).stdout)
        crd = Path(found["Dir"]) / "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"
        made.accept(yaml.safe_load(crd.read_text()))
        until(lambda: made.ask("GET", "/apis/monitoring.coreos.com/v1")[0] == 200, 30, "PodMonitor is served")
        made.accept({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {
            "pod-security.kubernetes.io/warn": "restricted"}}})
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def kustomize(tmp_path_factory):
    """kustomize(FOLDER): the objects that `kubectl apply -k FOLDER` would send."""
    program = tmp_path_factory.mktemp("kustomize") / "check"
    sh(need("go"), "build", "-o", program, ".", cwd=ROOT / "tests/containers/kubernetes", timeout=600)
    return lambda folder: [thing for thing in yaml.safe_load_all(sh(program, "build", folder).stdout) if thing]


@pytest.fixture
def base(kustomize):
    things = kustomize(ROOT / "packaging/kubernetes")
    return {(thing["kind"], thing["metadata"]["name"].partition("-")[0]): thing for thing in things}


def test_everything_is_accepted_without_a_warning(api, kustomize):
    """Each as a dry run first, which stores nothing; then for real."""
    monitor = yaml.safe_load((ROOT / "packaging/kubernetes/monitoring.yaml").read_text())
    things = [*kustomize(ROOT / "packaging/kubernetes"), monitor]
    assert len(things) == 9
    for thing in things:
        api.accept(thing, dry=True)
        assert api.ask("GET", api.path(thing))[0] == 404
    for thing in things:
        api.accept(thing)
        assert api.accept(thing)["metadata"].get("generation", 1) == 1, "the same again changes nothing"


def test_what_the_server_made_of_it(api, base):
    app = api.accept(base["Deployment", "app"])["spec"]["template"]["spec"]
    assert [c.get("restartPolicy") for c in app["initContainers"]] == ["Always", None], "a native sidecar, then the gate"
    assert "startupProbe" in app["initContainers"][0]


def test_a_changed_configuration_rolls_the_pods(api, base, kustomize, tmp_path):
    before = api.accept(base["Deployment", "app"])["metadata"]["generation"]
    changed = tmp_path / "kubernetes"
    shutil.copytree(ROOT / "packaging/kubernetes", changed)
    (changed / "probe.ini").write_text((changed / "probe.ini").read_text().replace("interval = 5s", "interval = 6s"))
    for thing in kustomize(changed):
        done = api.accept(thing)
        if thing["kind"] == "Deployment":
            assert done["metadata"]["generation"] == before + 1


def pod(thing):
    return thing["spec"]["template"]["spec"]


@pytest.mark.parametrize("spoil, status, said", [
    (lambda app: pod(app)["initContainers"][0].update(restartpolicy="Always"), 500, "restartpolicy"),
    (lambda app: pod(app)["initContainers"][0].update(restartPolicy="Sometimes"), 422, "Unsupported value"),
    (lambda app: pod(app)["containers"][0]["startupProbe"].update(successThreshold=2), 422, "must be 1"),
    (lambda app: app["spec"]["selector"]["matchLabels"].update(other="label"), 422, "does not match"),
    (lambda app: pod(app)["containers"][0]["livenessProbe"]["httpGet"].update(port="nowhere-that-is-a-port"), 422, "port"),
])
def test_what_is_wrong_is_refused(api, base, spoil, status, said):
    app = base["Deployment", "app"]
    spoil(app)
    got, document, _ = api.apply(app, dry=True)
    assert got == status and said in document["message"], (got, document)


def test_a_pod_that_is_less_locked_is_warned_of(api, base):
    app = base["Deployment", "app"]
    del pod(app)["securityContext"]["seccompProfile"]
    status, document, warnings = api.apply(app, dry=True)
    assert status == 200 and any("seccompProfile" in warning for warning in warnings), (document, warnings)


def test_an_unknown_field_of_the_monitor_is_refused(api):
    monitor = yaml.safe_load((ROOT / "packaging/kubernetes/monitoring.yaml").read_text())
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "15s"
    status, document, _ = api.apply(monitor, dry=True)
    assert status >= 400 and "intervall" in document["message"], (status, document)
