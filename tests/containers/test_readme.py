"""The blocks of packaging/README.md that are marked <!-- runs: NAME -->, as they stand but for names
that might be the user's own: images, containers and ports get those of this run."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import LABEL, PREBUILT, ROOT, RUN, docker, free_port, sh

pytestmark = pytest.mark.xdist_group("readme")  # the blocks have names in common

TEXT = (ROOT / "packaging/README.md").read_text()
BLOCKS = dict(re.findall(r"<!-- runs: (\w+) -->\n```sh\n(.*?)```", TEXT, re.S))

SHIM = """#!/bin/bash
# Labels what is made, and uses the base image of the tests.
case "$1" in
    build) shift && DOCKER_BUILDKIT=0 exec {real} build --label {label} --build-arg BASE="$BASE" $PREBUILT_ARGS "$@" ;;
    run) shift && exec {real} run --label {label} "$@" ;;
    network) [ "$2" != create ] || exec {real} network create --label {label} "$3" ;;
esac
DOCKER_BUILDKIT=0 exec {real} "$@"
"""


def own_names(block):
    images = re.findall(r"(?<=-t )([\w-]+)", block)
    lines = []
    for line in block.replace("probe-demo", f"{RUN}-demo").splitlines():
        if line.startswith(("docker run", "docker build")) or line.startswith("    "):
            line = " ".join(f"probe-test/{word}:{RUN}r" if word in images else word for word in line.split(" "))
        lines.append(line)
    return "\n".join(lines)


def test_there_are_blocks():
    assert set(BLOCKS) == {"binary", "gate", "sidecar", "stack"}


@pytest.mark.parametrize("name", BLOCKS)
def test_block(name, images, tmp_path):
    if name == "stack":
        if docker("compose", "version", check=False).returncode != 0:
            assert os.environ.get("CI") != "true"
            pytest.skip("no Compose v2")
    tree = tmp_path / "tree"
    for part in ("CMakeLists.txt", "LICENSE", ".dockerignore", "conf", "packaging", "probes", "src", *PREBUILT.values()):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, tree / part, ignore=shutil.ignore_patterns("secrets", ".env"))
        else:
            tree.mkdir(exist_ok=True)
            shutil.copy2(source, tree / part)
    shims = tmp_path / "bin"
    shims.mkdir()
    (shims / "docker").write_text(SHIM.format(real=shutil.which("docker"), label=LABEL))
    (shims / "docker").chmod(0o755)
    mine = {f"{n}_IMAGE": f"probe-test/{n.lower()}-readme:{RUN}" for n in ("MONGO_SERVICE", "APP", "PROBE")}
    mongo = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"probe-test/mongo:{RUN}").stdout.strip()
    env = dict(os.environ, PATH=f"{shims}:{os.environ['PATH']}", BASE=os.environ["PROBE_TEST_BASE"],
               PREBUILT_ARGS=" ".join(f"--build-arg {name}={value}" for name, value in PREBUILT.items()), MONGO_IMAGE=mongo,
               COMPOSE_PROJECT_NAME=f"{RUN}readme", APP_PORT=str(free_port()), PROBE_PORT=str(free_port()),
               **mine, **PREBUILT)
    if name == "gate":
        # The stand-in runs as root here, as the official image does.
        assert mongo
    try:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", own_names(BLOCKS[name])], cwd=tree, env=env, text=True,
                              capture_output=True, timeout=1800)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    finally:
        for container in (f"{RUN}-demo-app", f"{RUN}-demo-db", f"{RUN}-demo-agent"):
            docker("rm", "--force", "--volumes", container, check=False)
        docker("network", "rm", f"{RUN}-demo", check=False)
        if name == "stack":
            sh("docker", "compose", "down", "--volumes", cwd=tree / "packaging/compose", env=env, check=False)
            for image in mine.values():
                docker("image", "rm", "--no-prune", image, check=False)  # others build on its layers
