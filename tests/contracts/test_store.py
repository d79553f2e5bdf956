"""What every store must do, whatever is behind it."""

from __future__ import annotations

from array import array
from random import Random
from typing import Any

import pytest
from redis.exceptions import ResponseError

from streams.clock import now_ms
from streams.scoring.packed import Packed
from streams.store.base import Commit, Control, Entry, Store, Verdict
from streams.store.checks import SALES_ROWS
from streams.store.history import add, points
from streams.units import DAY_MS, HOUR_MS

pytestmark = pytest.mark.asyncio

P = 3
EPOCH_MS = 1_767_225_600_123.0
BINARY = bytes(range(256)) * 2


def step(version: int, **changes: Any) -> Commit:
    after = f"step-{version - 1}" if version else ""
    return Commit(version, after, f"step-{version}", changes.pop("fields", {"ckpt": b"%d" % version}), **changes)


async def snapshot(store: Store, partition: int = P) -> tuple[object, ...]:
    return (
        await store.control(partition),
        sorted([item async for item in store.scan(partition)]),
        await store.due(partition, float("inf"), 100),
        await store.top(partition, "sales", 100),
        await store.outbox(partition),
        sorted(await store.dirty(partition)),
        await store.counts(partition),
    )


def full_step(version: int = 0) -> Commit:
    return step(
        version,
        leads={"ann": BINARY, "bob": b""},
        due={"ann": EPOCH_MS},
        ranks={"sales": {"ann": 10.0, "bob": 3.0}},
        outbox=[Entry(version + 1, b"alert")],
        dirty=["ann"],
    )


async def test_an_untouched_shard_is_empty_at_version_zero(store: Store) -> None:
    assert await store.control(P) == Control()
    assert await store.load(P, ["ann"]) == [None]
    assert await store.load(P, []) == []
    assert await store.next_due(P) is None
    assert await store.top(P, "sales", 10) == []
    assert await store.counts(P) == {"leads": 0, "due": 0, "outbox": 0, "dirty": 0}


async def test_a_step_puts_in_everything_and_counts_the_version_up(store: Store) -> None:
    assert await store.commit(P, full_step()) is Verdict.OK
    assert await store.control(P) == Control(1, "step-0", {"ckpt": b"0"})
    assert await store.load(P, ["bob", "nobody", "ann"]) == [b"", None, BINARY]
    assert await store.due(P, EPOCH_MS, 10) == ["ann"]
    assert [await store.count_due(P, EPOCH_MS + late) for late in (-1, 0)] == [0, 1]
    assert await store.top(P, "sales", 10) == [("ann", 10.0), ("bob", 3.0)]
    assert await store.outbox(P) == [Entry(1, b"alert")]
    assert await store.dirty(P) == ["ann"]
    assert await store.counts(P) == {"leads": 2, "due": 1, "outbox": 1, "dirty": 1}
    assert store.healthy


async def test_a_repeated_step_is_a_duplicate_and_changes_nothing(store: Store) -> None:
    await store.commit(P, full_step())
    before = await snapshot(store)
    assert await store.commit(P, full_step()) is Verdict.DUP
    assert await snapshot(store) == before


@pytest.mark.parametrize("after", ["", "step-1", "step-1 of somebody else"])
async def test_a_step_that_follows_another_one_is_a_conflict_and_changes_nothing(store: Store, after: str) -> None:
    await store.commit(P, full_step())
    before = await snapshot(store)
    other = full_step(1)
    other.after = after
    assert await store.commit(P, other) is Verdict.CONFLICT
    assert await snapshot(store) == before


async def test_an_older_step_than_the_last_is_a_conflict(store: Store) -> None:
    await store.commit(P, step(0))
    await store.commit(P, step(1))
    assert await store.commit(P, step(0)) is Verdict.CONFLICT


