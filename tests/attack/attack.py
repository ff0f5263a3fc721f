"""Runs the attacks, each against servers of its own, and prints one line for each.

Usage: see `run`, which starts this.
"""

import argparse
import asyncio
import pathlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback

import bookings
import chats
import disks
import documents
import floods
import fuzzing
import hangups
import kills
import readers
from arena import Arena, Cluster, Report, Skipped

ATTACKS = {
    "hang-ups": hangups,
    "slow-readers": readers,
    "expensive-documents": documents,
    "booking-everyone-out": bookings,
    "live-chats": chats,
    "floods": floods,
    "full-disks": disks,
    "kills": kills,
    "fuzzing": fuzzing,
}
"""Each module has `DATABASES`, `SECONDS` (how long one run may take) and `attack(arena, report)`."""

OPEN_FILES = 16_384
"""Sockets that the attackers may hold, and a server of theirs."""


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    began = time.monotonic()
    work = pathlib.Path(tempfile.mkdtemp(prefix="frontdesk-attack."))
    work.chmod(0o711)  # PostgreSQL's user passes through it
    cluster = Cluster(work / "postgres")
    try:
        for name in arguments.names:
            for database in ATTACKS[name].DATABASES:
                if arguments.database in (database, "both"):
                    counts[run(arguments, name, database, work, cluster)] += 1
    finally:
        cluster.stop()
        shutil.rmtree(work, ignore_errors=True)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    took = time.monotonic() - began
    print(
        f"attack: {counts['passed']} passed, {counts['failed']} failed{skipped} in {took:.0f} s (seed {arguments.seed})"
    )
    sys.exit(1 if counts["failed"] else 0)


def run(arguments, name, database, work, cluster):
    """One attack on one database, with a line of its own. Returns what to count it as."""
    place = work / f"{name}-{database}"
    place.mkdir()
    report = Report()
    arena = Arena(
        binary=arguments.binary,
        work=place,
        database=database,
        cluster=cluster,
        quick=arguments.quick,
        memory_mib=arguments.memory_mib,
        random=random.Random(f"{arguments.seed} {name} {database}"),
    )
    began = time.monotonic()
    outcome = asyncio.run(outcome_of(ATTACKS[name], arena, report))
    took = time.monotonic() - began
    word = {"passed": "ok     ", "failed": "FAILED ", "skipped": "skipped"}[outcome]
    print(f"{word} {name} ({database}, {took:.0f} s): {'; '.join(report.figures)}", flush=True)
    for broken in report.broken:
        print(f"        broken: {broken}", flush=True)
    if outcome == "failed" and arguments.keep:
        kept = pathlib.Path(arguments.keep) / f"{name}-{database}"
        shutil.copytree(place, kept, dirs_exist_ok=True, ignore_dangling_symlinks=True)
        print(f"        logs: {kept}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    return outcome


async def outcome_of(module, arena, report):
    try:
        async with asyncio.timeout(module.SECONDS):
            await module.attack(arena, report)
    except Skipped as skipped:
        report.figure(str(skipped))
        return "skipped"
    except TimeoutError:
        report.broken.append(f"the attack was not over within {module.SECONDS} s")
    except Exception:
        report.broken.append(traceback.format_exc().strip().replace("\n", "\n          "))
    finally:
        for server in arena.servers:
            report.broken += server.faults()
            server.stop()
    return "failed" if report.broken else "passed"


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/attack/run", description="Attacks a release build on this machine.")
    parser.add_argument("binary", type=pathlib.Path, help="the frontdesk to attack")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(ATTACKS)}; all when left out")
    parser.add_argument("--quick", action="store_true", help="smaller attacks")
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is left to chance")
    parser.add_argument("--memory-mib", type=int, default=1536, help="a server above this is killed, and has failed")
    parser.add_argument("--keep", metavar="DIR", help="copy databases and logs of failed attacks here")
    arguments = parser.parse_intermixed_args()
    arguments.binary = arguments.binary.resolve()
    unknown = [name for name in arguments.names if name not in ATTACKS]
    if unknown:
        parser.error(f"unknown attacks: {', '.join(unknown)}")
    arguments.names = arguments.names or list(ATTACKS)
    return arguments


if __name__ == "__main__":
    main()
