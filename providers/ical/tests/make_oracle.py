"""Makes oracle.json: what another implementation, python-dateutil, makes of random rules.

    pip install python-dateutil==2.9.0.post0
    python providers/ical/tests/make_oracle.py > providers/ical/tests/oracle.json

Rules are worked out on the wall clock, without a zone. Where dateutil differs from RFC 5545 the
rule is put so that it does not: DTSTART is always the first occurrence; a week's set begins with
its first day also in DTSTART's week; BYWEEKNO stands with BYDAY, as all days of the week are
taken otherwise.
"""

import datetime
import itertools
import json
import random
import signal

from dateutil.rrule import rrulestr

DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
RULES = 600
MOST = 120


def some(chance, pool, most):
    if random.random() < chance:
        return sorted(random.sample(pool, random.randint(1, min(most, len(pool)))))
    return []


def signed(most):
    return [n for n in range(-most, most + 1) if n]


def random_rule():
    freq = random.choice(
        ["YEARLY"] * 4 + ["MONTHLY"] * 4 + ["WEEKLY"] * 3 + ["DAILY"] * 2 + ["HOURLY", "MINUTELY", "SECONDLY"]
    )
    parts = {"FREQ": [freq]}
    subdaily = freq in ("HOURLY", "MINUTELY", "SECONDLY")
    if random.random() < 0.5:
        parts["INTERVAL"] = [random.choice([1, 2, 3, 4, 5, 7, 11, 26, 90]) * (37 if subdaily else 1)]
    parts["BYMONTH"] = some(0.35, range(1, 13), 4)
    if freq != "WEEKLY":
        parts["BYMONTHDAY"] = some(0.3, signed(31), 4)
    if freq in ("YEARLY", "HOURLY", "MINUTELY", "SECONDLY"):
        parts["BYYEARDAY"] = some(0.15, signed(366), 20)
    if freq == "YEARLY":
        parts["BYWEEKNO"] = some(0.2, signed(53), 6)
    ordinals = freq in ("MONTHLY", "YEARLY") and not parts.get("BYWEEKNO")
    days = some(0.45, DAYS, 4)
    if ordinals and random.random() < 0.6:
        limit = 5 if freq == "MONTHLY" or parts["BYMONTH"] else 53
        days = [f"{random.choice(signed(limit))}{day}" for day in days]
    parts["BYDAY"] = days
    if parts.get("BYWEEKNO") and not parts["BYDAY"]:
        parts["BYDAY"] = random.sample(DAYS, 2)
    parts["BYHOUR"] = some(0.25, range(24), 3)
    parts["BYMINUTE"] = some(0.25, range(60), 3)
    parts["BYSECOND"] = some(0.1 if not subdaily else 0.3, range(60), 3)
    if random.random() < 0.4:
        parts["WKST"] = [random.choice(DAYS)]
    expands = [p for p in parts if p.startswith("BY") and parts[p]]
    if expands and freq != "SECONDLY" and random.random() < 0.25:
        parts["BYSETPOS"] = some(1, [-3, -2, -1, 1, 2, 3, 5], 3)
    return {name: values for name, values in parts.items() if values}


def text(parts):
    return ";".join(f"{name}={','.join(map(str, values))}" for name, values in parts.items())


def week_start(start, parts):
    first = DAYS.index(parts.get("WKST", ["MO"])[0])
    return start - datetime.timedelta(days=(start.weekday() - first) % 7)


def expected(parts, start, window, count):
    given = dict(parts)
    begin = start
    if parts["FREQ"][0] == "WEEKLY":
        # The same rule from the week's first day on, with what DTSTART supplies written out.
        given.setdefault("BYDAY", [DAYS[start.weekday()]])
        begin = week_start(start, parts)
    rule = rrulestr(text(given), dtstart=begin)
    found = itertools.takewhile(lambda moment: moment < window[1], rule)
    found = itertools.chain([start], (moment for moment in found if moment > start))
    if count:
        found = itertools.islice(found, count)
    found = [moment for moment in found if window[0] <= moment]
    return found if len(found) <= MOST else None


def answer_or_none(*case):
    """None for what dateutil refuses, or looks for in vain for a second."""
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        return expected(*case)
    except (ValueError, TimeoutError):
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def give_up(*_):
    raise TimeoutError


signal.signal(signal.SIGALRM, give_up)


def cases():
    random.seed(5545)
    made = 0
    while made < RULES:
        parts = random_rule()
        subdaily = parts["FREQ"][0] in ("HOURLY", "MINUTELY", "SECONDLY")
        year = random.randint(2025, 2027) if subdaily else random.randint(1990, 2027)
        start = datetime.datetime(year, 1, 1) + datetime.timedelta(
            days=random.randrange(365), seconds=random.randrange(86400)
        )
        if parts["FREQ"][0] in ("MINUTELY", "SECONDLY"):
            start = datetime.datetime(2026, 12, random.randint(1, 31)) + datetime.timedelta(
                seconds=random.randrange(86400)
            )
        years = 0.02 if parts["FREQ"][0] in ("MINUTELY", "SECONDLY") else random.choice([0.2, 1, 4])
        low = datetime.datetime(2027, 1, 1) + datetime.timedelta(days=random.randrange(300))
        if random.random() < 0.3 or subdaily:
            low = start - datetime.timedelta(days=3) + datetime.timedelta(days=random.randrange(20))
        window = (low, low + datetime.timedelta(days=int(365 * years) + 1))
        count = random.randint(1, 60) if random.random() < 0.25 else None
        found = answer_or_none(parts, start, window, count)
        if found is None or (not found and random.random() < 0.8):
            continue
        made += 1
        rule = text(parts) + (f";COUNT={count}" if count else "")
        stamp = "%Y%m%dT%H%M%S"
        yield {
            "rule": rule,
            "start": start.strftime(stamp),
            "window": [moment.strftime(stamp) for moment in window],
            "expected": " ".join(moment.strftime(stamp) for moment in found),
        }


print("[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]")
