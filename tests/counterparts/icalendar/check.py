#!/usr/bin/env python3
"""Finds faults in iCalendar text with libical, and with checks of our own for what it lets pass.

    check.py FILE...        checks files; without any, standard input
    check.py --self-test    checks that bad samples are found bad, and a good one good

Each fault is one line, `NAME: fault`. Exits with 1 where there is one, 2 where libical is missing
(Debian package libical3).

libical does not see: a bare line feed, a line over 75 octets, a TZID without its VTIMEZONE, an end
before its start, a REQUEST without METHOD.
"""

import ctypes
import re
import sys
from datetime import datetime

GOOD = "\r\n".join([
    "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Example//EN", "METHOD:REQUEST",
    "BEGIN:VTIMEZONE", "TZID:Europe/Paris",
    "BEGIN:STANDARD", "DTSTART:19961027T030000", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100",
    "END:STANDARD", "END:VTIMEZONE",
    "BEGIN:VEVENT", "UID:1@example.com", "SEQUENCE:0", "DTSTAMP:20270101T000000Z",
    "DTSTART;TZID=Europe/Paris:20270104T100000", "DTEND;TZID=Europe/Paris:20270104T103000",
    "SUMMARY:Meeting", "ORGANIZER;CN=Sam:mailto:sam@example.com",
    "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ana@example.com",
    "END:VEVENT", "END:VCALENDAR", "",
])

# What is changed in the good sample, and a word of the fault that must be named.
BAD = [
    ("bare line feed", GOOD.replace("SUMMARY:Meeting\r\n", "SUMMARY:Meeting\n"), "line feed"),
    ("long line", GOOD.replace("SUMMARY:Meeting", "SUMMARY:" + "x" * 80), "75 octets"),
    ("long line of few characters", GOOD.replace("SUMMARY:Meeting", "SUMMARY:" + "é" * 40),
     "75 octets"),
    ("cut character", GOOD.encode().replace(b"SUMMARY:Meeting", b"SUMMARY:caf\xc3\r\n \xa9"),
     "cut in two"),
    ("no VTIMEZONE", re.sub("BEGIN:VTIMEZONE.*END:VTIMEZONE\r\n", "", GOOD, flags=re.S),
     "VTIMEZONE"),
    ("end before start", GOOD.replace("20270104T103000", "20270104T093000"), "before"),
    ("no METHOD", GOOD.replace("METHOD:REQUEST\r\n", ""), "METHOD"),
    ("CANCEL without status", GOOD.replace("METHOD:REQUEST", "METHOD:CANCEL"), "STATUS"),
    ("no UID", GOOD.replace("UID:1@example.com\r\n", ""), "libical"),
    ("no DTSTAMP", GOOD.replace("DTSTAMP:20270101T000000Z\r\n", ""), "libical"),
    ("no ORGANIZER", GOOD.replace("ORGANIZER;CN=Sam:mailto:sam@example.com\r\n", ""), "libical"),
    ("bad time", GOOD.replace("20270104T103000", "tomorrow"), "libical"),
    ("two attendees", GOOD.replace("SUMMARY:Meeting", "ATTENDEE:mailto:eve@example.com"),
     "attendee"),
    ("not closed", GOOD.replace("END:VCALENDAR\r\n", ""), "END:VCALENDAR"),
    ("not iCalendar", "Hello", "VCALENDAR"),
]


def load():
    try:
        ical = ctypes.CDLL("libical.so.3")
    except OSError as error:
        sys.stderr.write(f"libical is missing (Debian package libical3): {error}\n")
        sys.exit(2)
    ical.icalparser_parse_string.restype = ctypes.c_void_p
    ical.icalparser_parse_string.argtypes = [ctypes.c_char_p]
    ical.icalrestriction_check.argtypes = [ctypes.c_void_p]
    ical.icalcomponent_count_errors.argtypes = [ctypes.c_void_p]
    ical.icalcomponent_as_ical_string.restype = ctypes.c_char_p
    ical.icalcomponent_as_ical_string.argtypes = [ctypes.c_void_p]
    ical.icalcomponent_free.argtypes = [ctypes.c_void_p]
    return ical


def libical_faults(ical, data):
    component = ical.icalparser_parse_string(data)
    if not component:
        return ["libical: not parsed"]
    valid = ical.icalrestriction_check(component)
    errors = ical.icalcomponent_count_errors(component)
    text = ical.icalcomponent_as_ical_string(component).decode("utf-8", "replace")
    ical.icalcomponent_free(component)
    if valid and not errors:
        return []
    unfolded = re.sub("\r?\n[ \t]", "", text)
    told = re.findall("^X-LIC-ERROR.*$", unfolded, re.M)
    return [f"libical: {line.strip()}" for line in told] or ["libical: restrictions not met"]


