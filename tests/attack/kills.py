"""A server that is killed in the middle of bookings, and started again.

Every booking that was acknowledged is there, no two meetings of one agent overlap, and the mail of each
was sent, once.
"""

import asyncio
import collections
import datetime
import email
import email.policy
import itertools

from arena import caller

DATABASES = ("sqlite", "postgres")
SECONDS = 150

CLIENTS = 8
AGENTS = 6

BOOK = """mutation ($input: BookMeetingInput!) { bookMeeting(input: $input) {
    __typename ... on MeetingBooked { booking { id } } } }"""

LIST = """query ($after: String) { bookings(first: 100, after: $after) {
    nodes { id startsAt endsAt status person { email } agent { id } confirmation { status } }
    pageInfo { hasNextPage endCursor } } }"""


async def attack(arena, report):
    settings = {"DELIVERY__LEASE_SECONDS": 3, "DELIVERY__POLL_MILLISECONDS": 200}
    server = await arena.start(settings)
    agents = [await server.agent(number, durationMinutes=30, horizonDays=60) for number in range(AGENTS)]
    first = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    world = World(server, agents, first + datetime.timedelta(days=2), arena.random)
    kills = 5 if arena.quick else 15
    for _ in range(kills):
        clients = [asyncio.create_task(world.book_for_ever()) for _ in range(CLIENTS)]
        await asyncio.sleep(arena.random.uniform(0.1, 1.2))
        server.kill()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await server.run()

    bookings = await all_bookings(server)
    there = {booking["id"] for booking in bookings}
    lost = [booking for booking in world.acknowledged if booking not in there]
    report.promise(not lost, f"{len(lost)} acknowledged bookings are lost")
    report.promise(world.acknowledged, "nothing was booked at all")
    overlaps = overlapping(bookings)
    report.promise(not overlaps, f"{overlaps} meetings overlap")

    bookings = await delivered(server, bookings)
    mails = collections.Counter()
    for path in server.mails():
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        mails[str(mail["To"]).rpartition("<")[2].rstrip(">")] += 1
    wrong = [booking for booking in bookings if mails[booking["person"]["email"]] != 1]
    report.promise(not wrong, f"{len(wrong)} visitors did not get exactly one mail")
    report.figure(
        f"{kills} kills during {world.asked} bookings by {CLIENTS} clients: {len(world.acknowledged)} acknowledged, "
        f"{len(lost)} lost, {len(bookings)} kept, {overlaps} overlaps, {len(wrong)} not mailed exactly once"
    )


class World:
    """What the clients want and were told."""

    def __init__(self, server, agents, start, random):
        self.server, self.agents, self.start, self.random = server, agents, start, random
        self.asked, self.acknowledged = 0, []

    async def book_for_ever(self):
        """Books times that others want too, half of them on no slot's start."""
        while True:
            self.asked += 1
            start = self.start + datetime.timedelta(minutes=15 * self.random.randrange(30 * 96))
            wanted = {
                "startsAt": start.isoformat(),
                "timeZone": "Europe/Paris",
                "person": {"email": f"visitor{self.asked}@example.com", "firstName": "Ada"},
                "route": {"agentId": self.random.choice(self.agents)},
            }
            try:
                answer = await self.server.graphql(BOOK, {"input": wanted}, key=self.server.key, source=caller(1))
                booked = (answer.json().get("data") or {}).get("bookMeeting") or {}
            except (OSError, EOFError, ValueError):
                await asyncio.sleep(0.01)
                continue
            if booked.get("__typename") == "MeetingBooked":
                self.acknowledged.append(booked["booking"]["id"])
            elif answer.status == 429:
                await asyncio.sleep(0.2)


async def all_bookings(server):
    bookings, after = [], None
    while True:
        page = (await server.admin(LIST, {"after": after}))["bookings"]
        bookings += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return bookings
        after = page["pageInfo"]["endCursor"]


async def delivered(server, bookings):
    """The bookings once all their confirmations are delivered, or after 45 s."""
    for _ in range(45):
        if all(booking["confirmation"]["status"] == "DELIVERED" for booking in bookings):
            break
        await asyncio.sleep(1)
        bookings = await all_bookings(server)
    return bookings


def overlapping(bookings):
    """How many meetings begin before the last one of their agent is over."""
    count = 0
    by_agent = collections.defaultdict(list)
    for booking in bookings:
        if booking["status"] == "CONFIRMED":
            by_agent[booking["agent"]["id"]].append((booking["startsAt"], booking["endsAt"]))
    for times in by_agent.values():
        times.sort()
        count += sum(following[0] < earlier[1] for earlier, following in itertools.pairwise(times))
    return count