async def test_fields_are_binary_safe_and_those_not_named_stay(store: Store) -> None:
    await store.commit(P, step(0, fields={"ckpt": BINARY, "owner": b"w1"}))
    await store.commit(P, step(1, fields={"ckpt": b"\x00\xff"}))
    assert (await store.control(P)).fields == {"ckpt": b"\x00\xff", "owner": b"w1"}


async def test_a_step_without_fields_is_a_step(store: Store) -> None:
    assert await store.commit(P, step(0, fields={})) is Verdict.OK
    assert await store.control(P) == Control(1, "step-0", {})


async def test_a_removed_lead_leaves_leads_due_and_every_ranking(store: Store) -> None:
    lead_ids = ("ann", "bob")
    ranks: dict[str, dict[str, float | None]] = {c: {"ann": 1.0, "bob": 2.0} for c in ("sales", "trial")}
    await store.commit(
        P, step(0, leads=dict.fromkeys(lead_ids, b"x"), due=dict.fromkeys(lead_ids, EPOCH_MS), ranks=ranks)
    )
    await store.commit(P, step(1, leads={"ann": None}, due={"ann": EPOCH_MS + 1}, ranks={"sales": {"ann": 9.0}}))
    assert await store.load(P, ["ann", "bob"]) == [None, b"x"]
    assert await store.due(P, float("inf"), 10) == ["bob"]
    for scorecard in ranks:
        assert await store.top(P, scorecard, 10) == [("bob", 2.0)]


async def test_none_takes_a_lead_out_of_due_or_one_ranking_only(store: Store) -> None:
    await store.commit(P, full_step())
    await store.commit(P, step(1, due={"ann": None, "bob": 5.0}, ranks={"sales": {"bob": None}}))
    assert await store.due(P, float("inf"), 10) == ["bob"]
    assert await store.top(P, "sales", 10) == [("ann", 10.0)]
    assert await store.load(P, ["ann", "bob"]) == [BINARY, b""]


async def test_due_comes_earliest_first_up_to_the_time_and_the_limit(store: Store) -> None:
    times: dict[str, float | None] = {"c": 20.0, "b": 10.0, "a": 20.0, "d": 30.0, "e": 20.5}
    await store.commit(P, step(0, due=times))
    assert await store.due(P, 20.0, 10) == ["b", "a", "c"]
    assert await store.due(P, 30.0, 2) == ["b", "a"]
    assert await store.due(P, 30.0, 10) == ["b", "a", "c", "e", "d"]
    assert await store.next_due(P) == 10.0


async def test_a_due_time_that_moves_counts_once_at_its_new_time(store: Store) -> None:
    for version, due_ms in enumerate([50.0, 10.0, 50.0]):
        await store.commit(P, step(version, due={"ann": due_ms}))
    assert await store.next_due(P) == 50.0
    assert await store.due(P, 49.0, 10) == []
    assert await store.due(P, 50.0, 10) == ["ann"]
    assert (await store.counts(P))["due"] == 1


@pytest.mark.parametrize("due_ms", [EPOCH_MS, 1767225600123.4567, 2.0**53 - 1, 0.1, 0.0, 1e-300, -5.25, 7])
async def test_times_and_scores_are_exact(store: Store, due_ms: float) -> None:
    await store.commit(P, step(0, due={"ann": due_ms}, ranks={"sales": {"ann": due_ms}}))
    assert await store.next_due(P) == due_ms
    assert await store.top(P, "sales", 1) == [("ann", due_ms)]


async def test_top_orders_equal_scores_by_lead_id_even_at_the_cut(store: Store) -> None:
    scores: dict[str, float | None] = {**dict.fromkeys("zaém", 5.0), "low": -1.5, "zero": 0.0, "top": 9.5}
    await store.commit(P, step(0, ranks={"sales": scores}))
    order = [("top", 9.5), ("a", 5.0), ("m", 5.0), ("z", 5.0), ("é", 5.0), ("zero", 0.0), ("low", -1.5)]
    for limit in range(len(order) + 2):
        assert await store.top(P, "sales", limit) == order[:limit]
    assert await store.top(P, "unknown", 3) == []


