"""Strangers who ask for live chats until no agent is free for anybody else.

Without a key one address holds three places without an e-mail address and ten in all, whatever e-mail
addresses it makes up, and one mailbox holds one; requests that nobody answers give their place back.
"""

import asyncio

from arena import DAYS, caller

DATABASES = ("sqlite", "postgres")
SECONDS = 90

AGENTS = 3
PLACES = 10
"""Chats at once of each agent, the default."""

MOST_AN_ADDRESS = 3
MOST_AN_ADDRESS_IN_ALL = 10
MOST_A_MAILBOX = 1

OFFER_SECONDS = 5


async def attack(arena, report):
    server = await arena.start({"LIVE_CHAT__OFFER_SECONDS": OFFER_SECONDS})
    for number in range(AGENTS):
        agent = await server.agent(number)
        blocks = [{"dayOfWeek": day, "start": "00:00", "end": "24:00"} for day in DAYS]
        await server.admin(
            "mutation ($input: SetLiveChatAvailabilityInput!) { setLiveChatAvailability(input: $input) { id } }",
            {"input": {"agentId": agent, "timeZone": "UTC", "blocks": blocks}},
        )
    await free_places(server, report)

    kinds = [await ask(server, caller(1)) for _ in range(60)]
    offered = kinds.count("LiveChatOffered")
    others = await free_places(server, report)
    report.figure(f"60 requests without an e-mail address held {offered} of {AGENTS * PLACES} places")
    report.promise(offered <= MOST_AN_ADDRESS, f"one address holds {offered} places")
    report.promise(others, "another visitor then found no place")

    kinds = [await ask(server, caller(2), f"made-up-{n}@visitors.example") for n in range(60)]
    offered = kinds.count("LiveChatOffered")
    others = await free_places(server, report)
    report.figure(f"60 requests with made-up e-mail addresses held {offered} of {AGENTS * PLACES} places")
    report.promise(offered <= MOST_AN_ADDRESS_IN_ALL, f"one address holds {offered} places in all")
    report.promise(others, "another visitor then found no place beside made-up e-mail addresses")

    spellings = ["ada@visitors.example", "ADA@visitors.example", "ada+1@visitors.example", "Ada+x@VISITORS.example"]
    kinds = [await ask(server, caller(10 + n), spelling) for n, spelling in enumerate(spellings)]
    offered = kinds.count("LiveChatOffered")
    report.figure(f"one mailbox from {len(spellings)} addresses held {offered}")
    report.promise(offered <= MOST_A_MAILBOX, f"one mailbox holds {offered} places")

    # Each offer goes to one agent after the other, and nobody answers any.
    await asyncio.sleep(OFFER_SECONDS * (AGENTS + 1))
    kind = await ask(server, caller(1))
    report.figure(f"once nobody answered, the first address gets {kind}")
    report.promise(kind == "LiveChatOffered", f"requests that nobody answered still hold their places: {kind}")


async def free_places(server, report):
    """Whether a visitor who was never here gets a chat; gives the place back."""
    kind, request = await ask_for(server, caller(900), "real@visitor.example")
    if kind != "LiveChatOffered":
        return False
    cancel = "mutation ($id: ID!) { cancelLiveChat(requestId: $id) { id } }"
    answer = await server.graphql(cancel, {"id": request}, source=caller(900))
    report.promise(answer.status == 200, f"cancelling a chat was answered with {answer.status}")
    return True


async def ask(server, source, email=None):
    return (await ask_for(server, source, email))[0]


async def ask_for(server, source, email=None):
    """What came of asking: the result's type, else the error's code; and the request's ID."""
    query = """mutation ($input: RequestLiveChatInput!) { chat: requestLiveChat(input: $input) {
        __typename ... on LiveChatOffered { request { id } } } }"""
    wanted = {"message": "Hello"} | ({"person": {"email": email}} if email else {})
    answer = await server.graphql(query, {"input": wanted}, source=source)
    chat = (answer.json().get("data") or {}).get("chat")
    if chat:
        return chat["__typename"], chat.get("request", {}).get("id")
    return next(iter(answer.codes()), answer.status), None
