#!/usr/bin/env python3
"""A calendar provider for Frontdesk in Python, with nothing but the standard library.

It keeps its calendars in memory: put your calendar's calls where `Calendar` is. The contract is
docs/providers/remote.yaml, the guide docs/providers/remote.md. Run Frontdesk's checks against it:

    export PROVIDER_SECRET=whsec_$(openssl rand -base64 24)
    python3 provider.py --port 8700 --token letmein
    frontdesk provider test http://127.0.0.1:8700 --secret-file FILE --credential token=letmein
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLERANCE_SECONDS = 300
LONGEST_BODY = 1024 * 1024
PROBLEM = "application/problem+json"
STATUS = {"unauthorized": 403, "invalid_credentials": 422, "not_found": 404, "permanent": 422,
          "cursor_expired": 410}


class Problem(Exception):
    """Why a call can't be answered, by one of the contract's classes."""

    def __init__(self, kind, **members):
        super().__init__(kind)
        self.status = STATUS[kind]
        self.body = {"class": kind, **members}


class Calendar:
    """One agent's calendar: its events by UID, and when each last changed."""

    def __init__(self):
        # A cursor from before a restart must not be taken for one of now.
        self.epoch = os.urandom(8).hex()
        self.revision = 0
        self.events = {}  # by UID
        self.changed = {}  # the revision at which each reference last changed

    def put(self, event):
        self.revision += 1
        self.changed[reference(event["uid"])] = self.revision
        self.events[event["uid"]] = {**event, "version": str(self.revision)}
        return self.events[event["uid"]]

    def delete(self, uid):
        if self.events.pop(uid, None) is not None:
            self.revision += 1
            self.changed[reference(uid)] = self.revision

    def overlapping(self, window):
        start, end = instant(window["start"]), instant(window["end"])
        overlaps = lambda event: instant(event["start"]) < end and start < instant(event["end"])
        return [event for event in self.events.values() if overlaps(event)]

    def cursor(self):
        return f"{self.epoch}-{self.revision}"

    def revision_of(self, cursor):
        known = {f"{self.epoch}-{revision}": revision for revision in range(self.revision + 1)}
        if cursor not in known:
            raise Problem("cursor_expired")
        return known[cursor]


def reference(uid):
    """The same for an event's whole life, so that no retry makes a second one."""
    return hashlib.sha256(uid.encode()).hexdigest()[:32]


def instant(text):
    return datetime.fromisoformat(text)


def snapshot(event):
    told = {key: event[key] for key in ("uid", "start", "end", "title", "version")}
    return {**told, "event_ref": reference(event["uid"]), "busy": event.get("busy", True)}


class Provider:
    """The contract's calls: each is given the request's JSON and answers some, or None."""

    def __init__(self, token, for_tests):
        self.token = token
        self.calendars = {}  # by owner
        self.calls = {
            "/connect": self.connect,
            "/free-busy": self.free_busy,
            "/events/put": self.put_event,
            "/events/delete": self.delete_event,
            "/events/get": self.get_event,
            "/changes": self.changes,
        }
        if for_tests:
            self.calls["/test/add-event"] = self.add_event
            self.calls["/test/remove"] = self.remove_event

    def about(self):
        return {
            "contract": 1,
            "name": "Python calendar",
            "connect_with": "credentials",
            "credential_fields": [{"name": "token", "label": "Token", "secret": True}],
            "capabilities": {"writes": True, "changes": True},
        }

    def connect(self, request):
        if not self.is_token(request["credentials"].get("token", "")):
            raise Problem("invalid_credentials", field="token")
        self.calendars.setdefault(request["owner"], Calendar())
        return {"account": request["owner"], "calendar_ref": "main", "credentials": self.token}

    def free_busy(self, request):
        calendar = self.calendar(request)
        # What can't be read is an error: it must not look free.
        if any(other != "main" for other in request["connection"]["also_busy"]):
            raise Problem("not_found")
        events = calendar.overlapping(request["window"])
        return {"busy": [snapshot(event) for event in events if event.get("busy", True)]}

    def put_event(self, request):
        event = self.calendar(request).put(request["event"])
        return {"event_ref": reference(event["uid"]), "version": event["version"]}

    def delete_event(self, request):
        self.calendar(request).delete(request["event"]["uid"])

    def get_event(self, request):
        event = self.calendar(request).events.get(request["event"]["uid"])
        return {"event": snapshot(event) if event else None}

    def changes(self, request):
        calendar = self.calendar(request)
        if "since" not in request:
            events = calendar.overlapping(request["window"])
            told = [{"type": "present", "event": snapshot(event)} for event in events]
            return {"changes": told, "next": calendar.cursor()}
        since = calendar.revision_of(request["since"])
        standing = {reference(uid): event for uid, event in calendar.events.items()}
        told = [
            {"type": "present", "event": snapshot(standing[ref])} if ref in standing
            else {"type": "gone", "event_ref": ref}
            for ref, revision in calendar.changed.items() if since < revision
        ]
        return {"changes": told, "next": calendar.cursor()}

    def add_event(self, request):
        self.calendar(request).put(request["event"])

    def remove_event(self, request):
        self.calendar(request).delete(request["uid"])

    def calendar(self, request):
        connection = request["connection"]
        if not self.is_token(connection["credentials"]):
            raise Problem("unauthorized")
        if connection["calendar_ref"] != "main" or connection["owner"] not in self.calendars:
            raise Problem("not_found")
        return self.calendars[connection["owner"]]

    def is_token(self, text):
        return hmac.compare_digest(text.encode(), self.token.encode())


def is_signed(key, headers, body):
    """Standard Webhooks: HMAC-SHA256 over id, time and body."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    is_number = timestamp.isascii() and timestamp.isdigit()
    if not is_number or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(expected, one) for one in given)


class Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds that a client may say nothing
    provider = None
    key = None

    def do_GET(self):
        self.respond({"/about": lambda _: self.provider.about()}.get(self.path))

    def do_POST(self):
        call = self.provider.calls.get(self.path)
        self.respond(call and (lambda body: call(json.loads(body))))

    def respond(self, call):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if 0 <= length <= LONGEST_BODY else b""
        if not is_signed(self.key, self.headers, body):
            return self.send(401, {"title": "not signed"})
        if call is None:
            return self.send(404, {"title": "there is no such call"})
        try:
            answer = call(body)
        except Problem as problem:
            return self.send(problem.status, problem.body)
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.send(422, {"class": "permanent", "title": "not as documented"})
        return self.send(204 if answer is None else 200, answer)

    def send(self, status, answer):
        body = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json" if status < 400 else PROBLEM)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: a request's line is not worth one, and its body is secret."""


class Server(HTTPServer):
    """One request at a time, so that what the calendar holds needs no lock."""

    request_queue_size = 128

    def handle_error(self, *request):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that went away is no news
            super().handle_error(*request)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--port", type=int, default=8700, help="0 for any that is free")
    arguments.add_argument("--token", required=True, help="what agents type in to connect")
    arguments.add_argument("--for-tests", action="store_true", help="offer the /test calls too")
    options = arguments.parse_args()
    secret = os.environ["PROVIDER_SECRET"].removeprefix("whsec_")
    Handler.key = base64.b64decode(secret, validate=True)
    Handler.provider = Provider(options.token, options.for_tests)
    server = Server(("127.0.0.1", options.port), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
