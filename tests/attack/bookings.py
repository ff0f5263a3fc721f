"""Strangers who try to book every slot of ten agents.

Without a key at most 60 meetings an hour come about in all, 5 from one address, and 2 times of an agent
are held for confirmation by e-mail. A real visitor gets through all the same.
"""

import asyncio
import datetime
import json
import time

from arena import caller

DATABASES = ("sqlite", "postgres")
SECONDS = 120

AGENTS = 10
VISITORS = 32
"""Strangers at once, each at an address of its own."""

AT_ONCE = 50
"""Bookings that a stranger puts into one request, as long as that is allowed."""

MOST_AN_ADDRESS = 5
MOST_IN_ALL = 60
MOST_HELD = 2 * AGENTS


async def attack(arena, report):
    server = await arena.start()
    day = {"start": "08:00", "end": "16:00", "durationMinutes": 30, "horizonDays": 20, "minimumNoticeMinutes": 0}
    agents = [await server.agent(number, **day) for number in range(AGENTS)]
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    dates = tomorrow, tomorrow + datetime.timedelta(days=9)

    async def free():
        return [(start, agent) for agent in agents for start in await server.free_starts(*dates, agent)]

    slots = await free()
    seconds = 10 if arena.quick else 25

    async def taken():
        """How many meetings are booked, and how many more times are not free any more."""
        booked = (await server.admin("{ bookings(first: 1) { totalCount } }"))["bookings"]["totalCount"]
        return booked, len(slots) - len(await free()) - booked

    await stranger(server, slots[:25], 0, time.monotonic() + seconds, at_once=1)
    booked, held = await taken()
    report.figure(f"one address booked {booked} of 25, and {held} times are held")
    report.promise(booked <= MOST_AN_ADDRESS, f"one address booked {booked} meetings")

    began = time.monotonic()
    parts = [slots[number::VISITORS] for number in range(VISITORS)]
    strangers = [stranger(server, part, 1 + n, began + seconds) for n, part in enumerate(parts)]
    requests = sum(await asyncio.gather(*strangers))
    took = time.monotonic() - began
    booked, held = await taken()
    mails = len(await server.settled_mails(within=60))
    report.figure(
        f"{VISITORS} addresses then took {booked + held} of {len(slots)} slots in {took:.0f} s by {requests} requests: "
        f"{booked} booked, {held} held, {mails} mails"
    )
    report.promise(booked <= MOST_IN_ALL, f"{booked} meetings were booked, above {MOST_IN_ALL}")
    report.promise(held <= MOST_HELD, f"{held} times are held, above {MOST_HELD}")

    remaining = await free()
    if remaining:
        kind, answer = await book(server, remaining[-1:], caller(999), "real.visitor")
        report.figure(f"a real visitor then gets {kind[0] if kind else answer.status}")
        welcome = ("MeetingBooked", "EmailConfirmationRequired", "ProofRequired")
        report.promise(kind and kind[0] in welcome, f"a real visitor was answered {answer.status} {answer.body[:300]}")
    else:
        report.promise(False, "nothing is left for a real visitor")


async def stranger(server, wanted, number, deadline, at_once=AT_ONCE):
    """Books these slots, as many in one request as are allowed, until it is late. Returns how many
    requests it took."""
    wanted, requests = list(wanted), 0
    while wanted and time.monotonic() < deadline:
        kinds, answer = await book(server, wanted[:at_once], caller(number), f"v{number}.{len(wanted)}")
        requests += 1
        if "LIMIT_EXCEEDED" in answer.codes() and at_once > 1:
            at_once = max(1, at_once // 2)
        elif not kinds and "RATE_LIMITED" in answer.codes():
            wait = float(answer.headers.get("retry-after", 1))
            await asyncio.sleep(max(0, min(wait, deadline - time.monotonic())))
        else:
            wanted = wanted[at_once:]
    return requests


async def book(server, wanted, source, name):
    """Asks for these slots in one request, each for another mailbox. Returns the kinds of the results."""
    variables, fields, declared = {}, [], []
    for n, (start, agent) in enumerate(wanted):
        variables[f"i{n}"] = {
            "startsAt": start,
            "timeZone": "Europe/Paris",
            "person": {"email": f"{name}.{n}@visitors{n}.example", "firstName": "Ada"},
            "route": {"agentId": agent},
        }
        declared.append(f"$i{n}: BookMeetingInput!")
        fields.append(f"b{n}: bookMeeting(input: $i{n}) {{ __typename }}")
    query = f"mutation ({', '.join(declared)}) {{ {' '.join(fields)} }}"
    answer = await server.graphql(query, variables, source=source, within=60)
    try:
        data = json.loads(answer.body).get("data") or {}
    except (ValueError, AttributeError):
        data = {}
    return [result["__typename"] for result in data.values() if result], answer
