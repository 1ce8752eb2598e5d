"""The release tarball, and `cmake --install`."""

import os
from pathlib import Path

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
