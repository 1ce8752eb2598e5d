"""A server's side of SCRAM, for mongo_scripted.py."""

import base64
import hashlib
import hmac


class Scram:
    """A server's side of SCRAM (RFC 5802) for user "user" with `password`, as SASLprep leaves it."""

    def __init__(self, name, iterations=4096, salt=b"0123456789abcdef", password="pencil"):
        self.hash = "sha256" if name == "SCRAM-SHA-256" else "sha1"
        secret = password.encode()
        if self.hash == "sha1":
            secret = hashlib.md5(b"user:mongo:" + secret).hexdigest().encode()
        self.salted = hashlib.pbkdf2_hmac(self.hash, secret, salt, min(iterations, 5000))
        self.salt, self.iterations = salt, iterations

    def mac(self, key, text):
        return hmac.new(key, text, self.hash).digest()

    def first(self, payload):
        self.client_first = payload[3:]
        nonce = payload[payload.index(b"r=") + 2 :]
        salt = base64.b64encode(self.salt)
        self.server_first = b"r=%sSERVER,s=%s,i=%d" % (nonce, salt, self.iterations)
        return self.server_first

    def last(self, payload):
        """The server's proof, or None when the client's is wrong."""
        without, proof = payload.rsplit(b",p=", 1)
        text = b",".join([self.client_first, self.server_first, without])
        key = self.mac(self.salted, b"Client Key")
        signature = self.mac(hashlib.new(self.hash, key).digest(), text)
        if bytes(a ^ b for a, b in zip(key, signature)) != base64.b64decode(proof):
            return None
        return b"v=" + base64.b64encode(self.mac(self.mac(self.salted, b"Server Key"), text))
