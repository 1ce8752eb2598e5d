"""Tests on a real Docker engine. Everything that one makes carries the label of its run and is gone
when the session ends, also when a test fails. Waits are on conditions, each with a deadline."""

import contextlib
import datetime
import fcntl
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/e2e"))
from lib.net import free_port  # noqa: E402,F401

RUN = os.environ.setdefault("PROBE_TEST_RUN", "t" + secrets.token_hex(3))  # the workers' as well
LABEL = f"probe.test={RUN}"
DOCKERFILE = ROOT / "packaging/docker/Dockerfile"
# The images are made from the static build that is there; test_images makes one from the sources.
PREBUILT = {"PREBUILT": "build-static"} if (ROOT / "build-static/probe").exists() else {}
COMPOSE_DIR = ROOT / "packaging/compose"
IMAGES = {name: f"probe-test/{name}:{RUN}" for name in ("binary", "sidecar", "example-app", "mongodb")}
made_once = set()


def sh(*args, check=True, timeout=120, **kw):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=timeout, **kw)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


def docker(*args, **kw):
    return sh("docker", *args, **kw)


def until(condition, seconds=30, what="condition", pause=0.1):
    """The first true value of condition(); fails with its last value at the deadline."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        last = condition()
        if last:
            return last
        time.sleep(pause)
    raise AssertionError(f"not in {seconds} s: {what}; last: {last!r}")


def http(url, timeout=5):
    """(status, text); (0, why) where no reply came."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError as e:
        return 0, str(e)


