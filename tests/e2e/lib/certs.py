"""A certificate authority of the tests' own, made anew each time: nothing secret is in the tree."""

import shutil
import subprocess
import tempfile
from pathlib import Path


class Certs:
    """`ca`, and pairs made by `pair(name, ...)`: (certificate, key) files."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="probe-certs-"))
        self.made = {}
        self.asked = {}  # what each name was made of
        self.ca, self.ca_key = self.dir / "ca.pem", self.dir / "ca.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", self.ca_key, "-out", self.ca, "-days", "3", "-subj", "/CN=probe test CA",
        )

    def _openssl(self, *args):
        done = subprocess.run(
            ["openssl", *map(str, args)], capture_output=True, text=True, cwd=self.dir
        )
        assert done.returncode == 0, f"openssl {args}: {done.stderr}"

    def authority(self, name):
        """Another authority, which nothing trusts so far: (certificate, key)."""
        if name not in self.made:
            cert, key = self.dir / f"{name}.pem", self.dir / f"{name}.key"
            self._openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", cert, "-days", "3", "-subj", f"/CN={name}",
            )
            self.made[name] = (cert, key)
        return self.made[name]

    def pair(self, name="server", names="DNS:localhost,IP:127.0.0.1,IP:::1", days=2, signed_by=None,
             extensions="extendedKeyUsage=serverAuth,clientAuth", subject=None):
        """`days` negative: already expired. Also usable as a client's certificate. `signed_by`: a
        pair of a CA instead of `ca`, or "itself". `names` None: none but the subject."""
        asked = (names, days, signed_by, extensions, subject)
        if name in self.made:
            assert self.asked[name] == asked, f"two certificates of the name {name}"
            return self.made[name]
        self.asked[name] = asked
        cert, key, request = (self.dir / f"{name}.{end}" for end in ("pem", "key", "csr"))
        file = self.dir / f"{name}.ext"
        file.write_text((f"subjectAltName={names}\n" if names else "") + extensions + "\n")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", request, "-subj", f"/CN={subject or name}",
        )
        ca, ca_key = signed_by if isinstance(signed_by, tuple) else (self.ca, self.ca_key)
        by = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial")
        if signed_by == "itself":
            by = ("-signkey", key)
        # openssl 3.0's x509 takes no start date: an end before now is made by a negative number.
        self._openssl(
            "x509", "-req", "-in", request, *by, "-out", cert, "-days", str(days), "-extfile", file,
        )
        both = self.dir / f"{name}.both.pem"
        both.write_text(cert.read_text() + key.read_text())
        both.chmod(0o600)
        self.made[name] = (cert, key)
        return cert, key

    def dated(self, name, start, end, names="DNS:localhost,IP:127.0.0.1,IP:::1"):
        """A pair valid from `start` to `end`, both as YYYYMMDDHHMMSSZ."""
        if name in self.made:
            return self.made[name]
        cert, key, request = (self.dir / f"{name}.{end_}" for end_ in ("pem", "key", "csr"))
        conf = self.dir / f"{name}.cnf"
        (self.dir / f"{name}.index").write_text("")
        conf.write_text(
            f"[ca]\ndefault_ca=x\n[x]\ndatabase={self.dir}/{name}.index\nnew_certs_dir={self.dir}\n"
            f"rand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n"
            f"[p]\ncommonName=supplied\n[e]\nsubjectAltName={names}\n"
        )
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", request, "-subj", f"/CN={name}",
        )
        self._openssl(
            "ca", "-batch", "-notext", "-config", conf, "-in", request, "-out", cert,
            "-cert", self.ca, "-keyfile", self.ca_key, "-startdate", start, "-enddate", end,
        )
        self.made[name] = (cert, key)
        return cert, key

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)
