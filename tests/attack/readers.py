"""Callers who ask for much and never read the answers.

What the server buffers for one connection, and for all of them, is bounded; whoever reads nothing for
30 s while bytes wait is disconnected.
"""

import asyncio
import contextlib
import json
import time

from arena import caller
from client import http2_post, http2_preface, plain_socket, request, send, text_frame, upgrade
from hostile import most_expensive, slots_document

DATABASES = ("sqlite",)
SECONDS = 300

CONNECTIONS = 48
"""Connections of each kind."""

REQUESTS = 12
"""Requests that each of them sends without reading."""

MOST_MIB = 768
"""What the server may grow by, whatever its callers leave unread: 512 MiB of buffers, and room to work."""

CLOSED_WITHIN = 50
"""Seconds until nobody is connected any more: the server's 30, computing, and a busy machine."""


async def attack(arena, report):
    server = await arena.start()
    for number in range(4):
        await server.agent(number, durationMinutes=15, horizonDays=90)
    body, words = await longest(server)
    report.figure(f"each answer has {words}")
    kinds = {"HTTP/1.1": http1, "HTTP/2": http2, "WebSocket": websocket}
    for name, kind in kinds.items():
        idle = server.memory_mib()
        watch = asyncio.create_task(watch_memory(arena, server))
        callers = [asyncio.create_task(kind(server, body, number)) for number in range(CONNECTIONS)]
        sockets = [socket for socket in await asyncio.gather(*callers) if socket]
        began = time.monotonic()
        await asyncio.sleep(8 if arena.quick else 20)
        left = server.callers()
        while left and time.monotonic() < began + CLOSED_WITHIN and not server.killed:
            await asyncio.sleep(0.5)
            left = server.callers()
        took = time.monotonic() - began
        watch.cancel()
        peak = await watch
        for socket in sockets:
            socket.close()
        ended = "the server was killed" if server.killed else f"{left} of {CONNECTIONS} open after {took:.0f} s"
        report.figure(f"{name}: {idle:.0f} to {peak:.0f} MiB, {ended}")
        report.promise(peak - idle < MOST_MIB, f"{name}: grew from {idle:.0f} to {peak:.0f} MiB")
        report.promise(not server.killed, f"{name}: stopped above {arena.memory_mib} MiB")
        if server.killed:
            await server.run()
        else:
            report.promise(left == 0, f"{name}: {left} unread connections were not closed")
        await server.check_answers(report, f"after {name}", count=8)
    await asyncio.sleep(5)
    report.figure(f"{server.memory_mib():.0f} MiB in the end")


async def longest(server):
    """The body whose answer is longest of those that are allowed, and the answer's length in words."""
    body, _, answer = await most_expensive(server, batches=(1,))
    best = body, len(answer.body)
    for number, aliases in enumerate((30, 20, 15, 10, 8, 6, 4, 3, 2, 1)):
        body = json.dumps(slots_document(aliases)).encode()
        answer = await server.fetch("POST", "/graphql", body, source=caller(11_000 + number), within=60)
        if answer.status == 200 and not answer.codes() and len(answer.body) > best[1]:
            best = body, len(answer.body)
    return best[0], f"{best[1] / 2**20:.1f} MiB"


async def watch_memory(arena, server):
    """The most that the server held until this is cancelled. It is killed when it holds far too much."""
    peak = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            peak = max(peak, server.memory_mib())
            if peak > arena.memory_mib and not server.killed:
                server.kill()
            await asyncio.sleep(0.1)
    return peak


async def http1(server, body, number):
    """Sends one request after the other on one connection, reading nothing."""
    with contextlib.suppress(OSError):
        plain = await plain_socket(server.port, caller(20_000 + number), receive=4096)
        await send(plain, request("POST", "/graphql", body) * REQUESTS, within=10)
        return plain


async def http2(server, body, number):
    """Opens as many streams as there are requests, none of which may send a byte."""
    with contextlib.suppress(OSError):
        plain = await plain_socket(server.port, caller(21_000 + number), receive=4096)
        streams = b"".join(http2_post(2 * n + 1, body) for n in range(REQUESTS))
        await send(plain, http2_preface(0) + streams, within=10)
        return plain


async def websocket(server, body, number):
    """Starts as many operations as there are requests, and reads not even the pings."""
    with contextlib.suppress(OSError):
        plain = await plain_socket(server.port, caller(22_000 + number), receive=4096)
        query = json.loads(body)
        messages = [text_frame({"type": "connection_init"})]
        messages += [text_frame({"type": "subscribe", "id": str(n), "payload": query}) for n in range(REQUESTS)]
        await send(plain, upgrade() + b"".join(messages), within=10)
        return plain
