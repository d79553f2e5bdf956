"""The error of a step that another writer came before."""


class Conflict(Exception):
    """Somebody else has written the shard, or the store went back in time: read it again."""

    def __init__(self, partition: int) -> None:
        super().__init__(f"partition {partition} was written by somebody else")
