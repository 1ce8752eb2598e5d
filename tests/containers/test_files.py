"""The files of packaging/: read by the programs that they are for, or checked against their types."""

import json
import os
import shutil
import subprocess

import pytest
from conftest import COMPOSE_DIR, ROOT, docker, sh

YAMLLINT = ("{extends: default, rules: {line-length: {max: 180}, document-start: disable, braces: disable, brackets: disable, "
            "comments-indentation: disable, truthy: {check-keys: false}, octal-values: disable}}")


def need(program):
    path = shutil.which(program) or shutil.which(program, path="/usr/local/go/bin")
    if not path:
        assert os.environ.get("CI") != "true", f"{program} must be there in CI"
        pytest.skip(f"no {program}")
    return path


def test_yaml():
    found = [str(p) for p in (ROOT / "packaging").rglob("*.yml")] + [str(p) for p in (ROOT / "packaging").rglob("*.yaml")]
    assert len(found) >= 8
    sh(need("yamllint"), "--strict", "-d", YAMLLINT, *found)


def test_dockerfile(tmp_path):
    """BuildKit's own rules, without a daemon."""
    built = tmp_path / "lint"
    subprocess.run([need("go"), "build", "-o", built, "."], check=True, cwd=ROOT / "tests/containers/dockerfile", timeout=900,
                   env=dict(os.environ, CGO_ENABLED="0"))
    sh(built, ROOT / "packaging/docker/Dockerfile", *sorted((ROOT / "tests/containers/images").glob("*.Dockerfile")))
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM scratch AS X\nCMD run\n")
    assert "StageNameCasing" in sh(built, bad, check=False).stdout


def test_kubernetes(tmp_path):
    """Into the published Go types of the API, strictly: the schema itself is in no registry here."""
    go = need("go")
    built = tmp_path / "check"
    subprocess.run([go, "build", "-o", built, "."], check=True, cwd=ROOT / "tests/containers/kubernetes", timeout=600)
    folder = ROOT / "packaging/kubernetes"
    files = [folder / f"{name}.yaml" for name in ("app", "mongodb", "network", "monitoring")]
    assert {*files, folder / "kustomization.yaml"} == {*folder.glob("*.yaml")}
    out = sh(built, folder, *files).stdout.splitlines()
    of_kustomize = [line.split()[-1] for line in out if line.split()[0] == str(folder)]
    assert sorted(of_kustomize) == ["apps/v1/Deployment", "apps/v1/StatefulSet", "networking.k8s.io/v1/NetworkPolicy",
                                    "networking.k8s.io/v1/NetworkPolicy", "policy/v1/PodDisruptionBudget", "v1/ConfigMap",
                                    "v1/Service", "v1/Service"]
    assert len(out) == len(of_kustomize) + 8
    bad = tmp_path / "bad.yaml"
    bad.write_text(files[0].read_text().replace("httpGet:", "httpget:"))
    assert sh(built, bad, check=False).returncode == 1


@pytest.mark.parametrize("path", ["packaging/compose/probe.ini", "conf/probe.ini"])
def test_configuration(images, path):
    from conftest import LABEL

    text = (ROOT / path).read_text()
    done = docker("run", "--rm", "--label", LABEL, "-i", "--volume", f"{ROOT / path}:/etc/probe/probe.ini:ro", images["sidecar"], "explain",
                  "--json", check=False)
    assert done.returncode in (0, 78) and "unknown" not in done.stderr, done.stderr
    assert text


def test_kubernetes_configuration(images, tmp_path):
    from conftest import LABEL

    ini = tmp_path / "probe.ini"
    shutil.copy(ROOT / "packaging/kubernetes/probe.ini", ini)
    ini.chmod(0o644)
    tmp_path.chmod(0o755)
    docker("run", "--rm", "--label", LABEL, "--volume", f"{ini}:/etc/probe/probe.ini:ro", images["sidecar"], "validate")


def test_sbom_names_what_the_binary_is_made_of(images):
    """The SBOM of a build beside the versions that the program itself tells."""
    out = ROOT / "build-static"
    if not (out / "probe.spdx.json").exists():
        assert os.environ.get("CI") != "true", "packaging/static/build comes first in CI"
        pytest.skip("no build-static")
    sbom = json.loads((out / "probe.spdx.json").read_text())
    packages = {p["name"]: p.get("versionInfo", "") for p in sbom["packages"]}
    told = dict(line.split(None, 1) for line in sh(out / "probe", "version").stdout.splitlines()[1:])
    names = {"libuv": "libuv1", "libcurl": "curl", "mongo-c-driver": "mongo-c-driver", "inih": "libinih", "c-ares": "c-ares",
             "libmicrohttpd": "libmicrohttpd", "jansson": "jansson", "openssl": "openssl"}
    for library, source in names.items():
        version = told[library].removeprefix("OpenSSL ").split()[0]
        assert packages[source].startswith(version), (library, version, packages[source])
    sh("sha256sum", "--check", "probe.sha256", cwd=out)
    assert sbom["packages"][0]["checksums"][0]["checksumValue"] in (out / "probe.sha256").read_text()