async def test_the_outbox_keeps_order_and_is_trimmed_up_to_a_seq(store: Store) -> None:
    first = 2**53
    entries = [Entry(first + n, BINARY + b"%d" % n) for n in range(5)]
    await store.commit(P, step(0, outbox=entries))
    assert await store.outbox(P) == entries
    assert await store.outbox(P, 2) == entries[:2]
    await store.commit(P, step(1, trim_to=first + 2, outbox=[Entry(first + 9, b"new")]))
    assert await store.outbox(P) == [*entries[3:], Entry(first + 9, b"new")]
    await store.commit(P, step(2, trim_to=first + 9))
    assert await store.outbox(P) == []


async def test_a_seq_that_was_used_is_refused_whole_even_when_it_was_trimmed(store: Store) -> None:
    await store.commit(P, full_step(0))
    await store.commit(P, step(1, trim_to=1))
    before = await snapshot(store)
    with pytest.raises((ValueError, ResponseError), match=r"used before|equal or smaller"):
        await store.commit(P, step(2, outbox=[Entry(1, b"again")], clean=["ann"], leads={"new": b"x"}))
    assert await snapshot(store) == before


async def test_clean_comes_before_dirty(store: Store) -> None:
    await store.commit(P, step(0, dirty=["ann", "bob"]))
    await store.commit(P, step(1, clean=["ann", "bob"], dirty=["ann", "cid"]))
    assert sorted(await store.dirty(P)) == ["ann", "cid"]


UNSOUND = {
    "a due time that is not a number": {"due": {"ann": float("nan")}},
    "an infinite score": {"ranks": {"sales": {"ann": float("inf")}}},
    "a field of the store itself": {"fields": {"version": b"9"}},
    "a descending outbox": {"outbox": [Entry(5, b""), Entry(4, b"")]},
    "a new entry that is trimmed at once": {"outbox": [Entry(5, b"")], "trim_to": 5},
}


@pytest.mark.parametrize("changes", UNSOUND.values(), ids=UNSOUND.keys())
async def test_an_unsound_step_is_refused_whole(store: Store, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"finite|reserved for the store|ascend"):
        await store.commit(P, step(0, leads={"ann": b"x"}, **changes))
    assert await store.control(P) == Control()
    assert await store.load(P, ["ann"]) == [None]


async def test_a_step_needs_an_id(store: Store) -> None:
    with pytest.raises(ValueError, match="step id"):
        await store.commit(P, Commit(0, "", "", {}))


async def test_thousands_of_leads_go_in_one_step_and_out_again(store: Store) -> None:
    leads: dict[str, bytes | None] = {f"lead-{n:05}": b"%d\x00\xff" % n for n in range(9001)}
    scores: dict[str, float | None] = {lead_id: float(n) for n, lead_id in enumerate(leads)}
    await store.commit(P, step(0, leads=leads, due=scores, ranks={"sales": scores}, dirty=list(leads)))
    assert await store.load(P, list(leads)) == list(leads.values())
    assert dict([item async for item in store.scan(P)]) == leads
    assert await store.due(P, float("inf"), 9001) == list(leads)
    assert await store.top(P, "sales", 2) == [("lead-09000", 9000.0), ("lead-08999", 8999.0)]
    assert sorted(await store.dirty(P)) == list(leads)
    await store.commit(P, step(1, leads=dict.fromkeys(leads), clean=list(leads)))
    assert await store.counts(P) == {"leads": 0, "due": 0, "outbox": 0, "dirty": 0}
    assert await store.top(P, "sales", 2) == []


