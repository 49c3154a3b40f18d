"""Where Kafka's default partitioner sends a key, for every log adapter and whoever must know a customer's partition.

Promise: the same partition as any client with the Java default (murmur2 of the key, sign bit cut, modulo the count).
"""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2

KEYS_MAX = 1 << 16  # about 10 MB of the customers seen last: the hash is pure Python and costs 6 us for a UUID's text


@lru_cache(maxsize=KEYS_MAX)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition, 0 .. `partitions` - 1, of a key. Source: Kafka's `Utils.murmur2` and `BuiltInPartitioner`."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
