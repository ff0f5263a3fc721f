"""Random documents, random values, and bytes that are almost requests.

Nothing is answered with a 5xx or INTERNAL, and the server goes on.
"""

import asyncio
import collections
import contextlib
import json

from arena import caller
from client import request
from documents_at_random import Documents

DATABASES = ("sqlite", "postgres")
SECONDS = 150

AT_ONCE = 12


async def attack(arena, report):
    server = await arena.start()
    agents = [await server.agent(number, horizonDays=30) for number in range(2)]
    documents = Documents(await introspect(server), arena.random, agents)
    count = 1200 if arena.quick else 6000
    statuses = collections.Counter()
    bad = []
    work = iter(range(count))

    async def client():
        for number in work:
            kind = number % 4
            if kind == 3:
                status = await raw(arena, server, documents, number)
            else:
                status = await operation(arena, server, documents, number, bad, with_key=kind == 0)
            statuses[status] += 1

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    figures = ", ".join(f"{number} × {status or 'closed'}" for status, number in sorted(statuses.items(), key=str))
    report.figure(f"{count} requests: {figures}")
    wrong = sum(number for status, number in statuses.items() if status and status >= 500)
    report.promise(wrong == 0, f"{wrong} requests were answered with a 5xx")
    report.promise(not bad, f"{len(bad)} answers were INTERNAL or 5xx, such as {bad[:2]}")
    await server.check_answers(report, "after fuzzing", count=10)


async def introspect(server):
    reference = "kind name ofType { kind name ofType { kind name ofType { kind name } } }"
    query = f"""{{ __schema {{ queryType {{ name }} mutationType {{ name }} types {{
        kind name enumValues {{ name }} possibleTypes {{ name }}
        inputFields {{ name type {{ {reference} }} }}
        fields {{ name args {{ name type {{ {reference} }} }} type {{ {reference} }} }} }} }} }}"""
    return (await server.admin(query))["__schema"]


async def operation(arena, server, documents, number, bad, with_key):
    """A well-formed request, or one some bytes of which were changed."""
    body = json.dumps(documents.request()).encode()
    if arena.random.random() < 0.3:
        body = mutate(arena.random, body)
    headers = {"authorization": f"Bearer {server.key}"} if with_key else {}
    try:
        answer = await server.fetch("POST", "/graphql", body, headers, source=caller(number))
    except (OSError, EOFError, ValueError):
        return None
    if answer.status >= 500 or "INTERNAL" in answer.codes():
        bad.append(f"{body.decode(errors='replace')[:1500]} -> {answer.status} {answer.body[:300]}")
    return answer.status


async def raw(arena, server, documents, number):
    """A request whose bytes were changed anywhere, headers and all."""
    path = arena.random.choice(
        ["/graphql", "/feeds/x.ics", "/oauth/callback?state=x", "/manage", "/readyz", "/nowhere"]
    )
    method = arena.random.choice(["GET", "POST", "PUT", "OPTIONS", "HEAD"])
    body = json.dumps(documents.request()).encode() if method == "POST" else None
    data = mutate(arena.random, request(method, path, body))
    with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
        async with asyncio.timeout(1):
            connection = await server.connect(caller(number))
            try:
                connection.writer.write(data)
                return (await connection.answer()).status
            finally:
                connection.hang_up()
    return None


def mutate(random, data):
    """The bytes with a few of them changed, doubled, left out or replaced."""
    data = bytearray(data)
    for _ in range(random.randint(1, 6)):
        place = random.randrange(len(data) + 1)
        kind = random.randrange(5)
        if kind == 0:
            data[place : place + 1] = bytes([random.randrange(256)])
        elif kind == 1:
            data[place:place] = data[place : place + random.randint(1, 200)]
        elif kind == 2:
            del data[place : place + random.randint(1, 40)]
        elif kind == 3:
            data[place:place] = random.choice(
                [b"\0", b"\r\n", b"{" * 50, b"[" * 200, b'"', b"\xff\xfe", b"-1", b"1e999"]
            )
        else:
            data[place:place] = random.choice(
                [b"\xe2\x80\xae", b"transfer-encoding: chunked\r\n", b"...", b"\\u0000", b"#"]
            )
    return bytes(data)