def packed(leads: dict[str, bytes]) -> Packed:
    """What compiled code makes of these."""
    wire, spans = b"", array("q")
    for lead_id, blob in leads.items():
        name = lead_id.encode()
        wire += b"\r\n$%d\r\n%b\r\n$%d\r\n" % (len(name), name, len(blob))
        spans.extend((len(wire), len(wire) + len(blob)))
        wire += blob
    return Packed(list(leads), memoryview(wire), memoryview(spans).cast("B").cast("q", [len(leads), 2]))


@pytest.mark.parametrize("size", [1, 300])
async def test_packed_leads_are_put_in_with_the_others_and_count_where_they_are_in_both(
    store: Store, size: int
) -> None:
    more = {"zoë": b"more\r\n", "eve": b"", **{f"lead-{n}": b"%d" % n for n in range(size)}}
    await store.commit(P, step(0, leads={"old": b"old"}))
    assert await store.commit(P, step(1, leads={"ann": BINARY, "zoë": b"less", "old": None}, packed=packed(more)))
    assert dict([item async for item in store.scan(P)]) == {"ann": BINARY, **more}


@pytest.mark.parametrize("lead_id", ["", "a b", "x" * 40, "x" * 70_000, "naïve-Ω-🔥", "nul\x00", "12", "1e5"])
async def test_any_text_is_a_lead_id(store: Store, lead_id: str) -> None:
    await store.commit(
        P, step(0, leads={lead_id: b"v"}, due={lead_id: 1.0}, ranks={"s": {lead_id: 2.0}}, dirty=[lead_id])
    )
    assert await store.load(P, [lead_id]) == [b"v"]
    assert [item async for item in store.scan(P)] == [(lead_id, b"v")]
    assert await store.due(P, 1.0, 1) == await store.dirty(P) == [lead_id]
    assert await store.top(P, "s", 1) == [(lead_id, 2.0)]


