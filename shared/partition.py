"""Which partition a key belongs to: Kafka's own default rule, so that every log and every client agrees.

Source: the Java client's `BuiltInPartitioner.partitionForKey`: murmur2 of the key, its sign bit cut, modulo the count.
"""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2

KEYS_REMEMBERED_MAX = 65_536  # the hash is plain Python, some microseconds a key; busy customers come again and again


@lru_cache(maxsize=KEYS_REMEMBERED_MAX)
def partition_for(key: bytes, partitions: int) -> int:
    """The partition, 0 to `partitions` - 1, that Kafka's default partitioner gives this key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
