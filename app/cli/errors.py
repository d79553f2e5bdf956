"""The error with which a command ends."""

from streams.exits import Exit


class CommandError(Exception):
    """A command cannot do what it was asked for; the message says what to do about it."""

    def __init__(self, status: Exit, message: str) -> None:
        super().__init__(message)
        self.status = status
