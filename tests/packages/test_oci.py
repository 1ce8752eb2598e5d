"""The OCI layouts of a release: made without an engine, read back as a registry's client reads them."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from conftest import ROOT, sh

ARCHS = {"amd64": ("amd64", None), "arm64": ("arm64", None), "armv7": ("arm", "v7")}


@pytest.fixture(params=["binary", "sidecar"])
def layout(request, tmp_path):
    builds = []
    for arch in ARCHS:
        (tmp_path / arch / "licences").mkdir(parents=True)
        (tmp_path / arch / "probe").write_text(f"the program for {arch}")
        (tmp_path / arch / "licences/musl").write_text("musl's")
        builds.append(f"{arch}={tmp_path / arch}")

    def make(out):
        sh(ROOT / "packaging/oci", "--target", request.param, "--version", "7.8.9", "--revision", "abc", "--epoch", "1700000000",
           "--out", out, *builds)
        return out

    made, again = make(tmp_path / "layout"), make(tmp_path / "again")
    assert sh("diff", "-r", made, again).stdout == "", "the same bytes again"
    return request.param, made


def blob(layout, entry):
    data = (layout / "blobs" / entry["digest"].replace(":", "/")).read_bytes()
    assert (len(data), "sha256:" + hashlib.sha256(data).hexdigest()) == (entry["size"], entry["digest"])
    return data


def test_every_platform_can_be_read_back(layout):
    target, layout = layout
    (top,) = json.loads((layout / "index.json").read_text())["manifests"]
    index = json.loads(blob(layout, top))
    platforms = [(m["platform"]["architecture"], m["platform"].get("variant")) for m in index["manifests"]]
    assert platforms == list(ARCHS.values())
    for arch, entry in zip(ARCHS, index["manifests"]):
        manifest = json.loads(blob(layout, entry))
        config = json.loads(blob(layout, manifest["config"]))
        (packed,) = [blob(layout, entry) for entry in manifest["layers"]]
        layer = gzip.decompress(packed)
        assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest()]
        assert config["config"]["Entrypoint"] == ["/probe"]
        assert config["config"]["Labels"]["org.opencontainers.image.version"] == "7.8.9"
        assert config["config"].get("User") == ("1000:1000" if target == "sidecar" else None)
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            assert tar.extractfile("probe").read().decode() == f"the program for {arch}"
            assert tar.getmember("probe").mode == 0o755
            assert {"licences/musl", "licences/probe"} <= set(tar.getnames())
            assert ("etc/probe/probe.ini" in tar.getnames()) == (target == "sidecar")
            if target == "sidecar":
                assert tar.getmember("run/probe").uid == 1000


def test_skopeo_reads_it(layout):
    target, layout = layout
    for arch, (name, variant) in ARCHS.items():
        options = ["--override-arch", name] + (["--override-variant", variant] if variant else [])
        seen = json.loads(sh("skopeo", *options, "inspect", f"oci:{layout}:7.8.9").stdout)
        assert seen["Architecture"] == name, arch
        assert seen["Labels"]["org.opencontainers.image.version"] == "7.8.9"
        assert len(seen["Layers"]) == 1


def test_buildah_unpacks_it(layout, tmp_path):
    """As a client that runs containers does: user, entrypoint, and the program where it belongs."""
    target, layout = layout
    storage = ["buildah", "--root", tmp_path / "root", "--runroot", tmp_path / "run", "--storage-driver", "vfs"]
    ident = sh(*storage, "pull", "--arch", "amd64", f"oci:{layout}:7.8.9").stdout.split()[-1]
    config = json.loads(sh(*storage, "inspect", "--type", "image", ident).stdout)["OCIv1"]["config"]
    assert config["Entrypoint"] == ["/probe"]
    assert config.get("User", "") == ("1000:1000" if target == "sidecar" else "")
    made = sh(*storage, "from", "--pull-never", ident).stdout.strip()
    folder = Path(sh(*storage, "mount", made).stdout.strip())
    try:
        assert (folder / "probe").read_text() == "the program for amd64"
    finally:
        sh(*storage, "umount", made)
        sh(*storage, "rm", made)
