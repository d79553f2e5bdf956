"""How fresh scores are, from looks at Kafka and Redis."""

from app.freshness import Freshness, Offsets, Progress, ShardPosition, Source, State

START = 1_795_000_000_000
OLD = START - 3_600_000


def shard(checkpoint: int, arrived_ms: int = OLD, partition: int = 0, emptied: bool = False) -> ShardPosition:
    return ShardPosition(partition, checkpoint, arrived_ms, emptied)


class Watched:
    """One partition of lead-events and of a source, looked at every second."""

    def __init__(self) -> None:
        self.now_ms = START
        self.progress = Progress(START)

    def look(
        self,
        *shards: ShardPosition,
        end: int = 0,
        source: tuple[int, int] = (0, 0),
        workers: bool | None = True,
        ended_s: int = 0,
    ) -> Freshness:
        """``source`` is its end, as of ``ended_s`` ago, and what is done of it."""
        self.now_ms += 1000
        sources = [Source("web", 0, *source, self.now_ms - ended_s * 1000)]
        self.progress.add_look(Offsets({0: end, 1: 0}, sources, self.now_ms), shards, workers, self.now_ms)
        return self.progress.at(self.now_ms)

    def lag_s(self) -> float:
        return self.progress.lag_ms(self.now_ms) / 1000


def test_scores_are_current_while_nothing_waits() -> None:
    watched = Watched()

    fresh = watched.look(shard(5), end=5)

    assert (fresh.state, fresh.scored_until_ms, fresh.waiting) == (State.CURRENT, watched.now_ms, 0)
    assert watched.lag_s() == 0


def test_a_backlog_is_scored_until_the_last_scored_arrival() -> None:
    watched = Watched()

    fresh = watched.look(shard(5), end=9)

    assert (fresh.state, fresh.scored_until_ms, fresh.waiting) == (State.BEHIND, OLD, 4)
    assert watched.lag_s() == 3601


def test_a_partition_that_was_quiet_is_scored_until_nothing_waited() -> None:
    watched = Watched()
    watched.look(shard(5), end=5)
    level_ms = watched.now_ms

    fresh = [watched.look(shard(5), end=6) for _ in range(11)]

    assert {each.scored_until_ms for each in fresh} == {level_ms}
    assert [each.state for each in fresh] == [State.CURRENT] * 10 + [State.BEHIND]


def test_the_lag_is_the_age_of_the_oldest_event_that_waits_also_after_a_start() -> None:
    offsets = Offsets({0: 9, 1: 5}, [Source("web", 0, 30, 30, START), Source("crm", 2, 8, 4, START)], START)
    shards = [shard(5), shard(5, partition=1)]
    progress = Progress(START)

    assert progress.find_unseen(offsets, shards) == {("crm", 2): 4, ("", 0): 5}
    progress.add_look(offsets, shards, True, START, {("crm", 2): START - 7000, ("", 0): START - 3000})

    assert (progress.lag_ms(START), progress.at(START).scored_until_ms) == (7000, OLD)
    progress.add_look(offsets, [shard(9), shard(5, partition=1)], True, START, {("crm", 2): START - 7000})
    assert progress.lag_ms(START) == 7000
    assert progress.find_unseen(offsets, shards) == {("crm", 2): 4}


def test_the_slowest_partition_decides() -> None:
    watched = Watched()

    fresh = watched.look(shard(5), shard(7, START, partition=1), end=6)

    assert (fresh.scored_until_ms, fresh.waiting) == (OLD, 1)


def test_events_that_wait_in_a_source_topic_count() -> None:
    watched = Watched()

    fresh = watched.look(shard(5), end=5, source=(30, 10))

    assert (fresh.state, fresh.scored_until_ms, fresh.waiting) == (State.BEHIND, OLD, 20)


def test_scores_are_not_called_fresher_than_the_ends_that_were_read() -> None:
    watched = Watched()

    fresh = watched.look(shard(5), end=5, source=(30, 30), ended_s=4)

    assert fresh.scored_until_ms == watched.now_ms - 4000
    assert watched.lag_s() == 0


def test_a_source_that_is_behind_is_not_hidden_by_another_one() -> None:
    watched = Watched()
    watched.look(shard(5), end=5, source=(30, 30))
    level_ms = watched.now_ms

    fresh = [watched.look(shard(6 + i, watched.now_ms), end=6 + i, source=(40, 30)) for i in range(11)]

    assert {each.scored_until_ms for each in fresh} == {level_ms}
    assert fresh[-1].state is State.BEHIND


