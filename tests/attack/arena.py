"""Where attacks take place: a server with a database of its own, and what may be asked of it."""

import asyncio
import base64
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field

from client import Connection, fetch

POSTGRES = pathlib.Path(__file__).resolve().parent.parent / "counterparts/postgres"
DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]

READY_WITHIN = 30
"""Seconds until a server that was started is ready."""


class Skipped(Exception):
    """The attack cannot run here; says why."""


@dataclass
class Report:
    """What an attack came to."""

    figures: list = field(default_factory=list)
    broken: list = field(default_factory=list)

    def figure(self, text):
        self.figures.append(text)

    def promise(self, holds, promise):
        """Counts a promise that does not hold; the attack goes on."""
        if not holds:
            self.broken.append(promise)


@dataclass
class Arena:
    """One attack's own directory, database and chance."""

    binary: pathlib.Path
    work: pathlib.Path
    database: str
    cluster: "Cluster"
    quick: bool
    memory_mib: int
    random: object
    servers: list = field(default_factory=list)

    async def start(self, settings=None, directory=None, name="server"):
        """A server on an empty database, ready, with an administrator's key."""
        place = self.work / name
        place.mkdir()
        if self.database == "sqlite":
            url = f"sqlite://{directory or place}/frontdesk.db"
        else:
            url = self.cluster.create_database()
        server = Server(self, place, url, settings or {})
        self.servers.append(server)
        await server.run()
        server.make_key()
        return server


