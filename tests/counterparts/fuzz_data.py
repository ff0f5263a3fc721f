"""Gives the fuzzer something to find: agents that can be booked, and bookings.

Usage: FRONTDESK_API_KEY=… fuzz_data.py URL DIRECTORY

Writes into DIRECTORY what makes the fuzzer use it: schemathesis.toml, with the IDs and tokens for the
arguments that take them, and starts.json, the starts of free slots, for schemathesis_hooks.py.
"""

import datetime
import json
import os
import pathlib
import sys
import urllib.request

AGENTS = 4
BOOKINGS_EACH = 3
DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]

ARGUMENTS = {
    "agents": ["*.*.agentId", "*.*.input.agentId", "*.*.input.route.agentId", "*.*.filter.agentId"],
    "ids": ["*.*.id", "*.*.input.booking.id"],
    "tokens": ["*.*.manageToken", "*.*.input.booking.manageToken"],
    "providers": ["*.*.input.providerId"],
}
"""Which arguments take which values; `*.*` is any field of any type."""

PROBABILITY = 0.8
"""How often such an argument gets a real value; else any text."""


def main(url, directory):
    values = {"agents": [], "ids": [], "tokens": [], "providers": ["builtin"]}
    starts = []
    for number in range(AGENTS):
        agent = create_agent(url, number)
        values["agents"].append(agent)
        values["ids"].append(agent)
        free = free_starts(url, agent)
        for start in free[:BOOKINGS_EACH]:
            booked = book(url, agent, start)
            values["ids"].append(booked["booking"]["id"])
            values["tokens"].append(booked["manageToken"])
        starts += free[BOOKINGS_EACH : BOOKINGS_EACH + 20]
    directory = pathlib.Path(directory)
    (directory / "schemathesis.toml").write_text(config(values))
    (directory / "starts.json").write_text(json.dumps(sorted(set(starts))))


def create_agent(url, number):
    """An agent with the built-in calendar who takes meetings all day."""
    details = {"name": f"Agent {number}", "email": f"agent{number}@example.com"}
    agent = ask(url, "createAgent(input: $input) { id }", "CreateAgentInput", details)["id"]
    calendar = {"agentId": agent, "providerId": "builtin", "credentials": []}
    ask(url, "connectCalendar(input: $input) { id }", "ConnectCalendarInput", calendar)
    availability = {
        "agentId": agent,
        "timeZone": "Europe/Paris",
        "blocks": [{"dayOfWeek": day, "start": "00:00", "end": "24:00"} for day in DAYS],
    }
    ask(url, "setMeetingAvailability(input: $input) { id }", "SetMeetingAvailabilityInput", availability)
    return agent


def free_starts(url, agent):
    today = datetime.datetime.now(datetime.UTC).date()
    window = {
        "from": str(today + datetime.timedelta(days=1)),
        "to": str(today + datetime.timedelta(days=7)),
        "timeZone": "UTC",
        "route": {"agentId": agent},
    }
    calendar = ask(url, "slots(input: $input) { days { slots { startsAt } } }", "SlotsInput", window, "query")
    return [slot["startsAt"] for day in calendar["days"] for slot in day["slots"]]


def book(url, agent, start):
    wanted = {
        "startsAt": start,
        "timeZone": "America/New_York",
        "person": {"email": "visitor@example.com", "firstName": "Ada"},
        "route": {"agentId": agent},
    }
    field = "bookMeeting(input: $input) { ... on MeetingBooked { manageToken booking { id } } }"
    return ask(url, field, "BookMeetingInput", wanted)


def ask(url, field, input_type, value, operation="mutation"):
    """Sends an operation of one field with one input, and returns the field's value."""
    query = f"{operation} ($input: {input_type}!) {{ result: {field} }}"
    headers = {"content-type": "application/json", "authorization": f"Bearer {os.environ['FRONTDESK_API_KEY']}"}
    body = json.dumps({"query": query, "variables": {"input": value}}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        result = json.load(answer)
    if "errors" in result:
        raise SystemExit(f"{query} with {value} was answered with {result}")
    return result["data"]["result"]


def config(values):
    lines = []
    for name, entries in values.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(entries)}"]
    lines.append("[parameters]")
    for name, paths in ARGUMENTS.items():
        for path in paths:
            lines.append(f'"{path}" = {{ dictionary = "{name}", probability = {PROBABILITY} }}')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
