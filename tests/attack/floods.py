"""Floods of everything that costs a caller little: connections, halves of requests, slow bodies, silent
WebSockets, and wrong tokens.

Each is bounded or ended by the server, and other callers are answered meanwhile.
"""

import asyncio
import contextlib
import json
import socket
import struct
import time

from arena import caller, percentile
from client import closed_within, plain_socket, request, send, upgrade

DATABASES = ("sqlite",)
SECONDS = 240

MOST_CONNECTIONS = 4096
"""Connections from one address that the server keeps."""

GUESSES = 1000
"""Wrong tokens of each kind. An address may ask 400 times at once, and 20 times a second from then on."""


async def attack(arena, report):
    server = await arena.start()
    agent = await server.agent(0)
    await malformed(server, report)
    await never_ending(server, report)
    await connections(server, report)
    await wrong_tokens(server, report, agent)
    await asyncio.gather(
        half_requests(arena, server, report),
        slow_bodies(server, report),
        silent_sockets(server, report),
    )
    await server.check_answers(report, "after the floods")


# ------------------------------------------------------------------------------ what is no request


async def malformed(server, report):
    """HTTP/1.1 without Host, or with two, is 400."""
    body = json.dumps({"query": "{ __typename }"}).encode()
    rest = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    statuses = []
    for hosts in (b"", b"host: a\r\nhost: b\r\n"):
        statuses.append(await first_status(server, b"POST /graphql HTTP/1.1\r\n" + hosts + rest))
    health = await first_status(server, b"GET /healthz HTTP/1.1\r\n\r\n")
    report.figure(f"no Host {statuses[0]} and {health}, two {statuses[1]}")
    report.promise(statuses[0] == health == 400, f"no Host is answered with {statuses[0]} and {health}")
    report.promise(statuses[1] == 400, f"two Hosts are answered with {statuses[1]}")


async def first_status(server, data):
    with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
        async with asyncio.timeout(10):
            connection = await server.connect(caller(1))
            try:
                connection.writer.write(data)
                return (await connection.answer()).status
            finally:
                connection.hang_up()
    return None


