"""Topics as they must be, and positions of groups, through Kafka's admin requests; one connection a call.

Promise: after `ensure` every topic has its partition count, is stamped by the broker, and every partition has a leader.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.structs import TopicPartition

from shared.errors import Refused
from shared.log import Topic
from shared.log_kafka.failure import FAILURES

REQUEST_TIMEOUT_MS = 10_000
CLOSE_TIMEOUT_S = 2
POLL_S = 0.1  # between two looks at a topic that is being made; making one takes about this long


@asynccontextmanager
async def admin_of(bootstrap: str) -> AsyncGenerator[AIOKafkaAdminClient, None]:
    """A connected admin client for the block, closed within a bound. Raises what aiokafka raises."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    finally:
        with suppress(*FAILURES):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await admin.close()


async def ensure_topics(bootstrap: str, topics: Sequence[Topic]) -> None:
    """Create what is missing, check what is there. Errors: Refused for a topic of another shape; aiokafka's else."""
    async with admin_of(bootstrap) as admin:
        await _create(admin, topics)
        for topic in topics:
            await _await_leaders(admin, topic)
        await _check_stamped_by_log(admin, topics)


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    missing = list(topics)
    while missing:
        response = await admin.create_topics([_as_asked(topic) for topic in missing])
        again = {name for name, code, *said in response.topic_errors if _is_to_be_asked_again(name, code, said)}
        missing = [topic for topic in missing if topic.name in again]
        if missing:
            await asyncio.sleep(POLL_S)


def _is_to_be_asked_again(name: str, code: int, said: Sequence[object]) -> bool:
    failure = for_code(code)
    if code == 0 or failure is TopicAlreadyExistsError:  # another process may be making the same ones
        return False
    if failure.retriable:  # the cluster is choosing a controller
        return True
    raise failure(f"{name}: {said[0] if said else ''}")


def _as_asked(topic: Topic) -> NewTopic:
    kept: dict[str, str] = {"cleanup.policy": "compact"}
    if not topic.compacted:
        retention_ms = -1 if topic.retention_ms is None else topic.retention_ms
        kept = {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}
    return NewTopic(
        topic.name,
        num_partitions=topic.partitions,
        replication_factor=-1,  # the cluster's own default
        replica_assignments={},
        topic_configs={**kept, "message.timestamp.type": "LogAppendTime"},
    )


async def _await_leaders(admin: AIOKafkaAdminClient, topic: Topic) -> None:
    """A new topic is known before it can be written; the caller bounds the wait."""
    while True:
        [found] = await admin.describe_topics([topic.name])
        partitions = found["partitions"]
        if found["error_code"] == 0 and all(part["leader"] >= 0 for part in partitions):
            break
        await asyncio.sleep(POLL_S)
    if len(partitions) != topic.partitions:
        raise Refused(
            f"topic {topic.name} has {len(partitions)} partitions, not {topic.partitions}: customers would "
            f"change their place. Set STAGELINE_PARTITIONS={len(partitions)}, "
            "or begin anew under another STAGELINE_TOPIC_PREFIX"
        )


async def _check_stamped_by_log(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic.name, {"message.timestamp.type": ""}) for topic in topics]
    for response in await admin.describe_configs(wanted):
        for code, _message, _kind, name, settings in (resource[:5] for resource in response.resources):
            if code:
                continue  # one who may not look at settings may still use the topic
            for setting, value, *_rest in settings:
                if setting == "message.timestamp.type" and value != "LogAppendTime":
                    raise Refused(f"topic {name} takes its times from writers: set {setting}=LogAppendTime on it")


async def committed_of(bootstrap: str, group: str, topic: str, partitions: frozenset[int]) -> dict[int, int]:
    """The group's positions, whether or not anybody is in it; the caller bounds the wait. Raises aiokafka's."""
    wanted = [TopicPartition(topic, partition) for partition in sorted(partitions)]
    if not wanted:
        return {}
    async with admin_of(bootstrap) as admin:
        while True:
            try:
                found = await admin.list_consumer_group_offsets(group, partitions=wanted)
            except (KafkaError, AttributeError) as error:
                # The group's coordinator is moving, or being made for the first group ever. aiokafka 0.14 looks for the
                # code of such a failure where the response has none, hence AttributeError.
                if isinstance(error, KafkaError) and not error.retriable:
                    raise
                await asyncio.sleep(POLL_S)
            else:
                return {place.partition: kept.offset for place, kept in found.items() if kept.offset >= 0}