class Server:
    """A server that can be asked, looked at, killed and started again."""

    def __init__(self, arena, place, database_url, settings):
        self.arena, self.place = arena, place
        self.port = free_port()
        self.process = None
        self.killed = False
        """Whether the attack itself ended it."""
        self.key = None
        self.mail = place / "mail"
        self.log = place / "server.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FRONTDESK_")}
        self.environment = environment | {
            "FRONTDESK_LISTEN": f"127.0.0.1:{self.port}",
            "FRONTDESK_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "FRONTDESK_DATABASE_URL": database_url,
            "FRONTDESK_MAIL_URL": f"file:{self.mail}",
            "FRONTDESK_SECRET_KEY": base64.b64encode(bytes(32)).decode(),
        }
        self.environment |= {f"FRONTDESK_{name}": str(value) for name, value in settings.items()}

    # ------------------------------------------------------------------------------ its process

    async def run(self):
        """Starts it, and returns once it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.arena.binary, "serve"], env=self.environment, cwd=self.place, stdout=log, stderr=log
            )
        self.killed = False
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended:\n{self.log.read_text()[-2000:]}")
            if await self.status("/readyz", within=2) == 200:
                return
            await asyncio.sleep(0.02)
        raise RuntimeError(f"the server was not ready within {READY_WITHIN} s")

    def make_key(self):
        self.key = self.command("api-key", "create", "--name", "attack", "--profile", "ADMIN")

    def command(self, *arguments):
        return subprocess.run(
            [self.arena.binary, *arguments],
            env=self.environment,
            cwd=self.place,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()

    def kill(self):
        """SIGKILL, as the system does when memory runs out."""
        self.killed = True
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.killed = True
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(12)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def faults(self):
        """What no attack may bring about."""
        if self.process is not None and self.process.poll() is not None and not self.killed:
            yield f"the server ended by itself with {self.process.returncode}"
        if self.log.exists() and "panicked at" in self.log.read_text(errors="replace"):
            yield "the server panicked"

    def memory_mib(self):
        """What it holds of the machine's memory; 0 when it has ended."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except FileNotFoundError:
            return 0
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0

    def callers(self):
        """Connections to its port that it has not closed."""
        count = 0
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            # ESTABLISHED and CLOSE_WAIT: what the server itself has not ended.
            if fields[1] == f"0100007F:{self.port:04X}" and fields[3] in ("01", "08"):
                count += 1
        return count

    # ------------------------------------------------------------------------------ asking it

    async def connect(self, source=None):
        return await Connection.open(self.port, source)

    async def fetch(self, method, path, body=None, headers=None, source=None, within=30):
        """One request on a connection of its own."""
        return await fetch(self.port, method, path, body, headers, source, within)

    async def status(self, path, within=10):
        """The status of a GET; None where there is no answer in time."""
        with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
            return (await self.fetch("GET", path, within=within)).status
        return None

    async def graphql(self, query, variables=None, source=None, key=None, within=30):
        """One operation of a visitor, or of whoever has the key."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return await self.fetch("POST", "/graphql", body, headers, source, within)

    async def admin(self, query, variables=None):
        """The data of an administrator's operation, which waits where it is asked to."""
        for _ in range(60):
            answer = await self.graphql(query, variables, key=self.key)
            result = answer.json()
            errors = result.get("errors", [])
            if errors and errors[0].get("extensions", {}).get("code") == "RATE_LIMITED":
                await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
                continue
            if errors:
                raise RuntimeError(f"{query} with {variables} was answered with {result}")
            return result["data"]
        raise RuntimeError(f"{query} was rate limited for too long")

    async def agent(self, number, start="00:00", end="24:00", **settings):
        """An agent with the built-in calendar who takes meetings every day."""
        data = await self.admin(
            "mutation ($input: CreateAgentInput!) { createAgent(input: $input) { id } }",
            {"input": {"name": f"Agent {number}", "email": f"agent{number}@example.com"}},
        )
        agent = data["createAgent"]["id"]
        calendar = {"agentId": agent, "providerId": "builtin", "credentials": []}
        availability = {
            "agentId": agent,
            "timeZone": "UTC",
            "blocks": [{"dayOfWeek": day, "start": start, "end": end} for day in DAYS],
            **settings,
        }
        await self.admin(
            """mutation ($calendar: ConnectCalendarInput!, $availability: SetMeetingAvailabilityInput!) {
                connectCalendar(input: $calendar) { id }
                setMeetingAvailability(input: $availability) { id }
            }""",
            {"calendar": calendar, "availability": availability},
        )
        return agent

    async def free_starts(self, first, last, agent=None):
        """The starts of the slots that are free between two dates, of one agent or of anybody."""
        window = {"from": str(first), "to": str(last), "timeZone": "UTC"}
        if agent:
            window["route"] = {"agentId": agent}
        query = "query ($input: SlotsInput!) { slots(input: $input) { days { slots { startsAt } } } }"
        data = await self.admin(query, {"input": window})
        return [slot["startsAt"] for day in data["slots"]["days"] for slot in day["slots"]]

    def mails(self):
        """The mails that were written."""
        return sorted(self.mail.glob("*.eml")) if self.mail.exists() else []

    async def settled_mails(self, quiet=2.5, within=30):
        """The mails, once none has come for a while."""
        deadline = time.monotonic() + within
        count, since = len(self.mails()), time.monotonic()
        while time.monotonic() < min(deadline, since + quiet):
            await asyncio.sleep(0.2)
            if len(self.mails()) != count:
                count, since = len(self.mails()), time.monotonic()
        return self.mails()

    async def check_answers(self, report, when, count=20):
        """Requests that need the whole pool of connections are answered, and the server is ready."""

        async def ask():
            query = "{ agents(first: 20) { nodes { id name calendar { status } } } }"
            try:
                answer = await self.graphql(query, key=self.key, within=12)
                return answer.status == 200 and "data" in answer.json()
            except (OSError, EOFError, ValueError, TimeoutError):
                return False

        answered = sum(await asyncio.gather(*(ask() for _ in range(count))))
        ready = await self.status("/readyz")
        report.promise(answered == count, f"{when}: {answered} of {count} requests were answered")
        report.promise(ready == 200, f"{when}: /readyz says {ready}")
        return answered, ready


class Cluster:
    """PostgreSQL for the attacks that want it, started with the first one."""

    def __init__(self, directory):
        self.directory, self.url, self.count = directory, None, 0

    def create_database(self):
        if self.url is None:
            command = [POSTGRES, "start", self.directory, "max_connections=200"]
            started = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if started.returncode:
                raise RuntimeError(f"no PostgreSQL: {started.stderr.strip()}; --database sqlite leaves it out")
            self.url = started.stdout.strip()
        self.count += 1
        name = f"attack_{self.count}"
        binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"))
        psql = binaries[-1] if binaries else "psql"
        command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", f"CREATE DATABASE {name}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return self.url.removesuffix("/postgres") + "/" + name

    def stop(self):
        if self.directory.exists():
            subprocess.run([POSTGRES, "stop", self.directory], check=False)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def caller(number):
    """Another loopback address for each number, none of them 127.0.0.1."""
    number += 2
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


def percentile(values, share):
    """The value that this share of the values is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
