"""Exports are read whatever is in them: what cannot be read is counted, and shown with examples."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.backtest.export import BadExport, ExportFile
from app.backtest.inputs import open_files
from app.backtest.session import Order, run_backtest
from streams.events.times import LAST_MS
from streams.implementation import REFERENCE, Implementation
from streams.shard.alert import rfc3339
from tests.unit.test_backtest import RULES, at, backtest, event, export

KEYS = st.sampled_from(
    ("type", "event", "userId", "anonymousId", "messageId", "timestamp", "sentAt", "receivedAt", "properties", "traits",
     "context", "page", "track", "Opportunity Won")
)  # fmt: skip


async def test_lines_that_cannot_be_read_are_counted_with_the_first_examples(
    tmp_path: Path, implementation: Implementation
) -> None:
    bad = [
        '{"type": "page"',
        "[1]",
        '"text"',
        '{"type": "page", "userId": "u"}',
        '{"type": "odd", "timestamp": 1767571200}',
    ]
    nobody = json.dumps({"type": "page", "timestamp": rfc3339(at(0))})
    source = export(tmp_path, [*bad, "", nobody, event("ana", at(0)), *["?"] * 50])
    found = await backtest(source, implementation)
    assert found.records == 1
    assert source.unreadable.reasons == {
        "not_json": 51, "not_an_object": 2, "no_time": 1, "unknown_type": 1, "no_lead": 1,
    }  # fmt: skip
    assert [each["place"] for each in source.unreadable.examples] == [f"line {n}" for n in (1, 2, 3, 4, 9, 5, 7)]
    assert source.unreadable.examples[0]["text"] == '{"type": "page"'


async def test_an_export_in_any_order_gives_the_same(tmp_path: Path, implementation: Implementation) -> None:
    events = [event(f"lead-{i % 3}", at(i / 24), "Demo Requested" if i % 5 == 0 else "") for i in range(40)]
    one = await backtest(export(tmp_path, events), implementation)
    other = await backtest(export(tmp_path, events[::-1]), implementation)
    assert [t.alert_id for t in one.alerts] == [t.alert_id for t in other.alerts] != []
    assert one.cards == other.cards


@pytest.mark.parametrize(("head", "remedy"), [(b"PK\x03\x04", "unzip"), (b' [{"type": "page"}]', "jq")])
def test_files_in_other_forms_are_refused_with_the_remedy(tmp_path: Path, head: bytes, remedy: str) -> None:
    file = tmp_path / "export"
    file.write_bytes(head)
    with pytest.raises(BadExport, match=remedy):
        ExportFile(file, LAST_MS)


def test_several_files_are_read_as_one_and_mistakes_name_their_file(tmp_path: Path) -> None:
    lines = [json.dumps(event("ana", at(day))).encode() for day in range(3)]
    (tmp_path / "events-1.jsonl").write_bytes(lines[0] + b"\n?")
    (tmp_path / "events-2.jsonl").write_bytes(b"\xef\xbb\xbf" + lines[1])
    (tmp_path / "late.gz").write_bytes(gzip.compress(b"\n" + lines[2] + b"\n{"))
    with open_files([tmp_path / "events-*.jsonl", tmp_path / "late.gz"], LAST_MS) as source:
        assert source.total == 3
        places = [each["place"] for each in source.unreadable.examples]
    assert places == [f"{tmp_path}/events-1.jsonl, line 2", f"{tmp_path}/late.gz, line 3"]
    (tmp_path / "late.gz").write_bytes(gzip.compress(lines[2])[:-9])
    with pytest.raises(BadExport, match=r"late\.gz is damaged"), open_files([tmp_path / "late.gz"], LAST_MS):
        pass


def test_an_empty_file_and_one_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "export"
    file.write_bytes(b"")
    assert ExportFile(file, LAST_MS).total == 0
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(event("ana", at(0))).encode())
    assert ExportFile(file, LAST_MS).total == 1


def test_the_arrival_is_when_it_was_received_or_else_sent() -> None:
    stated = {"timestamp": rfc3339(at(0)), "sentAt": rfc3339(at(1)), "receivedAt": rfc3339(at(2))}
    assert [arrival({k: v for k, v in stated.items() if k not in gone}) for gone in ((), ("receivedAt",))] == [
        at(2),
        at(1),
    ]
    assert arrival({"timestamp": rfc3339(at(0))}) == at(0)
    assert arrival({"timestamp": "soon", "originalTimestamp": rfc3339(at(3))}) == at(3)


def arrival(times: dict[str, str]) -> int | None:
    return ExportFile._arrival_of(object.__new__(ExportFile), "line 1", json.dumps(times).encode())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=40).filter(lambda line: b"\n" not in line)
        | st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
        max_size=12,
    )
)
async def test_no_line_is_a_surprise(tmp_path: Path, lines: list[bytes]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([json.dumps(event("ana", at(0))).encode(), *lines]))
    source = ExportFile(file, LAST_MS)
    found = await run_backtest(source, Order(RULES, None, REFERENCE), 0, lambda step, count: None)
    seen = found.records + source.unreadable.reasons.total()
    assert seen == sum(bool(line.strip()) for line in file.read_bytes().split(b"\n"))


def test_an_example_cannot_control_the_terminal(tmp_path: Path) -> None:
    source = export(tmp_path, ["\x1b[2J\u202e{"])
    assert source.unreadable.examples[0]["text"] == "\ufffd[2J\ufffd{"
