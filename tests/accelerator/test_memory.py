"""Compiled code stays within its memory, and an access beyond it is detected."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

from streams.accelerator import pointers
from streams.accelerator.codec import AcceleratedCodec
from streams.accelerator.kernels import memory as kernel_memory
from streams.accelerator.layout import new_leads, new_recent
from streams.accelerator.pointers import PADDING, Output, Overrun, Text
from streams.scoring.lead import OLDER
from tests.accelerator.guards import JUNK, guarded, read_byte, write_word
from tests.accelerator.test_codec import WHOLE, Fetched

OVER_READ = """
from streams.accelerator.pointers import PADDING, Text
from tests.accelerator.guards import guard_pages, read_byte

with guard_pages():
    text = Text(b"x" * {size})
    print(read_byte(text.address, {size} + PADDING - 1), flush=True)
    read_byte(text.address, {size} + PADDING)
"""


@pytest.mark.parametrize("size", [0, 1, 4096 - PADDING, 4096, 10_000])
def test_a_read_beyond_the_padding_ends_the_process(size: int) -> None:
    done = subprocess.run([sys.executable, "-c", OVER_READ.format(size=size)], capture_output=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (b"%d" % JUNK, -signal.SIGSEGV)


def test_tests_have_guard_pages() -> None:
    assert pointers.octets is guarded


def test_an_output_returns_the_written_bytes() -> None:
    output = Output(3)
    write_word(output.address, 0, 0x6162630000000000)
    assert bytes(output.written(3)) == b"abc"
    assert bytes(output.written(0)) == b""


@pytest.mark.parametrize("at", [-1, 3 + PADDING - 7, 3 + PADDING])
def test_a_write_beyond_the_buffer_is_detected(at: int) -> None:
    output = Output(3)
    write_word(output.address, at, 0)
    with pytest.raises(Overrun, match="wrote 3 bytes into a buffer of 3"):
        output.written(3)


def test_a_size_beyond_the_buffer_is_detected() -> None:
    with pytest.raises(Overrun):
        Output(3).written(4)


def test_only_the_counted_ids_are_read() -> None:
    leads, recent, rows = new_leads(2), new_recent(64, 2), np.arange(2)
    nothing, none, rings = np.zeros(0, np.int64), np.zeros(2, np.int64), np.frombuffer(b"abcdefghijklm", np.uint8)
    kernel_memory.unpack(leads, recent, rows, rings[:0], none, nothing, nothing.astype(np.uint64), rings, none + 1)
    assert leads["olds"].tolist() == [1, 1]
    assert [int(recent.old[row * OLDER]).to_bytes(6, "big") for row in rows] == [b"abcdef", b"ghijkl"]


@pytest.mark.parametrize("value", WHOLE)
def test_truncated_records_are_read_within_their_text(value: bytes) -> None:
    """Each record is alone in its text, so that a guard page follows its end."""
    codec = AcceleratedCodec(("properties.url",), ())
    for size in range(len(value)):
        assert len(codec.decode_batch([Fetched(value[:size], 0)], [""]).rejects) == 1
    assert codec.decode_batch([Fetched(value, 0)], [""]).batch.alone == {}


def test_the_padding_is_readable_and_not_initialized() -> None:
    text = Text(b"f")
    assert [read_byte(text.address, at) for at in range(1 + PADDING)] == [ord("f"), *[JUNK] * PADDING]