def test_events_that_were_forwarded_late_and_wait_again_are_not_called_scored() -> None:
    watched = Watched()
    watched.look(shard(5), end=5, source=(30, 30))
    level_ms = watched.now_ms
    for _ in range(10):
        watched.look(shard(5), end=5, source=(40, 30))

    fresh = watched.look(shard(7, level_ms), end=15, source=(40, 40))

    assert (fresh.scored_until_ms, fresh.waiting) == (level_ms, 8)


def test_a_backlog_that_shrinks_is_scored_until_the_last_end_that_was_reached() -> None:
    watched = Watched()
    times = []
    for i in range(2000):
        watched.look(shard(5), end=5, source=(10 * i, 0))
        times.append(watched.now_ms)

    fresh = watched.look(shard(5), end=5, source=(20_000, 15_005))

    reached = times[1500]
    assert reached - 16_000 <= (fresh.scored_until_ms or 0) <= reached


def test_a_clock_ahead_of_that_of_the_board_does_not_make_scores_fresher() -> None:
    watched = Watched()

    fresh = watched.look(shard(5, START + 3_600_000), end=9)

    assert fresh.scored_until_ms == watched.now_ms


def test_without_workers_that_is_said_although_nothing_waits() -> None:
    watched = Watched()
    watched.look(shard(5), end=5)

    states = [watched.look(shard(5), end=5, workers=False).state for _ in range(11)]

    assert states == [State.CURRENT] * 10 + [State.NO_WORKER]
    assert watched.look(shard(5), end=5, workers=True).state is State.CURRENT
    assert watched.look(shard(5), end=5, workers=None).state is State.CURRENT


def test_a_rebuild_is_said_until_everything_is_scored_again() -> None:
    watched = Watched()
    watched.look(shard(5), end=5)

    states = [
        watched.look(shard(0, 0, emptied=True), end=5).state,
        watched.look(shard(3, OLD), end=5).state,
        watched.look(shard(5, OLD), end=5).state,
    ]

    assert states == [State.REBUILDING, State.REBUILDING, State.CURRENT]


def test_a_rebuild_does_not_count_what_was_scored_before() -> None:
    watched = Watched()
    watched.look(shard(5), end=5)

    assert watched.look(shard(0, 0, emptied=True), end=5).scored_until is None
    assert watched.look(shard(3, OLD), end=5).scored_until_ms == OLD


def test_the_lag_grows_while_nobody_answers() -> None:
    watched = Watched()
    watched.look(shard(5), end=5)
    level_ms = watched.now_ms

    watched.now_ms += 60_000

    fresh = watched.progress.at(watched.now_ms)
    assert (fresh.state, fresh.scored_until_ms, fresh.is_notable) == (State.UNKNOWN, level_ms, True)
    assert watched.lag_s() == 60


def test_a_board_that_was_just_started_knows_nothing_and_warns_of_nothing() -> None:
    progress = Progress(START)

    just, later = progress.at(START + 5000), progress.at(START + 20_000)

    assert (just.state, just.scored_until, just.is_notable) == (State.UNKNOWN, None, False)
    assert later.is_notable
    assert (progress.scored_until_ms, progress.lag_ms(START + 20_000)) == (START, 20_000)


def test_freshness_is_described_in_words() -> None:
    assert Freshness(State.BEHIND, START, 7).describe() == (
        "Scoring is behind. All events that arrived until 2026-11-18T11:06:40.000Z are scored. Events waiting: 7."
    )
    assert "No event is scored yet" in Freshness(State.NO_WORKER, None, 7).describe()
    assert Freshness(State.BEHIND, START, 7).to_json() == {
        "scored_until": "2026-11-18T11:06:40.000Z",
        "freshness": "behind",
    }


def test_the_position_of_a_shard_is_read_from_its_control_record() -> None:
    assert ShardPosition.from_fields(2, {"ckpt": b"7", "arrived": b"9", "owner": b"w1"}) == (2, 7, 9, False)
    assert ShardPosition.from_fields(0, {"ckpt": b"0", "owner": b"rebuild"}) == (0, 0, 0, True)
