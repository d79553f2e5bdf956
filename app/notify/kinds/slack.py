"""Messages of Slack, in its Block Kit, by an incoming webhook."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.notify.kinds.base import USER_AGENT, Answer, Delivery, Request, same_for_all
from app.notify.kinds.summary import Summary, summarize
from app.notify.outcomes import Outcome
from streams.counts import count_of

_HEADER_CHARS: Final = 150
_TEXT_CHARS: Final = 3000
_FIELD_CHARS: Final = 2000
_MOST_FIELDS: Final = 10
_MOST_IN_DIGEST: Final = 40
"""A message has at most 50 blocks."""
_MAX_URL: Final = 3000

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Slack:
    """A channel of Slack."""

    url: str = field(repr=False)
    """Of the incoming webhook; a secret."""
    most: int = 1

    def request(self, delivery: Delivery, now_ms: int) -> Request:
        """The message."""
        body = orjson.dumps(message_of(delivery))
        return Request("POST", self.url, {"content-type": "application/json", "user-agent": USER_AGENT}, body)

    def outcomes(self, delivery: Delivery, answer: Answer, now_ms: int) -> list[Outcome]:
        """By the status."""
        return same_for_all(delivery, answer, now_ms)


def message_of(delivery: Delivery) -> dict[str, Any]:
    """The message as JSON; ``text`` is for notifications."""
    summaries = [summarize(alert) for alert in delivery.alerts]
    if delivery.digest:
        title = count_of(len(summaries), "alert")
        return {"text": title, "blocks": _digest(title, summaries)}
    return {"text": _escaped(summaries[0].headline), "blocks": list(_alert(summaries[0]))}


def _alert(summary: Summary) -> list[Block]:
    blocks: list[Block] = [_header(summary.headline)]
    if summary.facts:
        shown = [f"*{_escaped(name)}*\n{_escaped(value)}"[:_FIELD_CHARS] for name, value in summary.facts]
        fields = [{"type": "mrkdwn", "text": text} for text in shown[:_MOST_FIELDS]]
        blocks.append({"type": "section", "fields": fields})
    parts = (("What changed", summary.changes), ("Why", summary.reasons), ("What they did", summary.activity))
    for title, lines in parts:
        if lines:
            blocks.append(_section(f"*{title}*\n" + "\n".join(f"• {_escaped(line)}" for line in lines)))
    if button := _button(summary.link):
        blocks.append({"type": "actions", "elements": [button]})
    return blocks


def _digest(title: str, summaries: list[Summary]) -> list[Block]:
    blocks: list[Block] = [_header(title)]
    for summary in summaries[:_MOST_IN_DIGEST]:
        words = " · ".join(summary.changes)
        block = _section(f"*{_escaped(summary.headline)}*\n{_escaped(words)}")
        button = _button(summary.link)
        blocks.append({**block, "accessory": button} if button else block)
    if len(summaries) > _MOST_IN_DIGEST:
        blocks.append(_section(f"and {len(summaries) - _MOST_IN_DIGEST} more"))
    return blocks


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text[:_HEADER_CHARS], "emoji": False}}


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_TEXT_CHARS]}}


def _button(link: str) -> Block | None:
    if not link or len(link) > _MAX_URL:
        return None
    return {"type": "button", "text": {"type": "plain_text", "text": "Open the lead"}, "url": link}


def _escaped(text: str) -> str:
    """A text in which nothing is a link, a mention or markup of Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
