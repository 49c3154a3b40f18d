"""Keys go where Kafka's own clients send them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.partition import murmur2_in_python, partition_for


@given(st.binary(max_size=80), st.integers(1, 64))
def test_the_compiled_hash_and_the_plain_one_agree(key: bytes, partitions: int) -> None:
    assert partition_for(key, partitions) == (murmur2_in_python(key) & 0x7FFFFFFF) % partitions
