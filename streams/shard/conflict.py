"""The error for a step that is refused because the shard has changed."""


class Conflict(Exception):
    """Another worker has written the shard, or the store has lost recent steps: the shard must be read again."""

    def __init__(self, partition: int) -> None:
        super().__init__(f"another worker has written partition {partition}")
