"""Callers who hang up while their request is under way.

A request that is dropped at any await leaves nothing behind: afterwards the whole pool of database
connections can be used, and the server is ready.
"""

import asyncio
import contextlib
import datetime
import json
import socket
import struct

from arena import caller
from client import plain_socket, request, send, text_frame, upgrade
from hostile import slots_document

DATABASES = ("sqlite", "postgres")
SECONDS = 120

AT_ONCE = 32
"""Connections of the random drops that are open at a time."""

BOOK = """mutation ($input: BookMeetingInput!) { bookMeeting(input: $input) {
    ... on MeetingBooked { booking { id agent { id name calendar { status } } } } } }"""


async def attack(arena, report):
    server = await arena.start()
    agents = [await server.agent(number, horizonDays=20) for number in range(8)]
    today = datetime.datetime.now(datetime.UTC).date()
    starts = await server.free_starts(today + datetime.timedelta(days=1), today + datetime.timedelta(days=12))
    wanted = [(start, agent) for start in starts for agent in agents]
    arena.random.shuffle(wanted)

    callers = 0
    for count in (24, 96) if arena.quick else (24, 96, 192):
        drops = []
        for number in range(count):
            body = booking(*wanted.pop(), callers)
            drops.append(drop(server, request("POST", "/graphql", body), 0.04 * number / count, callers))
            callers += 1
        await asyncio.gather(*drops)
        answered, ready = await server.check_answers(report, f"after {count} hang-ups")
        report.figure(f"after {count} hang-ups {answered} of 20 requests are answered, /readyz {ready}")
        if ready != 200:
            return

    count = 300 if arena.quick else 1000
    turn = asyncio.Semaphore(AT_ONCE)

    async def random_drop(number):
        async with turn:
            data = operation(arena, server, wanted, number)
            await drop(server, data, arena.random.expovariate(1 / 0.02), callers + number)

    await asyncio.gather(*(random_drop(number) for number in range(count)))
    answered, ready = await server.check_answers(report, f"after {count} random drops")
    report.figure(f"after {count} random drops {answered} of 20, /readyz {ready}")


async def drop(server, data, after, number):
    """Sends and hangs up. The reset that follows closes the connection under the request."""
    with contextlib.suppress(OSError):
        plain = await plain_socket(server.port, caller(number))
        try:
            await send(plain, data, within=5)
            await asyncio.sleep(after)
        finally:
            # Lingering for no time is a reset.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            plain.close()


def booking(start, agent, number):
    wanted = {
        "startsAt": start,
        "timeZone": "Europe/Paris",
        "person": {"email": f"visitor{number}@example.com", "firstName": "Ada"},
        "route": {"agentId": agent},
    }
    return json.dumps({"query": BOOK, "variables": {"input": wanted}}).encode()


def operation(arena, server, wanted, number):
    """The bytes of one operation of any kind."""
    key = {"authorization": f"Bearer {server.key}"}

    def graphql(query, **headers):
        return request("POST", "/graphql", json.dumps({"query": query}).encode(), headers)

    loaders = """{ bookings(first: 20) { nodes { id agent { id calendar { status } dateOverrides { date } } } }
        agents(first: 20) { nodes { id bookings(first: 5) { nodes { id agent { name } } } } } }"""
    watching = "subscription { bookingChanged { __typename } }"
    kinds = [
        lambda: request("POST", "/graphql", booking(*wanted.pop(), number)),
        lambda: request("POST", "/graphql", booking(*wanted.pop(), number), key),
        lambda: graphql(loaders, **key),
        lambda: request("POST", "/graphql", json.dumps(slots_document(1)).encode()),
        lambda: graphql('mutation { requestLiveChat(input: { message: "Hello" }) { __typename } }'),
        lambda: graphql(watching, accept="text/event-stream", **key),
        lambda: (
            upgrade()
            + text_frame({"type": "connection_init", "payload": {"authorization": f"Bearer {server.key}"}})
            + text_frame({"type": "subscribe", "id": "a", "payload": {"query": watching}})
            + text_frame({"type": "subscribe", "id": "b", "payload": {"query": loaders}})
        ),
        lambda: request(
            "POST",
            "/imports/accounts",
            b"name,domains\n"
            + b"".join(b"Acme %d %d,acme-%d-%d.example\n" % (number, n, number, n) for n in range(200)),
            {"content-type": "text/csv", **key},
        ),
        lambda: request("GET", f"/oauth/callback?state=state{number}&code=code"),
        lambda: request("GET", f"/oauth/start/token{number}"),
        lambda: request("GET", f"/feeds/token{number}.ics"),
    ]
    return arena.random.choice(kinds)()
