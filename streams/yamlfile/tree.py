"""A YAML file as a tree of plain values, each with its line and column, and the mistakes found in it."""

from __future__ import annotations

from dataclasses import dataclass, field

Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """A mistake: its line and column (counted from 1), a message and a remedy."""

    line: int
    column: int
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value with its line and column. The keys of a mapping are nodes, too, with their text as value."""

    line: int
    column: int
    value: Scalar | list[Node] | dict[Node, Node] | None
    raw: str = ""
    """A scalar as it is written, without quotes; a comment that may have been meant as a value."""
    quote: str = ""
    """The quote around a scalar; empty for a plain one."""
    folded: bool = False
    """Whether a plain scalar goes over several lines."""
    repeated: tuple[tuple[Node, Node], ...] = ()
    """Entries of a mapping whose key is there already, with contents that are worth a check."""

    def __str__(self) -> str:
        """The value as quoted in messages."""
        if isinstance(self.value, list | dict):
            return "a list" if isinstance(self.value, list) else "a mapping"
        if self.value is None:
            return "nothing"
        if self.value == "":
            return "an empty text"
        text = self.value if isinstance(self.value, str) else self.raw or str(self.value).lower()
        text = text.replace("\n", "\\n")
        return f"`{text[:40]}…`" if len(text) > 40 else f"`{text}`"


@dataclass(slots=True)
class Report:
    """The mistakes found so far, and warnings of what is allowed but surprising."""

    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)
    discreet: bool = False
    """Whether the file has secrets, so that messages must not repeat its text."""
    unreadable: dict[tuple[int, int], Mistake] = field(default_factory=dict)
    """Mistakes of scalars that cannot be read, by line and column. They hide all others at the same place."""

    def add(self, at: Node, message: str, remedy: str) -> None:
        """Add a mistake at a node."""
        self.mistakes.append(Mistake(at.line, at.column, message, remedy))

    def warn(self, at: Node, message: str, remedy: str) -> None:
        """Add a warning at a node."""
        self.warnings.append(Mistake(at.line, at.column, message, remedy))

    def add_unreadable(self, at: Node, message: str, remedy: str) -> None:
        """Add the mistake of a scalar that cannot be read."""
        self.add(at, message, remedy)
        self.unreadable[at.line, at.column] = self.mistakes[-1]

    def drop(self, at: Node) -> None:
        """Take back the mistakes at a node, which follow from another one."""
        self.mistakes[:] = [each for each in self.mistakes if (each.line, each.column) != (at.line, at.column)]

    def has_mistake(self, at: Node) -> bool:
        """Whether there is a mistake at a node."""
        return any((each.line, each.column) == (at.line, at.column) for each in self.mistakes)

    def summary(self) -> list[Mistake]:
        """The mistakes in the order of the file, without duplicates."""
        return sorted({self.unreadable.get((each.line, each.column), each) for each in self.mistakes})


def join(first: Node, second: Node) -> bool:
    """Join two mappings that have no name in common, or two lists without numbers; False for others."""
    if isinstance(first.value, dict) and isinstance(second.value, dict):
        names = {key.value for key in first.value}
        joins = bool(names and second.value) and names.isdisjoint(key.value for key in second.value)
        first.value.update(second.value if joins else {})
        return joins
    if isinstance(first.value, list) and isinstance(second.value, list):
        joins = not any(isinstance(item.value, int | float) for item in (*first.value, *second.value))
        first.value.extend(second.value if joins else ())
        return joins
    return False