def seconds(stamp):
    """Since the epoch, of the engine's time stamps."""
    whole, fraction = re.match(r"([^.Z]+)(?:\.(\d+))?", stamp).groups()
    at = datetime.datetime.strptime(whole[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return at.timestamp() + float("0." + (fraction or "0"))


class Container:
    def __init__(self, ident):
        self.id = ident

    def inspect(self):
        return json.loads(docker("inspect", self.id).stdout)[0]

    @property
    def state(self):
        return self.inspect()["State"]

    @property
    def health(self):
        return self.state.get("Health", {}).get("Status")

    def health_log(self):
        return self.state.get("Health", {}).get("Log") or []

    def logs(self):
        done = docker("logs", self.id)
        return done.stdout + done.stderr

    def exec(self, *args, check=False, options=(), **kw):
        return docker("exec", *options, self.id, *args, check=check, **kw)

    def ip(self, network):
        return self.inspect()["NetworkSettings"]["Networks"][network]["IPAddress"]

    def wait_exit(self, seconds=30):
        until(lambda: not self.state["Running"], seconds, f"exit of {self.id}")
        return self.state["ExitCode"]

    def until_health(self, status, seconds=60):
        try:
            return until(lambda: self.health == status, seconds, f"{self.id} {status}")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.health}: {self.health_log()[-2:]}\n{self.logs()[-1500:]}") from None


def build(target, tag, context=ROOT, **args):
    command = ["docker", "build", "--force-rm", "-f", Path(context) / "packaging/docker/Dockerfile", "--target", target, "-t", tag,
               "--label", LABEL, "--build-arg", f"BASE={os.environ['PROBE_TEST_BASE']}"]
    for name, value in args.items():
        command += ["--build-arg", f"{name}={value}"]
    return keep_layers(sh(*command, context, timeout=3600, env=dict(os.environ, DOCKER_BUILDKIT="0")))


# Layers of packages and compiled dependencies stay on the engine for the next run: the newest of them.
KEPT, KEPT_MOST = "probe-test/kept", 24


def keep_layers(built):
    step = ""
    for line in built.stdout.splitlines():
        if line.startswith("Step "):
            step = line
        elif (made := re.fullmatch(r" ---> ([0-9a-f]{12})", line)) and ("RUN apt-get" in step or "--deps-only" in step):
            docker("tag", made[1], f"{KEPT}:{made[1]}")
    return built


def forget_old_layers():
    for old in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", KEPT).stdout.split()[KEPT_MOST:]:
        docker("image", "rm", old, check=False)


def build_file(folder, name, tag):
    keep_layers(sh("docker", "build", "--force-rm", "-f", folder / f"{name}.Dockerfile", "-t", tag, "--label", LABEL, "--build-arg",
                   f"BASE={os.environ['PROBE_TEST_BASE']}", folder, timeout=600, env=dict(os.environ, DOCKER_BUILDKIT="0")))


def make_mongo(folder):
    """A real server's image, and mongodb: the same with probe in it."""
    shutil.copy(os.environ["PROBE_TEST_MONGO"], folder / "ferretdb")
    for name in ("mongo.Dockerfile", "mongo-entrypoint"):
        shutil.copy(ROOT / "tests/containers/images" / name, folder)
    build_file(folder, "mongo", f"probe-test/mongo:{RUN}")
    build("with-probe", IMAGES["mongodb"], SERVICE_IMAGE=f"probe-test/mongo:{RUN}", **PREBUILT)


def make_service(name, folder):
    """The image of a server from Debian's packages, and the same with probe in it: its tag."""
    tag = f"probe-test/{name}:{RUN}"
    with alone(name):
        if not missing(f"{tag}-probe"):
            return f"{tag}-probe"
        images = ROOT / "tests/containers/images"
        for path in (images / f"{name}.Dockerfile", images / f"{name}-entrypoint"):
            if path.exists():
                shutil.copy(path, folder)
        build_file(folder, name, tag)
        build("with-probe", f"{tag}-probe", SERVICE_IMAGE=tag, **PREBUILT)
    return f"{tag}-probe"


def missing(tag):
    return docker("image", "inspect", tag, check=False).returncode != 0


@pytest.fixture(scope="session")
def mongo_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mongo")


def lock_path(what):
    return Path(tempfile.gettempdir()) / f"probe-test-{RUN}-{what}.lock"


@contextlib.contextmanager
def alone(what):
    """One worker makes these images, the others wait for them."""
    with open(lock_path(what), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_images(mongo_folder):
    """The images of the Dockerfile. Somebody else may clean up the engine meanwhile: what is gone is made anew."""
    with alone("images"):
        make_missing(mongo_folder)
    return IMAGES


def make_missing(mongo_folder):
    for target, tag in IMAGES.items():
        if missing(tag):
            if target in made_once:
                warnings.warn(f"{tag} was removed by somebody: it is made anew", stacklevel=1)
            made_once.add(target)
            if target == "mongodb":
                make_mongo(mongo_folder)
            else:
                build(target, tag, **PREBUILT)


@pytest.fixture
def images(mongo_folder):
    return made_images(mongo_folder)


@pytest.fixture
def run():
    """run(image, *args, options=[...]) starts a container of this test alone."""
    made = []

    def start(image, *args, options=(), detach=True):
        done = docker("run", "--detach", "--label", LABEL, *options, image, *args)
        made.append(Container(done.stdout.strip()))
        return made[-1]

    yield start
    for container in made:
        docker("rm", "--force", "--volumes", container.id, check=False)


@pytest.fixture
def network():
    name = f"{RUN}-{secrets.token_hex(3)}"
    docker("network", "create", "--label", LABEL, name)
    yield name
    docker("network", "rm", name, check=False)


class Stack:
    """packaging/compose under one generation of Compose, with a project and ports of its own."""

    def __init__(self, command, images, tmp):
        self.command, self.project = command, f"{RUN}{secrets.token_hex(3)}"
        self.files, self.dir = ["docker-compose.yml"], COMPOSE_DIR
        self.secrets = tmp / "secrets"
        self.ports = {"APP_PORT": free_port(), "PROBE_PORT": free_port()}
        self.env = dict(
            os.environ, SECRETS_DIR=str(self.secrets), MONGO_SERVICE_IMAGE=images["mongodb"],
            APP_IMAGE=images["example-app"], PROBE_IMAGE=images["sidecar"], HEALTH_INTERVAL="1s", PROBE_INTERVAL="1s",
            **{k: str(v) for k, v in self.ports.items()})
        sh(COMPOSE_DIR / "make-secrets", env=self.env)

    def compose(self, *args, check=True, timeout=180, popen=False):
        command = [*self.command, "--project-name", self.project]
        for name in self.files:
            command += ["-f", str(name)]
        command += [str(a) for a in args]
        if popen:
            return subprocess.Popen(command, cwd=self.dir, env=self.env, text=True, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
        return sh(*command, check=check, timeout=timeout, cwd=self.dir, env=self.env)

    def up(self, *services, **kw):
        return self.compose("up", "--detach", "--no-build", *services, **kw)

    def get(self, service):
        """The service's container, or None."""
        found = docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.project}",
                       "--filter", f"label=com.docker.compose.service={service}").stdout.split()
        return Container(found[0]) if found else None

    def agent(self, path):
        return http(f"http://127.0.0.1:{self.ports['PROBE_PORT']}{path}")

    def app(self, path):
        return http(f"http://127.0.0.1:{self.ports['APP_PORT']}{path}")

    def override(self, text):
        path = self.secrets.parent / f"override{len(self.files)}.yml"
        path.write_text(text)
        self.files.append(path)

    def down(self):
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "2", check=False)


