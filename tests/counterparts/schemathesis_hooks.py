"""What schemathesis needs to know of Frontdesk: its scalars, and what a good answer is."""

import datetime
import json
import os
import pathlib
import zoneinfo

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes, scalar

CODES = {
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "BAD_USER_INPUT",
    "CONFLICT",
    "RATE_LIMITED",
    "LIMIT_EXCEEDED",
    "UPSTREAM_UNAVAILABLE",
}
"""The contract's extensions.code, less INTERNAL, which is always a failure here."""

ANY_TEXT = st.text(max_size=50)
"""What does not belong in any of the scalars, mostly."""


def register(name, values):
    """Mostly values that are right, so that resolvers are reached, and some of any text."""
    text = st.one_of(values, values, values, ANY_TEXT)
    scalar(name, text.map(nodes.String))


# What can be booked, from fuzz_data.py.
STARTS = json.loads(pathlib.Path(os.environ["FRONTDESK_TEST_STARTS"]).read_text())

# A fixed stretch: a seed gives the same queries whenever it runs.
DAYS = st.dates(datetime.date(2026, 1, 1), datetime.date(2028, 12, 31))
HOURS = st.integers(0, 23).map(lambda hour: f"{hour:02}:00")

register("Date", st.one_of(DAYS, st.dates()).map(datetime.date.isoformat))
register(
    "DateTime",
    st.one_of(
        st.sampled_from(STARTS),
        st.builds("{}T{}:00Z".format, DAYS, HOURS),
        st.datetimes(timezones=st.timezones()).map(datetime.datetime.isoformat),
    ),
)
register("LocalTime", st.one_of(HOURS, st.just("24:00"), st.times().map(lambda time: time.isoformat("minutes"))))
register("TimeZone", st.sampled_from(sorted(zoneinfo.available_timezones())))
register("Locale", st.sampled_from(["en", "fr", "fr-CA", "de-DE", "zh-Hans-CN", "sl-rozaj-biske", "x-private"]))
register("EmailAddress", st.one_of(st.emails(), st.just("visitor@example.com")))
register("Url", st.sampled_from(["https://example.com/", "http://localhost:3000/done?x=1", "javascript:alert(1)"]))


@schemathesis.check
def answers_as_the_contract_says(ctx, response, case):
    """A JSON object, never a status of 500 or above; every error has a code of the contract."""
    assert response.status_code < 500, f"status {response.status_code}: {response.text[:500]}"
    answer = response.json()
    assert isinstance(answer, dict), f"not a JSON object: {answer!r}"
    for error in answer.get("errors") or []:
        code = (error.get("extensions") or {}).get("code")
        assert code in CODES, f"extensions.code is {code!r}: {error}"
        assert code != "BAD_USER_INPUT" or "field" in error["extensions"] or "path" not in error, (
            f"BAD_USER_INPUT from a resolver names no field: {error}"
        )
