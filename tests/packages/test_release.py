"""The release tarball, and `cmake --install`."""

import json
import os
import re
import tarfile
from pathlib import Path

import pytest
from conftest import ROOT, sh

BUILD = Path(os.environ.get("PROBE_BIN", ROOT / "build-plain/probe")).parent


def test_tarball(release, sources, tmp_path):
    sh("sha256sum", "-c", f"{release.name}.sha256", cwd=release.parent)
    sh(ROOT / "packaging/release", "--work-tree", "--out", tmp_path)
    assert (tmp_path / release.name).read_bytes() == release.read_bytes(), "the same again"
    version = release.name.removeprefix("probe-").removesuffix(".tar.gz")
    assert sources.name == f"probe-{version}"
    assert f"VERSION {version} " in (sources / "CMakeLists.txt").read_text()
    packed = {str(p.relative_to(sources)) for p in sources.rglob("*") if not p.is_dir()}
    tracked = sh("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").stdout
    # Building in it has added to it.
    assert {p for p in packed if not p.startswith("build")} == set(tracked.split("\n")) - {""}
    assert os.access(sources / "tests/run", os.X_OK) and not (sources / ".git").exists()
    rows = sh("tar", "-tvzf", release).stdout.splitlines()
    assert all(row.split()[1] == "0/0" for row in rows)


def test_release_refuses_changes(tmp_path):
    """What is released is what is committed."""
    copy = tmp_path / "tree"
    copy.mkdir()
    (copy / "packaging").mkdir()
    (copy / "packaging/release").write_text((ROOT / "packaging/release").read_text())
    (copy / "CMakeLists.txt").write_text("project(probe VERSION 7.8.9 LANGUAGES C)\n")
    git = ("git", "-C", copy, "-c", "user.name=x", "-c", "user.email=x@localhost")
    sh(*git, "init", "-q")
    sh(*git, "add", "-A")
    sh(*git, "commit", "-qm", "x")
    sh("bash", copy / "packaging/release", "--out", tmp_path / "out")
    assert (tmp_path / "out/probe-7.8.9.tar.gz").exists()
    (copy / "new").write_text("x")
    done = sh("bash", copy / "packaging/release", check=False)
    assert done.returncode == 1 and "the tree has changes" in done.stderr


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """(folder, version, keys) of everything that a release for amd64 has, signed."""
    out = tmp_path_factory.mktemp("released")
    key = tmp_path_factory.mktemp("key")
    sh("minisign", "-G", "-W", "-s", key / "secret", "-p", key / "public")
    version = re.search(r"project\(probe VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    sh(ROOT / "packaging/release", version, "--work-tree", "--arch", "amd64", "--key", key / "secret", "--out", out)
    return out, version, key


def test_a_release_is_whole_and_signed(released, tmp_path):
    out, version, keys = released
    name = f"probe-{version}-linux-amd64"
    assert {p.name for p in out.iterdir()} == {
        f"probe-{version}.tar.gz", name, f"{name}.tar.gz", f"{name}.spdx.json", f"probe_{version}_amd64.deb",
        f"probe-{version}-oci-binary.tar.gz", f"probe-{version}-oci-sidecar.tar.gz", "SHA256SUMS", "SHA256SUMS.minisig"}
    sh("minisign", "-V", "-p", keys / "public", "-m", out / "SHA256SUMS")
    summed = sh("sha256sum", "-c", "SHA256SUMS", cwd=out).stdout.splitlines()
    assert len(summed) == 7
    (tmp_path / "forged").write_text((out / "SHA256SUMS").read_text() + "\n")
    (tmp_path / "forged.minisig").write_bytes((out / "SHA256SUMS.minisig").read_bytes())
    assert sh("minisign", "-V", "-p", keys / "public", "-m", tmp_path / "forged", check=False).returncode != 0
    told = json.loads(sh(out / name, "version", "--json").stdout)
    assert (told["version"], told["architecture"]) == (version, "amd64"), told


def test_its_tarball_has_the_program_manual_completions_and_licences(released):
    out, version, _ = released
    name = f"probe-{version}-linux-amd64"
    with tarfile.open(out / f"{name}.tar.gz") as tar:
        names = set(tar.getnames())
        assert tar.extractfile(f"{name}/probe").read() == (out / name).read_bytes()
    linked = {line.split()[0] for line in (ROOT / "packaging/static/versions").read_text().splitlines()
              if line and not line.startswith("#")} - {"cmocka"}
    assert {f"{name}/licences/{library}" for library in linked | {"README"}} <= names
    assert {f"{name}/man/probe.1", f"{name}/completions/_probe", f"{name}/LICENSE"} <= names


def test_its_debian_package_needs_no_library_and_runs(released, root):
    out, version, _ = released
    package = out / f"probe_{version}_amd64.deb"
    assert sh("dpkg-deb", "--field", package, "Depends").stdout.strip() == ""
    root.install(package)
    assert root.run("/usr/bin/probe", "check", "pid:1").returncode == 0
    assert root.exists("/usr/share/doc/probe/licences/openssl")


def test_the_same_release_again(released, release, tmp_path):
    """From another folder, byte for byte: the program, its SBOM, packages and images. Signed by the key's text, as a
    workflow has it, in place of its file."""
    out, version, keys = released
    tree = tmp_path / "some/where/else"
    sh("git", "clone", "-q", ROOT, tree)
    for name in sh("git", "-C", tree, "ls-files").stdout.splitlines():
        (tree / name).unlink()
    sh("tar", "-xzf", release, "--strip-components=1", "-C", tree)
    sh(tree / "packaging/release", version, "--work-tree", "--arch", "amd64", "--out", tmp_path / "out",
       env=dict(os.environ, PROBE_RELEASE_KEY=(keys / "secret").read_text()))
    assert (tmp_path / "out/SHA256SUMS").read_text() == (out / "SHA256SUMS").read_text()
    sh("minisign", "-V", "-p", keys / "public", "-m", tmp_path / "out/SHA256SUMS")


def test_cmake_install(tmp_path):
    """The usual folders under DESTDIR; a configuration that is there is kept."""
    env = {**os.environ, "DESTDIR": str(tmp_path)}
    sh("cmake", "--install", BUILD, env=env)
    installed = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    for name in (
        "bin/probe", "etc/probe/probe.ini", "lib/systemd/system/probe.service",
        "lib/sysusers.d/probe.conf", "lib/tmpfiles.d/probe.conf", "share/man/man1/probe.1",
        "share/man/man5/probe.ini.5", "share/man/man7/probe-api.7",
        "share/bash-completion/completions/probe", "share/zsh/site-functions/_probe",
        "share/fish/vendor_completions.d/probe.fish", "share/doc/probe/LICENSE",
        "share/doc/probe/examples/minimal.ini",
    ):
        assert f"usr/local/{name}" in installed, sorted(installed)
    assert all(name.startswith("usr/local/") for name in installed)
    unit = (tmp_path / "usr/local/lib/systemd/system/probe.service").read_text()
    assert "\nExecStart=/usr/local/bin/probe run -c /usr/local/etc/probe/probe.ini\n" in unit
    config = tmp_path / "usr/local/etc/probe/probe.ini"
    sh(tmp_path / "usr/local/bin/probe", "validate", "-c", config)
    config.write_text("[probe mine]\naddress = 127.0.0.1:1\n")
    sh("cmake", "--install", BUILD, env=env)
    assert config.read_text().startswith("[probe mine]")
