"""example-app: counts its visits in MongoDB, for a stack to start, check and stop.

/         counts a visit; 503 while the database does not answer
/healthz  the process serves requests: nothing else, so that a lost database restarts no one
/readyz   it can do its work: the database answers
"""
import http.server
import os
import signal
import sys
import threading

import pymongo


def database():
    options = {"serverSelectionTimeoutMS": 1000, "connectTimeoutMS": 1000, "socketTimeoutMS": 1000}
    user, password_file = os.environ.get("MONGODB_USER"), os.environ.get("MONGODB_PASSWORD_FILE")
    if user and password_file:
        with open(password_file) as f:
            options.update(username=user, password=f.read().strip())
    uri = os.environ.get("MONGODB_URI", "mongodb://mongodb:27017/")
    return pymongo.MongoClient(uri, **options)["example"]


class Handler(http.server.BaseHTTPRequestHandler):
    db = None

    def do_GET(self):
        try:
            if self.path == "/healthz":
                status, text = 200, "alive"
            elif self.path == "/readyz":
                self.db.client.admin.command("ping")
                status, text = 200, "ready"
            elif self.path == "/":
                self.db.visits.update_one({"_id": "all"}, {"$inc": {"n": 1}}, upsert=True)
                status, text = 200, f"visit {self.db.visits.find_one({'_id': 'all'})['n']}"
            else:
                status, text = 404, "nothing here"
        except pymongo.errors.PyMongoError as e:
            status, text = 503, f"database: {e}"[:200]
        body = (text + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    Handler.db = database()
    server = http.server.ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler)

    def stop(signum, frame):
        print(f"stopping on signal {signum}", flush=True)
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"serving on port {server.server_port}", flush=True)
    server.serve_forever()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
