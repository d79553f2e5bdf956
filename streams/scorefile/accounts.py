"""Reads the accounts of a scorecard: the key of a company, how the scores of its leads add up, and its stages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from streams.scorefile import kinds
from streams.scorefile.remedies import STAGE_KEYS_ELSEWHERE
from streams.scoring.scorecard import EMAIL_DOMAIN, Accounts, Scorecard, Stage
from streams.yamlfile.containers import list_of, struct_of
from streams.yamlfile.kinds import (
    BOOLEAN,
    NAME,
    NUMBER,
    PATH,
    Field,
    Kind,
    Struct,
    placed,
    report_repeated,
    require,
    scalar_of,
    text_of,
)
from streams.yamlfile.repairs import guess_number
from streams.yamlfile.tree import Node, Report

MAX_TOP: Final = 1000
_GROUP_WORDS: Final = ("group", "groupid", "group_id", "group-id", "company_id", "companyid", "account", "account_id")
_DOMAIN_WORDS: Final = (
    "email",
    "e-mail",
    "mail",
    "domain",
    "email_domain",
    "email-domain",
    "emaildomain",
)
_ROLL_UPS: Final = ("max", "sum", "saturating")
_WORDS_ELSEWHERE: Final = {
    **dict.fromkeys(("maximum", "highest", "best", "hottest"), "max"),
    **dict.fromkeys(("total", "add", "all"), "sum"),
    **dict.fromkeys(("saturate", "saturated", "probability", "noisy_or", "any"), "saturating"),
    **dict.fromkeys(("avg", "average", "mean", "median"), "{top: 3}"),
}


def _key(text: str) -> str:
    require(text.casefold() not in _DOMAIN_WORDS and text.casefold() not in _GROUP_WORDS)
    return text


def _guess_key(text: str) -> Iterator[str]:
    folded = text.strip().casefold()
    if folded in _DOMAIN_WORDS or re.fullmatch(r"(the )?(e-?mail.?)?domains?( of .*)?", folded):
        yield EMAIL_DOMAIN
    elif folded in _GROUP_WORDS:
        yield "group.id"


_KEY: Final = text_of(
    f"`{EMAIL_DOMAIN}`, `group.id` or the name of a trait",
    EMAIL_DOMAIN,
    PATH.schema["pattern"],
    _key,
    _guess_key,
)


def _count(value: Any) -> int:
    require(isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_TOP)
    return int(value)


TOP_WORDS: Final = {
    "top": Field(
        scalar_of(
            f"a whole number from 1 to {MAX_TOP}",
            "3",
            {"type": "integer", "minimum": 1, "maximum": MAX_TOP},
            _count,
            guess_number,
        ),
        "The sum of so many leads with the highest scores.",
        required=True,
    )
}
_TOP: Final = struct_of("a sum of the highest scores", TOP_WORDS, "{top: 3}")
_ROLL_UP_ABOUT: Final = "`max`, `sum`, `saturating` or `{top: 3}`"


def _read_roll_up(node: Node, report: Report) -> tuple[str, int] | None:
    if isinstance(node.value, dict):
        struct: Struct | None = _TOP.read(node, report)
        return None if struct is None or struct.broken else ("top", struct.get("top"))
    if node.value in _ROLL_UPS:
        return node.value, 0
    text = str(node.value or "").strip().casefold()
    count = re.fullmatch(r"top[ _:-]*(\d+)?", text)
    remedy = f"{{top: {count[1] or 3}}}" if count else _WORDS_ELSEWHERE.get(text, "sum")
    report.add(node, f"{node} is not {_ROLL_UP_ABOUT}", f"write `{remedy}`")
    return None


_ROLL_UP: Final = Kind(_read_roll_up, {"anyOf": [{"enum": list(_ROLL_UPS)}, _TOP.schema]}, "{top: 3}", _ROLL_UP_ABOUT)
STAGE_WORDS: Final = {
    "name": Field(placed(NAME), "Its name, which no other stage of these accounts has.", True, "target"),
    "enter": Field(NUMBER, "An account enters when its score is at least this.", True, "120"),
    "leave": Field(NUMBER, "An account leaves when its score is below this; it must be below `enter`.", True, "80"),
    "cooldown": Field(
        kinds.COOLDOWN,
        "The time after a published entry in which no other entry is published.",
        default="every entry is published",
    ),
    "handoff": Field(BOOLEAN, "Whether entering and leaving are published on `handoff`.", default="`false`"),
    "label": Field(kinds.LABEL, "The name shown to people.", example="Target account", default="its name in the file"),
}
_LEADS_ONLY: Final = "remove it: an account has only the scores of its leads"
_ELSEWHERE: Final = {
    **STAGE_KEYS_ELSEWHERE,
    **dict.fromkeys(("needs", "keep", "blocked_by", "blocks", "requires"), _LEADS_ONLY),
}
_STAGE: Final = struct_of("a stage of accounts", STAGE_WORDS, "{name: target, enter: 120, leave: 80}", _ELSEWHERE)
ACCOUNTS_WORDS: Final = {
    "key": Field(
        _KEY,
        f"What leads of one account have in common: `{EMAIL_DOMAIN}`, the domain of their address, which free mail "
        "services have none of; `group.id`, the `groupId` of `group` calls; or the name of a trait. A lead without it "
        "has no account.",
        required=True,
    ),
    "roll_up": Field(
        _ROLL_UP,
        "How the published scores of its leads, those above 0, make the score of an account: the highest (`max`), all "
        "(`sum`), the sum of the highest (`{top: 3}`), or `saturating`: each brings the account nearer to the maximum "
        "of the range, by its own share of what is missing.",
        default="`sum`",
    ),
    "stages": Field(
        list_of(_STAGE), "Stages of accounts, the first one first.", example=f"[{_STAGE.example}]", default="none"
    ),
}
ACCOUNTS: Final = struct_of(
    "the accounts of a scorecard",
    ACCOUNTS_WORDS,
    "{key: email domain, roll_up: {top: 3}}",
    {
        **dict.fromkeys(("by", "group_by", "match", "trait", "field", "id", "domain", "company"), "key"),
        **dict.fromkeys(("rollup", "roll-up", "aggregate", "aggregation", "score", "combine", "method"), "roll_up"),
        **dict.fromkeys(("stage", "thresholds", "threshold"), "stages"),
        "top": "roll_up: {top: 3}",
    },
)


def accounts_of(accounts: Struct | None) -> Accounts | None:
    """Build the accounts of a scorecard."""
    if accounts is None:
        return None
    roll_up, top = accounts.get("roll_up", ("sum", 0))
    return Accounts(accounts.get("key"), roll_up, top, tuple(map(_stage_of, accounts.get("stages", ()))))


def _stage_of(stage: Struct) -> Stage:
    return Stage(
        stage.get("name").value,
        enter=stage.get("enter"),
        leave=stage.get("leave"),
        cooldown_ms=stage.get("cooldown", 0),
        handoff=stage.get("handoff", False),
        label=stage.get("label", ""),
    )


def check_accounts(card: Struct, scorecard: Scorecard | None, report: Report) -> None:
    """Report mistakes between the parts of the accounts of a scorecard; ``scorecard`` is None if it has mistakes."""
    accounts: Struct | None = card.get("accounts")
    if accounts is None or "roll_up" in accounts.broken:
        return
    stages = [stage for stage in accounts.get("stages", ()) if stage is not None]
    report_repeated(
        (stage.get("name") for stage in stages), lambda name: f"stage `{name}`", "keep one of the two", report
    )
    kind, top = accounts.get("roll_up", ("sum", 0))
    most = math.inf if scorecard is None else scorecard.maximum
    if most <= 0:
        place = accounts.nodes.get("roll_up") or accounts.nodes["key"]
        report.add(
            place, f"no score is above {most:g}, so every account has 0", "raise the `range`, or remove `accounts`"
        )
        return
    most *= {"top": top, "sum": math.inf}.get(kind, 1)
    for stage in stages:
        _check_stage(stage, most, report)


def _check_stage(stage: Struct, most: float, report: Report) -> None:
    enter, leave = stage.get("enter"), stage.get("leave")
    if enter is None:
        return
    if not 0 < enter <= most:
        about = "every account has at least 0" if enter <= 0 else f"no account has more than {most:g}"
        remedy = "write a number above 0" if enter <= 0 else f"write {most:g} or less"
        report.add(stage.nodes["enter"], f"`enter` {enter:g} is out of reach: {about}", remedy)
    elif leave is not None and leave >= enter:
        message = f"`leave` {leave:g} is not below `enter` {enter:g}"
        report.add(stage.nodes["leave"], message, f"write a `leave` below {enter:g}")
    elif leave is not None and leave <= 0:
        message = f"no account has less than {leave:g}, so none leaves"
        report.warn(stage.nodes["leave"], message, "write a number above 0")