GENERATIONS = {"v1": ["docker-compose"], "v2": ["docker", "compose"]}


@pytest.fixture(params=GENERATIONS)
def stack(request, images, tmp_path):
    command = GENERATIONS[request.param]
    with contextlib.suppress(OSError):
        if subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            made = Stack(command, images, tmp_path)
            made.generation = request.param
            yield made
            made.down()
            return
    assert os.environ.get("CI") != "true", f"{command} must be there in CI"
    pytest.skip(f"no {' '.join(command)}")


def every(kind, label):
    return docker(kind, "ls", *(["--all"] if kind == "container" else []), "--quiet", "--filter", f"label={label}",
                  check=False).stdout.split()


def remove_everything():
    projects = {label for line in docker("container", "ls", "--all", "--format", "{{.Label \"com.docker.compose.project\"}}",
                                         check=False).stdout.split() if (label := line).startswith(RUN)}
    for label in (LABEL, *(f"com.docker.compose.project={p}" for p in projects)):
        for kind, remove in (("container", ["rm", "--force", "--volumes"]), ("network", ["rm"]), ("volume", ["rm", "--force"])):
            found = every(kind, label)
            if found:
                docker(kind, *remove, *found, check=False)
    if not os.environ.get("PROBE_TEST_KEEP_IMAGES"):
        remove_images()


def own_images():
    found = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "--filter", f"label={LABEL}").stdout.splitlines()
    return [name if "<none>" not in name else ident for name, _, ident in (line.partition(" ") for line in found)]


def remove_images():
    """What this run made, and the stages below, which have the label of the base image. Another run's stages look the
    same: what is in use stays."""
    for _ in range(20):
        if not (found := own_images()):
            break
        docker("image", "rm", "--force", *found, check=False)
    docker("image", "prune", "--force", "--filter", "label=probe.test", check=False)
    forget_old_layers()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items):
    """Tests that share a fixture of their file are run by one worker. They take longest, and begin."""
    for item in items:
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        if any(fixture.scope == "module" for same_name in fixtures for fixture in same_name):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def pytest_sessionfinish(session):
    """Where all workers have ended: nothing may be left."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    remove_everything()
    for path in lock_path("x").parent.glob(lock_path("*").name):
        path.unlink()
    left = [line for kind in ("container", "network", "volume") for line in every(kind, LABEL)]
    if not os.environ.get("PROBE_TEST_KEEP_IMAGES"):
        left += own_images()
    if left:
        print(f"\nleft on the engine: {left}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
