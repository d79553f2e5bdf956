"""The format of the routes file. All mistakes are reported at once, with line and column, and no secret is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from app.notify import destinations
from app.notify.alerts import DIRECTIONS
from app.notify.destinations import KIND_FIELDS, NoSecrets
from app.notify.limits import Limit
from app.notify.routes import GIVE_UP_MS, Filter, Route, Routes
from app.notify.routes_kinds import DAY, DURATION, GAP, NETWORK, TIME, WORDS, ZONE, one_of, whole
from app.notify.secrets import ReadVariable
from app.notify.times_of_day import DAYS, Digest, Quiet
from streams.scorefile.conditions import TRAITS
from streams.units import DAY_MS
from streams.yamlfile.containers import list_of, named, struct_of
from streams.yamlfile.kinds import NAME, VERSION, Field, Struct, nearest, placed, report_repeated
from streams.yamlfile.load import Format
from streams.yamlfile.tree import Report

_ELSEWHERE: Final = {
    **dict.fromkeys(("destination", "target", "channel"), "to"),
    **dict.fromkeys(("match", "filter", "where", "if"), "when"),
    **dict.fromkeys(("quiet_hours", "silence", "mute"), "quiet"),
    **dict.fromkeys(("summary", "batch", "collect"), "digest"),
    **dict.fromkeys(("rate_limit", "throttle", "max"), "limit"),
}
_DESTINATION = struct_of(
    "a destination",
    {
        **KIND_FIELDS,
        "rate": Field(GAP, "the highest rate of messages"),
        "parallel": Field(whole("a number", 1, 64), "messages in flight at a time"),
        "allow_networks": Field(list_of(NETWORK, or_one=True), "private networks that it may be in"),
    },
    "{slack: {url: {env: SLACK_URL}}}",
)
_WHEN = struct_of(
    "a condition on alerts",
    {
        "scorecards": Field(list_of(NAME, or_one=True), "the names of scorecards"),
        "stages": Field(list_of(NAME, or_one=True), "the names of stages"),
        "directions": Field(list_of(one_of(DIRECTIONS, "a direction"), or_one=True), "`entered` or `left`"),
        "owners": Field(list_of(WORDS, or_one=True), "owners of leads"),
        "traits": Field(TRAITS, "conditions on traits, as in scorecards"),
    },
    "{stages: [qualified], directions: [entered]}",
    {**dict.fromkeys(("scorecard",), "scorecards"), "stage": "stages", "direction": "directions", "owner": "owners"},
)
_QUIET = struct_of(
    "quiet hours",
    {
        "from": Field(TIME, "the time of day at which they begin"),
        "to": Field(TIME, "the time of day at which they end"),
        "days": Field(list_of(DAY, or_one=True), "days that are quiet as a whole"),
        "zone": Field(ZONE, "the time zone", required=True, example="Europe/Madrid"),
    },
    '{from: "18:00", to: "08:00", days: [sat, sun], zone: Europe/Madrid}',
)
_DIGEST = struct_of(
    "a digest",
    {
        "at": Field(list_of(TIME, or_one=True), "times of day"),
        "every": Field(DURATION, "a period since midnight, at most a day"),
        "zone": Field(ZONE, "the time zone", required=True, example="Europe/Madrid"),
    },
    '{at: ["08:00", "13:00"], zone: Europe/Madrid}',
)
_LIMIT = struct_of(
    "a limit",
    {
        "alerts": Field(whole("a number", 1, 10_000), "alerts for one owner", required=True, example="10"),
        "per": Field(DURATION, "the period, at most 7 days", required=True, example="1d"),
    },
    "{alerts: 10, per: 1d}",
)
_ROUTE = struct_of(
    "a route",
    {
        "name": Field(placed(NAME), "its name; it remembers under it what is delivered", required=True, example="hot"),
        "to": Field(placed(NAME), "the name of a destination", required=True, example="team"),
        "when": Field(_WHEN, "which alerts it takes; without it, all"),
        "quiet": Field(_QUIET, "when nothing is sent"),
        "digest": Field(_DIGEST, "when collected alerts are sent as one message"),
        "limit": Field(_LIMIT, "how many alerts an owner gets one by one"),
        "give_up_after": Field(DURATION, "how long an alert is tried before it becomes a dead letter"),
    },
    "{name: hot, to: team}",
    _ELSEWHERE,
)
_FILE = struct_of(
    "a routes file",
    {
        "leadglow_routes": Field(VERSION, "the version of this format", required=True),
        "destinations": Field(named(NAME, _DESTINATION, at_least=1), "where alerts go", required=True),
        "routes": Field(list_of(_ROUTE), "which alerts go where", required=True),
    },
    "leadglow_routes: 1",
)


def routes_format(read_variable: ReadVariable | None) -> Format[Routes]:
    """The format; without ``read_variable`` secrets are not read, and the routes cannot be used."""
    secrets: Any = NoSecrets() if read_variable is None else destinations.Secrets(read_variable)
    return Format(_FILE, partial(_routes_of, secrets), partial(_check, secrets), discreet=True)


def load_routes(path: Path, read_variable: ReadVariable) -> Routes:
    """Read a routes file and its secrets.

    Raises:
        YamlFileError: the file has mistakes, or a secret is missing.
    """
    return routes_format(read_variable).load_file(path)


# Checks across fields ------------------------------------------------------------------------------------------


def _check(secrets: Any, file: Struct, report: Report) -> None:
    known = file.get("destinations") or {}
    for item in known.values():
        if item.value is not None:
            destinations.check_destination(item.value, secrets, report)
    routes = [route for route in file.get("routes") or () if route is not None]
    report_repeated((route.get("name") for route in routes), lambda _: "the name", "give each its own", report)
    for route in routes:
        to = route.get("to")
        if to is not None and to.value is not None and to.value not in known and "destinations" not in file.broken:
            report.add(to.node, f"there is no destination {to.node}", nearest(to.value, sorted(known)))
        _check_times(route, report)


def _check_times(route: Struct, report: Report) -> None:
    quiet, digest, limit = (route.get(name) for name in ("quiet", "digest", "limit"))
    if quiet is not None and not quiet.broken:
        _check_quiet(quiet, report)
    if digest is not None and not digest.broken:
        _check_digest(digest, report)
        if limit is not None:
            report.add(route.nodes["limit"], "a digest needs no limit", "remove `limit`")
    if limit is not None and limit.get("per", 1) > 7 * DAY_MS:
        report.add(limit.nodes["per"], "this is longer than 7 days", "write a shorter one")


def _check_quiet(quiet: Struct, report: Report) -> None:
    if ("from" in quiet.nodes) != ("to" in quiet.nodes):
        report.add(quiet.node, "quiet hours need `from` and `to`", "add the other one")
    elif not quiet.nodes.keys() & {"from", "days"}:
        report.add(quiet.node, "these quiet hours are empty", "add `from` and `to`, or `days`")
    elif len(set(quiet.get("days", ()))) == len(DAYS):
        report.add(quiet.nodes["days"], "every day is quiet, so nothing is ever sent", "remove a day")


def _check_digest(digest: Struct, report: Report) -> None:
    if ("at" in digest.nodes) == ("every" in digest.nodes):
        report.add(digest.node, "a digest has `at` or `every`", 'write one of them, such as `at: ["08:00"]`')
    elif digest.get("every", 1) > DAY_MS:
        report.add(digest.nodes["every"], "this is longer than a day", "write a shorter one, or `at`")


# The value -----------------------------------------------------------------------------------------------------


def _routes_of(secrets: Any, file: Struct) -> Routes:
    named_ = {
        name: destinations.destination_of(name, item.value, secrets) for name, item in file.get("destinations").items()
    }
    return Routes(named_, tuple(_route_of(route) for route in file.get("routes")))


def _route_of(route: Struct) -> Route:
    return Route(
        name=route.get("name").value,
        to=route.get("to").value,
        filter=_optional(route.get("when"), _filter_of) or Filter(),
        quiet=_optional(route.get("quiet"), _quiet_of),
        digest=_optional(route.get("digest"), _digest_of),
        limit=_optional(route.get("limit"), lambda limit: Limit(limit.get("alerts"), int(limit.get("per")))),
        give_up_ms=route.get("give_up_after", GIVE_UP_MS),
    )


def _optional(struct: Struct | None, build: Callable[[Struct], Any]) -> Any:
    return None if struct is None else build(struct)


def _filter_of(when: Struct) -> Filter:
    names = {name: frozenset(when.get(name, ())) for name in ("scorecards", "stages", "directions")}
    owners = frozenset(owner.casefold() for owner in when.get("owners", ()))
    return Filter(**names, owners=owners, traits=when.get("traits"))


def _quiet_of(quiet: Struct) -> Quiet:
    return Quiet(quiet.get("zone"), quiet.get("from"), quiet.get("to"), frozenset(quiet.get("days", ())))


def _digest_of(digest: Struct) -> Digest:
    return Digest(digest.get("zone"), tuple(digest.get("at", ())), int(digest.get("every", 0)))
