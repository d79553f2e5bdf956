"""Chooses the implementation of scoring: the reference, or the accelerator, which computes the same bytes faster."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from aiokafka.partitioner import murmur2

from streams.crosscheck import CheckedCodec, CheckedScorer
from streams.events.codec import Codec, LeadCodec
from streams.scoring.interface import LeadScorer
from streams.scoring.rules import Rules
from streams.scoring.scorer import Scorer
from streams.transport.batches import ForwardCalls

Choice = Literal["auto", "on", "off", "check"]


class AcceleratorMissing(Exception):
    """The accelerator is required but cannot be imported."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the accelerator cannot be imported ({error}): pip install 'leadglow[fast]'")


@dataclass(frozen=True, slots=True)
class Implementation:
    """The functions that create the scorer and the codec of a shard."""

    name: str
    scorer: Callable[[Rules, Callable[[str], bool]], LeadScorer[Any]]
    codec: Callable[[tuple[str, ...], Collection[str]], LeadCodec]
    murmur2: Callable[[bytes], int]
    forward: ForwardCalls | None = None
    """Converts many source records at once, if the implementation can."""
    warm_up: Callable[[], None] = lambda: None
    """Compiles everything in advance, so that no event has to wait for it."""
    reason: str = ""
    """Why it was chosen, if that is not obvious."""
    cache: Path | None = None
    """The folder of compiled code."""

    @property
    def keeps_code(self) -> bool:
        """Whether compiled code is there for the next start; true for an implementation that compiles nothing."""
        return self.cache is None or any(self.cache.rglob("*.nbi"))


REFERENCE = Implementation("reference", Scorer, Codec, murmur2)


def choose(choice: Choice = "auto") -> Implementation:
    """Choose the implementation for a value of LEADGLOW_ACCELERATOR.

    Raises:
        AcceleratorMissing: the accelerator is required but cannot be imported.
    """
    if choice == "off":
        return REFERENCE
    try:
        accelerator = _accelerator()
    except (ImportError, OSError) as error:  # OSError: a library of LLVM cannot be loaded
        if choice == "auto":
            return replace(REFERENCE, reason=str(error))
        raise AcceleratorMissing(error) from error
    return _checked(accelerator) if choice == "check" else accelerator


def _accelerator() -> Implementation:
    from streams.accelerator.codec import AcceleratedCodec
    from streams.accelerator.forwarding import forward_calls
    from streams.accelerator.hashing import murmur2
    from streams.accelerator.jit import folder
    from streams.accelerator.scorer import AcceleratedScorer
    from streams.accelerator.warm_up import warm_up

    return Implementation(
        "accelerator", AcceleratedScorer, AcceleratedCodec, murmur2, forward_calls, warm_up, cache=folder
    )


def _checked(accelerator: Implementation) -> Implementation:
    return replace(
        accelerator,
        name="checked accelerator",
        forward=None,
        scorer=lambda rules, at_home: cast(
            LeadScorer[Any], CheckedScorer(accelerator.scorer(rules, at_home), Scorer(rules, at_home))
        ),
        codec=lambda paths, numeric: CheckedCodec(accelerator.codec(paths, numeric), Codec(paths, numeric)),
    )
