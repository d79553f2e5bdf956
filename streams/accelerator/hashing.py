"""Compute XXH3 hashes (xxHash 0.8, ``xxhash.h``) and murmur2, Kafka's partitioning hash, in compiled code.

XXH3 is used for message ids and for every lookup by bytes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from aiokafka import partitioner

from streams.accelerator.jit import compiled
from streams.accelerator.pointers import byte, word

MAX_BYTES: Final = 240
SEED: Final = np.uint64(hash("salted by the interpreter's secret") % 2**64)
"""Secret (unless PYTHONHASHSEED is set), so nobody can send texts that collide."""
_BYTES: Final = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_SECRET, _SHIFTED, _LAST = (
    np.frombuffer(_BYTES[at : at + size], "<u8") for at, size in ((0, 192), (3, 184), (119, 16))
)
_PRIME_1: Final = np.uint64(0x9E3779B185EBCA87)
_PRIME_2: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME_3: Final = np.uint64(0x165667B19E3779F9)
_MIX_1: Final = np.uint64(0x165667919E3779F9)
_MIX_2: Final = np.uint64(0x9FB21C651E98DF25)
_LOW: Final = np.uint64(0xFFFFFFFF)


@compiled
def xxh3(text, at, size, seed):
    """``xxhash.xxh3_64_intdigest`` of 1 to 240 bytes at an address; ``seed`` is an np.uint64."""
    if size <= 16:
        if size > 8:
            return _to_16(text, at, size, seed)
        return _to_8(text, at, size, seed) if size > 3 else _to_3(text, at, size, seed)
    total = np.uint64(size) * _PRIME_1
    if size <= 128:
        for i in range((size - 1) >> 5, -1, -1):
            total += _mix(text, at + 16 * i, _SECRET[4 * i], _SECRET[4 * i + 1], seed)
            total += _mix(text, at + size - 16 * (i + 1), _SECRET[4 * i + 2], _SECRET[4 * i + 3], seed)
        return _avalanche(total)
    for i in range(8):
        total += _mix(text, at + 16 * i, _SECRET[2 * i], _SECRET[2 * i + 1], seed)
    total = _avalanche(total)
    for i in range(8, size >> 4):
        total += _mix(text, at + 16 * i, _SHIFTED[2 * i - 16], _SHIFTED[2 * i - 15], seed)
    return _avalanche(total + _mix(text, at + size - 16, _LAST[0], _LAST[1], seed))


@compiled
def _to_3(text, at, size, seed):
    joined = (byte(text, at) << 16) | (byte(text, at + (size >> 1)) << 24) | byte(text, at + size - 1) | (size << 8)
    h = np.uint64(joined) ^ (((_SECRET[0] & _LOW) ^ (_SECRET[0] >> np.uint64(32))) + seed)
    h = (h ^ (h >> np.uint64(33))) * _PRIME_2
    h = (h ^ (h >> np.uint64(29))) * _PRIME_3
    return h ^ (h >> np.uint64(32))


@compiled
def _to_8(text, at, size, seed):
    seed ^= (_swapped(seed) >> np.uint64(32)) << np.uint64(32)
    joined = (word(text, at + size - 4) & _LOW) + (word(text, at) << np.uint64(32))
    h = joined ^ ((_SECRET[1] ^ _SECRET[2]) - seed)
    h ^= ((h << np.uint64(49)) | (h >> np.uint64(15))) ^ ((h << np.uint64(24)) | (h >> np.uint64(40)))
    h *= _MIX_2
    h ^= (h >> np.uint64(35)) + np.uint64(size)
    h *= _MIX_2
    return h ^ (h >> np.uint64(28))


@compiled
def _to_16(text, at, size, seed):
    low = word(text, at) ^ ((_SECRET[3] ^ _SECRET[4]) + seed)
    high = word(text, at + size - 8) ^ ((_SECRET[5] ^ _SECRET[6]) - seed)
    return _avalanche(np.uint64(size) + _swapped(low) + high + _folded(low, high))


@compiled
def _mix(text, at, first, second, seed):
    return _folded(word(text, at) ^ (first + seed), word(text, at + 8) ^ (second - seed))


@compiled
def _avalanche(h):
    h = (h ^ (h >> np.uint64(37))) * _MIX_1
    return h ^ (h >> np.uint64(32))


@compiled
def _folded(a, b):
    """Exclusive or of both halves of the 128-bit product of two words."""
    half = np.uint64(32)
    a_low, a_high, b_low, b_high = a & _LOW, a >> half, b & _LOW, b >> half
    low, cross, other, high = a_low * b_low, a_high * b_low, a_low * b_high, a_high * b_high
    middle = (low >> half) + (cross & _LOW) + other
    return ((middle << half) | (low & _LOW)) ^ (high + (cross >> half) + (middle >> half))


@compiled
def _swapped(word):
    swapped = np.uint64(0)
    for _ in range(8):
        swapped = (swapped << np.uint64(8)) | (word & np.uint64(0xFF))
        word >>= np.uint64(8)
    return swapped


murmur2: Any = compiled(partitioner.murmur2)
"""Kafka's partitioning hash; in Python, it costs more than scoring an event."""
