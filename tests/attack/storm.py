"""Posts one body to the GraphQL endpoint on many connections at once.

Usage: storm.py PORT CONNECTIONS SECONDS, with the body on the standard input.

Each connection has an address of its own and asks again as soon as there is an answer, or a moment
after a refusal. Prints a JSON object: how many requests were `answered` and how many `refused`.
"""

import asyncio
import json
import sys

from arena import caller
from client import Connection

PAUSE = 0.2
"""Seconds after a refusal."""


async def main(port, connections, seconds):
    body = sys.stdin.buffer.read()
    counts = {"answered": 0, "refused": 0}
    tasks = [asyncio.create_task(ask_for_ever(port, body, number, counts)) for number in range(connections)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    print(json.dumps(counts))


async def ask_for_ever(port, body, number, counts):
    connection = None
    while True:
        try:
            connection = connection or await Connection.open(port, caller(100 + number))
            answer = await connection.ask("POST", "/graphql", body)
        except (OSError, EOFError, ValueError):
            connection = None
            await asyncio.sleep(PAUSE)
            continue
        if answer.status == 200 and not answer.codes():
            counts["answered"] += 1
        else:
            counts["refused"] += 1
            await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
