"""What is in the images, and what is not; how they are built."""

import io
import json
import os
import re
import secrets
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest
from conftest import KEPT, LABEL, PREBUILT, ROOT, build, docker, sh

# The program, and 128 KiB of licences beside it.
SIZES = {"binary": 3932160 + (1 << 17), "sidecar": 9 << 19}


def files(image):
    """Every file of every layer: (layer, TarInfo, content of small ones)."""
    blob = sh_bytes("docker", "save", image)
    with tarfile.open(fileobj=io.BytesIO(blob)) as outer:
        manifest = json.load(outer.extractfile("manifest.json"))[0]
        for layer in manifest["Layers"]:
            member = outer.getmember(layer)
            if member.issym():
                member = outer.getmember(str((Path(layer).parent / member.linkname)).replace("/..", ""))
            with tarfile.open(fileobj=io.BytesIO(outer.extractfile(member).read())) as inner:
                for info in inner:
                    yield layer, info, inner


def sh_bytes(*args):
    import subprocess

    return subprocess.run(args, check=True, capture_output=True, timeout=120).stdout


def root_files(image):
    """The files of a container of it: what is there in the end."""
    name = docker("create", "--label", LABEL, image, "x").stdout.strip()
    try:
        with tarfile.open(fileobj=io.BytesIO(sh_bytes("docker", "export", name))) as tar:
            return {i.name.removeprefix("./"): i for i in tar if i.name not in (".", "./")}
    finally:
        docker("rm", name)


MADE_BY_ENGINE = re.compile(r"^(\.dockerenv|dev|proc|sys|etc|etc/(hostname|hosts|resolv\.conf|mtab)|dev/.*)$")


def licences():
    """One for each library that is linked in, our own, and how to link with another libmicrohttpd."""
    versions = (ROOT / "packaging/static/versions").read_text().splitlines()
    linked = {line.split()[0] for line in versions if line and not line.startswith("#")} - {"cmocka"}
    return {f"licences/{name}" for name in linked | {"probe", "README"}}


def test_binary_is_scratch_with_the_program_and_licences_only(images):
    there = {n for n, i in root_files(images["binary"]).items() if i.isfile() and not MADE_BY_ENGINE.match(n)}
    assert there == {"probe"} | licences()


def test_sidecar_has_no_shell_and_nothing_else(images):
    there = {n for n, i in root_files(images["sidecar"]).items() if i.isfile() and not MADE_BY_ENGINE.match(n)}
    assert there == licences() | {"probe", "etc/passwd", "etc/group", "etc/probe/probe.ini", "etc/ssl/certs/ca-certificates.crt"}


@pytest.mark.parametrize("target", SIZES)
def test_size(images, target):
    size = int(docker("image", "inspect", "--format", "{{.Size}}", images[target]).stdout)
    assert size <= SIZES[target]


@pytest.mark.parametrize("target", ["binary", "sidecar", "example-app"])
def test_no_setuid_no_world_writable(images, target):
    bad = [n for n, i in root_files(images[target]).items() if i.isfile() and i.mode & 0o6002]
    assert bad == []
    open_dirs = [n for n, i in root_files(images[target]).items() if i.isdir() and i.mode & 0o002 and not i.mode & 0o1000]
    assert open_dirs == []


@pytest.mark.parametrize("target", ["binary", "sidecar", "example-app"])
def test_layers_have_no_build_tools_package_lists_or_secrets(images, target):
    secret = re.compile(r"(^|/)(id_rsa|id_ed25519|\.env|secrets/.*|\.git(/|$)|\.npmrc|\.netrc)")
    names = [info.name for _, info, _ in files(images[target])]
    assert not [n for n in names if secret.search(n)]
    assert not [n for n in names if re.search(r"var/lib/apt/lists/.*(Packages|Sources|Release)", n)]
    assert not [n for n in names if re.search(r"(^|/)bin/(gcc|cc|make|cmake|ninja|musl-gcc)$", n)]
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", images[target]).stdout
    assert not re.search(r"(?i)password|token|secret", history)


@pytest.mark.parametrize("target", ["binary", "sidecar", "example-app"])
def test_labels(images, target):
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", images[target]).stdout)
    for name in ("title", "description", "version", "revision", "created", "licenses", "source"):
        assert labels[f"org.opencontainers.image.{name}"]


