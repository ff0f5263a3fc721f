"""Disks that are full: the one that mails are written to, and the one of the database.

A mail counts as delivered only once it is whole on the disk, and none is left half written. A database
that cannot grow refuses bookings and acknowledges none; with room again, all goes on.
"""

import asyncio
import contextlib
import datetime
import os
import subprocess

from arena import Skipped, caller
from kills import BOOK, all_bookings, delivered

DATABASES = ("sqlite",)
SECONDS = 150

BOOKINGS = 60


async def attack(arena, report):
    if os.geteuid() != 0:
        raise Skipped("needs root, to mount small file systems")
    await full_mail(arena, report)
    await full_database(arena, report)


async def full_mail(arena, report):
    with mounted(arena.work / "mail-disk", "160k") as disk:
        settings = {
            "MAIL_URL": f"file:{disk}/mail",
            "DELIVERY__FIRST_RETRY_SECONDS": 1,
            "DELIVERY__LONGEST_RETRY_MINUTES": 1,
        }
        server = await arena.start(settings, name="mail")
        server.mail = disk / "mail"
        await book_some(server, BOOKINGS)
        await server.settled_mails()
        await asyncio.sleep(2)
        bookings = await all_bookings(server)
        told = sum(booking["confirmation"]["status"] == "DELIVERED" for booking in bookings)
        empty = sum(path.stat().st_size == 0 for path in server.mails())
        broken = sum(not whole(path) for path in server.mails())
        report.figure(
            f"full mail disk: {len(server.mails())} files, {empty} empty, {broken} broken, {told} marked delivered"
        )
        report.promise(broken == 0, f"{broken} mails on the full disk are empty or cut off")
        whole_mails = len(server.mails()) - broken
        report.promise(
            told <= whole_mails, f"{told} confirmations are marked delivered, and {whole_mails} mails are whole"
        )

        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        bookings = await delivered(server, bookings)
        told = sum(booking["confirmation"]["status"] == "DELIVERED" for booking in bookings)
        mails = await server.settled_mails()
        broken = sum(not whole(path) for path in mails)
        leftovers = [path.name for path in server.mail.iterdir() if path.suffix != ".eml"]
        report.figure(
            f"with room again: {told} of {len(bookings)} delivered, {broken} broken, {len(leftovers)} leftovers"
        )
        report.promise(
            told == len(bookings), f"{len(bookings) - told} confirmations were not delivered with room again"
        )
        report.promise(broken == 0, f"{broken} mails are empty or cut off with room again")
        report.promise(not leftovers, f"left on the disk: {leftovers[:5]}")
        # Of each booking one to the visitor and one to the agent.
        report.promise(len(mails) >= 2 * len(bookings), f"{len(mails)} mails are there of {2 * len(bookings)}")
        server.stop()


async def full_database(arena, report):
    with mounted(arena.work / "database-disk", "3m") as disk:
        server = await arena.start(directory=disk, name="database")
        acknowledged, refused = await book_some(server, 600, until_refused=20)
        health = await server.status("/healthz")
        report.figure(f"full database disk: {len(acknowledged)} booked, then {refused} refused, /healthz {health}")
        report.promise(refused, "the disk never became full")
        report.promise(health == 200, f"/healthz says {health} on a full database disk")

        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        more, refused = await book_some(server, 5, number=10)
        report.promise(len(more) == 5, f"{refused} of 5 bookings were refused with room again")
        server.kill()
        await server.run()
        there = {booking["id"] for booking in await all_bookings(server)}
        lost = [booking for booking in acknowledged + more if booking not in there]
        ready = await server.status("/readyz")
        report.figure(f"with room again {len(more)} of 5 booked, {len(lost)} lost after a kill, /readyz {ready}")
        report.promise(not lost, f"{len(lost)} acknowledged bookings are lost")
        report.promise(ready == 200, f"/readyz says {ready} with room again")
        server.stop()


@contextlib.contextmanager
def mounted(directory, size):
    """A file system of this size."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "attack", directory]
    mount = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if mount.returncode:
        raise Skipped(f"cannot mount a file system here: {mount.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=False)


async def book_some(server, count, number=0, until_refused=None):
    """Books so many slots of a new agent. Returns the IDs of those acknowledged, and how many were refused."""
    agent = None
    with contextlib.suppress(RuntimeError):
        agent = await server.agent(number, durationMinutes=30, horizonDays=60)
    if agent is None:
        return [], count
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    starts = await server.free_starts(tomorrow, tomorrow + datetime.timedelta(days=30), agent)
    acknowledged, refused = [], 0
    for n, start in enumerate(starts[:count]):
        wanted = {
            "startsAt": start,
            "timeZone": "Europe/Paris",
            "person": {"email": f"visitor{number}.{n}@example.com", "firstName": "Ada"},
            "notes": "x" * 4000,
            "route": {"agentId": agent},
        }
        answer = await server.graphql(BOOK, {"input": wanted}, key=server.key, source=caller(1))
        booked = (answer.json().get("data") or {}).get("bookMeeting") or {}
        if booked.get("__typename") == "MeetingBooked":
            acknowledged.append(booked["booking"]["id"])
        else:
            refused += 1
            if until_refused and refused >= until_refused:
                break
    return acknowledged, refused


def whole(path):
    """Whether a mail is there to its end: a multipart message closes its outermost boundary."""
    raw = path.read_bytes().rstrip()
    return bool(raw) and (b"multipart/" not in raw.split(b"\r\n\r\n", 1)[0] or raw.endswith(b"--"))