@pytest.mark.parametrize("size", [0, 1, 31, 255, 256, 65_535, 65_536, 1_000_000])
async def test_a_blob_of_any_size_comes_back_as_it_was(store: Store, size: int) -> None:
    blob = (BINARY * (size // 512 + 1))[:size]
    await store.commit(P, step(0, leads={"ann": blob}, outbox=[Entry(1, blob)]))
    assert await store.load(P, ["ann"]) == [blob]
    assert await store.outbox(P) == [Entry(1, blob)]


async def test_shards_do_not_touch_each_other_and_wipe_takes_one(store: Store) -> None:
    for partition in range(8):
        await store.commit(partition, full_step())
    other = await snapshot(store, 4)
    await store.wipe(P)
    assert await store.control(P) == Control()
    assert await store.top(P, "sales", 5) == []
    assert await store.counts(P) == {"leads": 0, "due": 0, "outbox": 0, "dirty": 0}
    assert await snapshot(store, 4) == other
    assert await store.commit(P, full_step()) is Verdict.OK


async def test_the_time_is_that_of_a_clock_that_goes_on(store: Store) -> None:
    first = await store.time_ms()
    assert abs(first - now_ms()) < HOUR_MS
    assert first <= await store.time_ms()


async def test_meta_keeps_the_first_value(store: Store) -> None:
    assert await store.meta("partitions") == ""
    assert await store.meta("partitions", "8") == "8"
    assert await store.meta("partitions") == "8"
    assert await store.meta("partitions", "16") == "8"
    assert await store.meta("scorecard", "a") == "a"


def ranked_step(version: int, scores: dict[str, float | None], second: int = 0) -> Commit:
    return step(version, ranks={"sales": scores}, second=second)


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_a_ranking_read_in_pages_is_the_ranking(store: Store, limit: int) -> None:
    scores: dict[str, float | None] = {"zé": 2.0, "Z": 2.0, "é": -3.5}
    scores.update({f"lead-{i:02}": float(i % 4) for i in range(21)})
    await store.commit(P, ranked_step(0, scores))
    found: list[tuple[str, float]] = []
    after: tuple[float, str] | None = None
    while page := await store.ranked(P, "sales", after, limit):
        found += page
        after = (page[-1][1], page[-1][0])
    assert found == await store.top(P, "sales", 100)
    assert len(found) == len(scores)


async def test_a_ranking_goes_on_after_a_lead_that_has_moved_or_gone(store: Store) -> None:
    await store.commit(P, ranked_step(0, {"a": 5.0, "b": 4.0, "c": 4.0, "d": 4.0, "e": 1.0}))
    await store.commit(P, ranked_step(1, {"b": 9.0, "c": None}))
    assert await store.ranked(P, "sales", (4.0, "b"), 10) == [("d", 4.0), ("e", 1.0)]
    assert await store.ranked(P, "sales", (4.0, "c"), 10) == [("d", 4.0), ("e", 1.0)]
    assert await store.ranked(P, "sales", (3.5, ""), 10) == [("e", 1.0)]
    assert await store.ranked(P, "sales", (0.0, ""), 10) == []


async def test_a_ranking_can_begin_at_a_score(store: Store) -> None:
    await store.commit(P, ranked_step(0, {"a": 5.0, "b": 4.0, "c": 4.0, "d": 1.0}))
    assert await store.ranked(P, "sales", None, 2, at_most=4.0) == [("b", 4.0), ("c", 4.0)]
    assert await store.ranked(P, "sales", (4.0, "b"), 9, at_most=4.0) == [("c", 4.0), ("d", 1.0)]
    assert await store.ranked(P, "sales", (4.0, "b"), 9, at_most=3.0) == [("d", 1.0)]
    assert await store.ranked(P, "sales", None, 0) == []
    assert await store.ranked(P, "nobody", None, 5) == []


async def test_a_ranking_is_counted_from_places_on(store: Store) -> None:
    await store.commit(P, ranked_step(0, {"a": 5.25, "b": 4.0, "c": 4.0, "d": -1.5}))
    assert await store.count_ranked(P, "sales", [6, 5.25, 4, -1, -1.5, float("-inf")]) == [0, 1, 3, 3, 4, 4]
    assert await store.count_ranked(P, "sales", []) == []
    assert await store.count_ranked(P, "nobody", [0.0]) == [0]


async def test_leads_at_positions_of_a_ranking_are_read(store: Store) -> None:
    await store.commit(P, ranked_step(0, {"a": 5.25, "b": 4.0, "c": 4.0, "d": -1.5}))
    assert await store.pick_ranked(P, "sales", [0, 2, 3, 4]) == [("a", 5.25), ("c", 4.0), ("d", -1.5)]
    assert await store.pick_ranked(P, "sales", []) == []
    assert await store.pick_ranked(P, "nobody", [0]) == []


async def test_a_step_with_a_time_lengthens_the_histories_of_ranked_leads(store: Store) -> None:
    assert await store.history(P, "sales", ["ann", "bob"]) == [b"", b""]
    await store.commit(P, ranked_step(0, {"ann": 10.0, "bob": 3.0}, second=1000))
    await store.commit(P, ranked_step(1, {"ann": 10.0}, second=1005))
    await store.commit(P, ranked_step(2, {"ann": -4.0}, second=1010))
    await store.commit(P, ranked_step(3, {"bob": 5.0}))
    ann, bob, nobody = await store.history(P, "sales", ["ann", "bob", "nobody"])
    assert (points(ann), points(bob), nobody) == ([(1000, 10), (1010, -4)], [(1000, 3)], b"")
    assert await store.history(P, "trial", ["ann"]) == [b""]
    assert await store.history(P, "sales", []) == []


async def test_a_repeated_step_lengthens_no_history(store: Store) -> None:
    for _ in range(2):
        await store.commit(P, ranked_step(0, {"ann": 10.0}, second=1000))
    assert points((await store.history(P, "sales", ["ann"]))[0]) == [(1000, 10)]


async def test_a_history_goes_with_its_lead(store: Store) -> None:
    await store.commit(P, ranked_step(0, {"ann": 10.0, "bob": 3.0, "cat": 1.0}, second=1000))
    await store.commit(P, step(1, ranks={"sales": {"ann": None}}, leads={"bob": None}))
    assert [bool(h) for h in await store.history(P, "sales", ["ann", "bob", "cat"])] == [False, False, True]
    await store.wipe(P)
    assert await store.history(P, "sales", ["cat"]) == [b""]


async def test_histories_are_thinned_alike_everywhere(store: Store) -> None:
    random = Random(7)
    expected, at_s = b"", 1_795_000_000
    for version in range(400):
        at_s += random.choice([-3, 0, 1, 7, 300, 5000, 90_000])
        score = float(random.choice([*range(-60, 130), 70_000, -70_000]))
        expected = add(expected, at_s, score)
        await store.commit(P, ranked_step(version, {"ann": score}, second=at_s))
        assert (await store.history(P, "sales", ["ann"]))[0] == expected


async def test_fired_signals_are_counted_once_by_day(store: Store) -> None:
    for _ in range(2):
        await store.commit(P, step(0, day=100, fired={"page view": (3, None), "order": (1, 2.5)}))
    await store.commit(P, step(1, day=100, fired={"page view": (1, None), "order": (2, 0.25)}))
    await store.commit(P, step(2, day=101, fired={"order": (1, 1.0)}))
    assert await store.fired(P, [100]) == {"page view": (4, None), "order": (3, 2.75)}
    assert await store.fired(P, [101, 100]) == {"page view": (4, None), "order": (4, 3.75)}
    assert await store.fired(P, [99, 102]) == {}


async def test_fired_signals_are_kept_for_nine_days(store: Store) -> None:
    for version, day in enumerate([100, 104, 109, 100, 101]):
        await store.commit(P, step(version, day=day, fired={"order": (1, None)}))
    assert {day for day in range(90, 120) if await store.fired(P, [day])} == {101, 104, 109}
    await store.wipe(P)
    assert await store.fired(P, range(90, 120)) == {}


async def test_rows_for_results_are_kept_once_in_order_of_time(store: Store) -> None:
    late, early = (700 * DAY_MS, '["won"]'), (699 * DAY_MS, '["größer"]')
    for _ in range(2):
        await store.commit(P, step(0, day=700, sales=[late, early]))
    await store.commit(P, step(1, day=700, sales=[late, (700 * DAY_MS, '["entered"]')]))
    assert await store.sales(P, 0) == [text.encode() for text in ('["größer"]', '["entered"]', '["won"]')]
    assert await store.sales(P, 700 * DAY_MS) == [b'["entered"]', b'["won"]']
    assert await store.sales(P, 700 * DAY_MS, 1) == [b'["entered"]']
    await store.commit(P, step(2, day=1100))
    assert len(await store.sales(P, 0)) == 3
    await store.commit(P, step(3, day=1100, sales=[(700 * DAY_MS - 1, "old")]))
    assert await store.sales(P, 0) == [b'["entered"]', b'["won"]']
    await store.wipe(P)
    assert await store.sales(P, 0) == []


async def test_the_latest_rows_for_results_are_kept(store: Store) -> None:
    rows = [(900 * DAY_MS + i, f"{i}") for i in range(SALES_ROWS + 2)]
    await store.commit(P, step(0, day=900, sales=rows))
    assert await store.sales(P, 0) == [text.encode() for _, text in rows[2:]]


async def test_meta_is_replaced_where_it_is_the_expected_one(store: Store) -> None:
    assert await store.replace_meta("format", "1", "2") == ""
    assert await store.replace_meta("format", "", "größer") == "größer"
    assert await store.replace_meta("format", "", "2") == "größer"
    assert await store.replace_meta("format", "g", "2") == "größer"
    assert await store.replace_meta("format", "größer", "2") == await store.meta("format") == "2"