def test_runs_as_a_plain_user(images):
    for target in ("sidecar", "example-app"):
        assert docker("image", "inspect", "--format", "{{.Config.User}}", images[target]).stdout.strip() == "1000:1000"


def test_account_is_an_argument(images):
    tag = images["example-app"] + "-account"
    build("sidecar", tag, APP_USER="watch", APP_UID="4242", APP_GID="4243", **PREBUILT)
    assert docker("image", "inspect", "--format", "{{.Config.User}}", tag).stdout.strip() == "4242:4243"
    there = root_files(tag)
    assert (there["run/probe"].uid, there["run/probe"].gid) == (4242, 4243)


def test_copied_from_the_binary_image(images, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        f"FROM {os.environ['PROBE_TEST_BASE']}\nCOPY --from={images['binary']} /probe /usr/local/bin/probe\n")
    tag = images["binary"] + "-copy"
    sh("docker", "build", "--label", LABEL, "-t", tag, tmp_path, env=dict(os.environ, DOCKER_BUILDKIT="0"))
    assert "probe 0" in docker("run", "--rm", "--label", LABEL, tag, "probe", "version").stdout


def steps(output):
    """Of the legacy builder's output: (instruction, whether its layer came from the cache)."""
    found = []
    for line in output.splitlines():
        step = re.match(r"Step \d+/\d+ : (.*)", line)
        if step:
            found.append([step[1], False])
        elif "Using cache" in line:
            found[-1][1] = True
    return found


def copied_tree(tmp_path):
    tree = tmp_path / "tree"
    for name in ("CMakeLists.txt", "LICENSE", ".dockerignore", "conf", "packaging", "probes", "src"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("secrets"))
        else:
            tree.mkdir(exist_ok=True)
            shutil.copy2(source, tree / name)
    return tree


@pytest.fixture(scope="module")
def from_sources():
    """The one image that is built in the builder. Where this machine has compiled the dependencies for such a base, the
    builder finds them, as on its own second run; tests/run --long has it compile them."""
    tag = f"probe-test/from-sources:{secrets.token_hex(3)}"
    libraries = Path(sh(ROOT / "packaging/static/build", "--print-prefix").stdout.strip())
    with pytest.MonkeyPatch.context() as patch:
        if libraries.exists() and not os.environ.get("PROBE_TEST_LONG"):
            patch.setenv("PROBE_TEST_BASE", base_with(libraries))
        build("binary", tag)
        yield tag


def base_with(libraries):
    """Kept for the next run, as the layers are that come above it."""
    tag = f"{KEPT}:{libraries.name}"
    text = f"FROM {os.environ['PROBE_TEST_BASE']}\nCOPY . /root/.cache/probe/{libraries.name}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".Dockerfile") as file:
        file.write(text)
        file.flush()
        docker("build", "--force-rm", "-f", file.name, "-t", tag, libraries, timeout=600, env=dict(os.environ, DOCKER_BUILDKIT="0"))
    return tag


def test_built_from_sources_it_is_the_same_program(images, from_sources):
    version = [docker("run", "--rm", "--label", LABEL, tag, "version").stdout for tag in (images["binary"], from_sources)]
    assert version[0] == version[1]


def test_second_build_is_all_cache(from_sources):
    again = steps(build("binary", from_sources).stdout)
    made = [s for s in again if not s[0].startswith(("FROM", "ARG BASE", "ARG SERVICE", "ARG BUILDPLATFORM"))]
    assert [s for s in made if not s[1]] == []


def test_a_changed_source_rebuilds_the_last_layers_only(from_sources, tmp_path):
    tree = copied_tree(tmp_path)
    with open(tree / "src/main.c", "a") as f:
        # Never the same twice: an earlier run's layers, of a first try too, may still be there.
        f.write(f"/* changed {secrets.token_hex(8)} */\n")
    again = steps(build("binary", from_sources + "-changed", context=tree).stdout)
    by_name = {s[0]: s[1] for s in again}
    assert next(cached for step, cached in again if "packaging/static/build" in step and "--deps-only" in step)
    assert by_name["COPY probes probes"]
    assert not by_name["COPY src src"]
    assert not next(cached for step, cached in again if step.startswith('RUN if [ -n "$PREBUILT" ]'))
