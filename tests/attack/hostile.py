"""The most that a visitor is allowed to ask for in one request, and how a caller measures the rest."""

import asyncio
import datetime
import json
import pathlib
import sys

from arena import caller

ALIASES = (50, 20, 10, 5, 2, 1)
"""How many aliases are tried, from the most that a document may have."""


def slots_document(aliases, days=62, agent=None):
    """As many aliases of `slots`, for everybody's times or one agent's."""
    first = datetime.datetime.now(datetime.UTC).date()
    last = first + datetime.timedelta(days=days - 1)
    route = f', route: {{ agentId: "{agent}" }}' if agent else ""
    window = f'slots(input: {{ from: "{first}", to: "{last}", timeZone: "Europe/Paris"{route} }})'
    fields = " ".join(f"a{n}: {window} {{ days {{ date slots {{ startsAt endsAt }} }} }}" for n in range(aliases))
    return {"query": f"{{ {fields} }}"}


async def most_expensive(server, batches=(10, 1), aliases=ALIASES):
    """The body that asks for most and is answered, with what it asks for in words and its answer.

    Each try comes from another address, since one that was answered may have used up what an address
    may ask for.
    """
    number = 10_000
    for batch in batches:
        for count in aliases:
            number += 1
            document = slots_document(count)
            body = json.dumps([document] * batch if batch > 1 else document).encode()
            answer = await server.fetch("POST", "/graphql", body, source=caller(number), within=60)
            if answer.status == 200 and not answer.codes() and b'"slots"' in answer.body:
                words = f"{count} × slots over 62 days" + (f" in each of {batch} operations" if batch > 1 else "")
                return body, words, answer
    raise RuntimeError(f"not even one alias of slots is answered: {answer.status} {answer.body[:300]}")


async def latencies(server, what, source, seconds, rate=10):
    """Starts a process of its own that asks at a steady rate. Awaiting it returns the seconds each took,
    counted from when the request was due, so that one that waits for another counts too."""
    return await run([], "latency.py", server.port, source, seconds, rate, standard_input=what)


async def storm(server, body, connections, seconds):
    """Starts a process of its own that posts the body on many connections, each from another address,
    for some seconds. It gives way to the server and to whoever measures, as if it were on another machine."""
    nice = ["nice", "-n", "10"]
    return await run(nice, "storm.py", server.port, connections, seconds, standard_input=body)


async def run(before, script, *arguments, standard_input):
    command = [*before, sys.executable, "-B", pathlib.Path(__file__).parent / script, *map(str, arguments)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        output, _ = await process.communicate(standard_input)
    finally:
        if process.returncode is None:
            process.kill()
    return json.loads(output)