def line_faults(data):
    faults = []
    if not data.endswith(b"\r\n"):
        faults.append("the last line does not end in CRLF")
    for number, line in enumerate(data.split(b"\r\n"), 1):
        if b"\n" in line:
            faults.append(f"line {number}: a bare line feed")
        if b"\r" in line:
            faults.append(f"line {number}: a bare carriage return")
        if 75 < len(line):
            faults.append(f"line {number}: {len(line)} octets, more than 75 octets")
        try:
            line.decode()
        except UnicodeDecodeError:
            faults.append(f"line {number}: a character is cut in two or no UTF-8")
    return faults


def properties(data):
    """Name, parameters and value of each content line, with the component it is in."""
    text = re.sub("\r\n[ \t]", "", data.decode("utf-8", "replace"))
    path = []
    for line in text.split("\r\n"):
        head = re.match(r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*)'
                        r'(?:,(?:"[^"]*"|[^";:,]*))*)*):(.*)$', line, re.S)
        if line and not head:
            yield tuple(path), "", {}, line
        if not head:
            continue
        name, value = head[1].upper(), head[3]
        found = re.findall(r';([A-Za-z0-9-]+)=("[^"]*"|[^;:]*)', head[2])
        parameters = {key.upper(): text.strip('"') for key, text in found}
        if name == "BEGIN":
            path.append(value.upper())
        elif name == "END" and path:
            path.pop()
        else:
            yield tuple(path), name, parameters, value


def instant(value):
    return datetime.strptime(value.rstrip("Z"), "%Y%m%dT%H%M%S")


def meaning_faults(data):
    faults = []
    text = data.decode("utf-8", "replace")
    if not text.startswith("BEGIN:VCALENDAR\r\n"):
        faults.append("does not begin with BEGIN:VCALENDAR")
    if not text.endswith("END:VCALENDAR\r\n"):
        faults.append("does not end with END:VCALENDAR")
    lines = list(properties(data))
    faults += [f"not a content line: {value!r}" for _, name, _, value in lines if not name]
    method = [value for path, name, _, value in lines if name == "METHOD" and len(path) == 1]
    defined = {value for path, name, _, value in lines if name == "TZID" and "VTIMEZONE" in path}
    named = {parameters["TZID"] for _, _, parameters, _ in lines if "TZID" in parameters}
    faults += [f"TZID {zone} without its VTIMEZONE" for zone in sorted(named - defined)]
    event = {name: value for path, name, _, value in lines if path[-1:] == ("VEVENT",)}
    attendees = sum(name == "ATTENDEE" for _, name, _, _ in lines)
    if attendees and len(method) != 1:
        faults.append("an attendee is invited without one METHOD")
    if method in (["REQUEST"], ["CANCEL"]) and attendees != 1:
        faults.append(f"{attendees} attendees, not one attendee")
    if method == ["CANCEL"] and event.get("STATUS") != "CANCELLED":
        faults.append("METHOD:CANCEL without STATUS:CANCELLED")
    try:
        if instant(event["DTEND"]) <= instant(event["DTSTART"]):
            faults.append("DTEND is not after, but before or at DTSTART")
    except (KeyError, ValueError) as error:
        if method != ["PUBLISH"]:
            faults.append(f"no time to compare: {error}")
    return faults


def check(ical, data):
    return line_faults(data) + meaning_faults(data) + libical_faults(ical, data)


def self_test(ical):
    failed = []
    if check(ical, GOOD.encode()):
        failed.append(f"the good sample: {check(ical, GOOD.encode())}")
    for name, sample, word in BAD:
        data = sample if isinstance(sample, bytes) else sample.encode()
        faults = check(ical, data)
        if not any(word in fault for fault in faults):
            failed.append(f"{name}: {word!r} is not named in {faults}")
    for line in failed:
        print(line)
    print(f"{len(BAD) + 1} samples, {len(failed)} judged wrongly")
    return 1 if failed else 0


def main(arguments):
    ical = load()
    if arguments == ["--self-test"]:
        return self_test(ical)
    found = False
    sources = arguments or ["-"]
    for source in sources:
        data = sys.stdin.buffer.read() if source == "-" else open(source, "rb").read()
        for fault in check(ical, data):
            print(f"{source}: {fault}")
            found = True
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
