"""A request over HTTP that is not taken, for the collector and the board."""


class Refusal(Exception):
    """A request that is not taken.

    ``status`` is what its sender understands; ``code`` and ``message`` go into the body.
    """

    def __init__(self, status: int, code: str, message: str, retry_after_s: int | None = None) -> None:
        """``retry_after_s`` goes into ``Retry-After``."""
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