async def never_ending(server, report):
    """What never becomes a request is cut off after a MiB or so; the system's buffers take some more."""
    kinds = {
        "empty lines": (b"", b"\r\n" * 8192),
        "one header": (b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: ", b"x" * 16384),
        "many headers": (b"GET /healthz HTTP/1.1\r\nhost: a\r\n", b"x: y\r\n" * 2048),
        "a path": (b"GET /", b"x" * 16384),
    }
    for name, (start, more) in kinds.items():
        plain = await plain_socket(server.port, caller(2))
        sent, began = len(start), time.monotonic()
        going = await send(plain, start)
        while going and sent < 32 * 2**20 and time.monotonic() < began + 20:
            going = await send(plain, more, within=5)
            sent += len(more)
        plain.close()
        report.figure(
            f"{name} without end: cut off after {sent / 2**20:.1f} MiB" if not going else f"{name}: not cut off"
        )
        report.promise(not going and sent < 16 * 2**20, f"{name} without end: {sent / 2**20:.1f} MiB were taken")


# ------------------------------------------------------------------------------ connections


async def connections(server, report):
    """So many connections of one address, none of which says anything."""
    wanted = MOST_CONNECTIONS + 400
    opened = []
    try:
        for _ in range(wanted // 64):
            batch = await asyncio.gather(
                *(plain_socket(server.port, caller(3)) for _ in range(64)), return_exceptions=True
            )
            opened += [plain for plain in batch if isinstance(plain, socket.socket)]
        await asyncio.sleep(1)
        kept = server.callers()
        began = time.monotonic()
        status = await server.status("/readyz")
        answer = await server.graphql("{ __typename }", source=caller(4), within=10)
        took = time.monotonic() - began
        report.figure(
            f"{len(opened)} idle connections of one address: {kept} kept, others answered in {1000 * took:.0f} ms"
        )
        report.promise(kept <= MOST_CONNECTIONS + 16, f"{kept} connections of one address are kept")
        report.promise(status == answer.status == 200, f"others were answered with {status} and {answer.status}")
    finally:
        for plain in opened:
            # A reset, so that the port is free at once.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            plain.close()
    for _ in range(50):
        if server.callers() < 50:
            return
        await asyncio.sleep(0.2)


async def half_requests(arena, server, report):
    """Requests that stop in the middle of their headers, and others that are answered meanwhile."""
    halves = [await plain_socket(server.port, caller(5)) for _ in range(500)]
    for plain in halves:
        await send(plain, b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-ty")
    took = []
    for _ in range(40):
        began = time.monotonic()
        await server.fetch("GET", "/healthz", source=caller(6))
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.05)
    text = f"beside 500 half requests /healthz takes {1000 * percentile(took, 0.95):.0f} ms at p95"
    report.promise(percentile(took, 0.95) < 1, text)
    if not arena.quick:
        ended = await asyncio.gather(*(closed_within(plain, 85) for plain in halves))
        open_still = sum(seconds is None for seconds in ended)
        longest = max((seconds for seconds in ended if seconds is not None), default=0)
        text += f", {open_still} of them open after {longest:.0f} s"
        report.promise(open_still == 0, f"{open_still} half requests are open after 85 s")
    report.figure(text)
    for plain in halves:
        plain.close()


# ------------------------------------------------------------------------------ slow bodies


async def slow_bodies(server, report):
    """Bodies of which a byte comes now and then, or none, on the paths that anybody may post to. Imports of
    accounts need a key, and may take five minutes."""
    paths = ["/graphql", "/calendar-pushes/00000000-0000-4000-8000-000000000000"]
    cases = [(path, drip) for path in paths for drip in (True, False)]
    ended = await asyncio.gather(*(slow_body(server, *case) for case in cases))
    for (path, drip), seconds in zip(cases, ended, strict=True):
        what = f"POST {path} with a body that {'drips' if drip else 'never comes'}"
        report.promise(seconds is not None, f"{what} is still read after 45 s")
    longest = max((seconds for seconds in ended if seconds is not None), default=0)
    report.figure(
        f"{sum(seconds is not None for seconds in ended)} of {len(cases)} slow bodies ended, within {longest:.0f} s"
    )


async def slow_body(server, path, drip):
    """The seconds until it is answered or ended; None where it is not, after 45 s."""
    head = request("POST", path, b"").replace(b"content-length: 0", b"content-length: 1000")
    began = time.monotonic()
    connection = await server.connect(caller(7))
    try:
        connection.writer.write(head)
        answer = asyncio.create_task(connection.reader.read(1))
        while time.monotonic() < began + 45:
            done, _ = await asyncio.wait([answer], timeout=0.5)
            if done:
                return time.monotonic() - began
            if drip:
                connection.writer.write(b" ")
        return None
    except OSError:
        return time.monotonic() - began
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)
        connection.hang_up()


# ------------------------------------------------------------------------------ WebSockets


async def silent_sockets(server, report):
    """WebSockets that never say connection_init."""
    sockets = []
    for _ in range(600):
        plain = await plain_socket(server.port, caller(8))
        await send(plain, upgrade())
        sockets.append(plain)
    ended = await asyncio.gather(*(closed_within(plain, 40) for plain in sockets))
    left = sum(seconds is None for seconds in ended)
    longest = max((seconds for seconds in ended if seconds is not None), default=0)
    report.figure(f"{len(sockets)} WebSockets without hello: {left} left, the last closed after {longest:.0f} s")
    report.promise(left == 0, f"{left} WebSockets without hello are open after 40 s")
    for plain in sockets:
        plain.close()


# ------------------------------------------------------------------------------ tokens


async def wrong_tokens(server, report, agent):
    """Guessing tokens is limited by address, and reading a feed over and over by its token."""
    query = "mutation ($id: ID!) { createCalendarFeed(agentId: $id) { url } }"
    feed = (await server.admin(query, {"id": agent}))["createCalendarFeed"]["url"]
    feed = "/" + feed.split("/", 3)[3]
    guesses = {
        "feeds": ("GET", lambda n: f"/feeds/wrong{n}.ics", caller(20)),
        "OAuth": ("GET", lambda n: f"/oauth/start/wrong{n}", caller(21)),
        "pushes": ("POST", lambda n: f"/calendar-pushes/{n:08x}-0000-4000-8000-000000000000", caller(22)),
    }
    for name, (method, path, source) in guesses.items():
        statuses = []
        # What is under way when the limit is reached goes on, so all at once would be answered.
        for first in range(0, GUESSES, 40):
            guesses_now = (guess(server, method, path(n), source) for n in range(first, first + 40))
            statuses += await asyncio.gather(*guesses_now)
        refused = statuses.count(429)
        report.figure(f"{name}: {refused} of {GUESSES} guesses refused")
        report.promise(refused >= 200, f"{name}: {refused} of {GUESSES} wrong tokens were refused")
    status = await guess(server, "GET", feed, caller(24))
    report.promise(status == 200, f"a right feed elsewhere is answered with {status}")
    statuses = await asyncio.gather(*(guess(server, "GET", feed, caller(30 + n % 10)) for n in range(400)))
    report.figure(f"one feed: {statuses.count(429)} of 400 requests refused")
    report.promise(statuses.count(429) >= 200, f"one feed was read {statuses.count(200)} times of 400")


async def guess(server, method, path, source):
    body = b"{}" if method == "POST" else None
    return (await server.fetch(method, path, body, source=source)).status
