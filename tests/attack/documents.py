"""Many callers who send the most expensive documents that a visitor may send.

Another caller's `slots` for one agent stays below 250 ms at p99, and `/healthz` below 50 ms.
"""

import asyncio
import json
import statistics

from arena import caller, percentile
from hostile import latencies, most_expensive, slots_document, storm
from latency import WITHIN

DATABASES = ("sqlite", "postgres")
SECONDS = 180

CONNECTIONS = 32
SLOTS_WITHIN = 0.250
HEALTH_WITHIN = 0.050


async def attack(arena, report):
    server = await arena.start()
    number_of_agents = 20 if arena.quick else 50
    agents = [
        await server.agent(number, durationMinutes=15, horizonDays=90, bufferMinutes=5)
        for number in range(number_of_agents)
    ]
    body, words, answer = await most_expensive(server)
    report.figure(f"{number_of_agents} agents; the most that is allowed is {words}: {answer.seconds:.2f} s alone")
    seconds = 12 if arena.quick else 25

    async def measure(seconds):
        slots = {"method": "POST", "path": "/graphql", "body": json.dumps(slots_document(1, 7, agents[0]))}
        health = {"method": "GET", "path": "/healthz"}
        return await asyncio.gather(
            latencies(server, json.dumps(slots).encode(), caller(1), seconds),
            latencies(server, json.dumps(health).encode(), caller(2), seconds),
        )

    alone = await measure(5)
    attackers = asyncio.create_task(storm(server, body, CONNECTIONS, seconds + 4))
    await asyncio.sleep(2)
    attacked = await measure(seconds)
    counts = await attackers
    tell(report, "slots", SLOTS_WITHIN, alone[0], attacked[0])
    tell(report, "/healthz", HEALTH_WITHIN, alone[1], attacked[1])
    report.figure(f"{CONNECTIONS} connections had {counts['answered']} answers, {counts['refused']} refusals")
    await server.check_answers(report, "afterwards")


def tell(report, what, most, alone, attacked):
    # One that had no answer took longer than anybody waited.
    p99 = percentile(attacked["seconds"] + [WITHIN] * len(attacked["others"]), 0.99)
    typical = statistics.median(attacked["seconds"] or [WITHIN])
    before = percentile(alone["seconds"], 0.99)
    failed = f", {len(attacked['others'])} without an answer" if attacked["others"] else ""
    report.figure(
        f"{what}: p99 {1000 * p99:.0f} ms, median {1000 * typical:.0f} ms{failed} ({1000 * before:.0f} ms at p99 alone)"
    )
    report.promise(p99 < most, f"{what}: p99 is {1000 * p99:.0f} ms, above {1000 * most:.0f} ms")
    statuses = sorted(set(attacked["others"]))
    report.promise(not statuses, f"{what}: other callers were answered with {statuses}; 0 is not within {WITHIN} s")
