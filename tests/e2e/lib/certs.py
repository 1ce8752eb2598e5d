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

    def pair(self, name="server", names="DNS:localhost,IP:127.0.0.1,IP:::1", days=2):
        """`days` negative: already expired. Also usable as a client's certificate."""
        if name in self.made:
            return self.made[name]
        cert, key, request = (self.dir / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self.dir / f"{name}.ext"
        extensions.write_text(
            f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n"
        )
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", request, "-subj", f"/CN={name}",
        )
        # openssl 3.0's x509 takes no start date: an end before now is made by a negative number.
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key,
            "-CAcreateserial", "-out", cert, "-days", str(days), "-extfile", extensions,
        )
        both = self.dir / f"{name}.both.pem"
        both.write_text(cert.read_text() + key.read_text())
        both.chmod(0o600)
        self.made[name] = (cert, key)
        return cert, key

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)
