"""What aiokafka raises, translated into the families of `shared.errors`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from aiokafka import errors as kafka

from shared.errors import Malformed, Refused, StagelineError, Unavailable

_TOO_LARGE = (kafka.MessageSizeTooLargeError, kafka.RecordTooLargeError, kafka.RecordListTooLargeError)
_DENIED = (
    kafka.TopicAuthorizationFailedError, kafka.GroupAuthorizationFailedError, kafka.ClusterAuthorizationFailedError,
    kafka.SaslAuthenticationFailed, kafka.UnknownTopicOrPartitionError, kafka.InvalidTopicError,
    kafka.InvalidPartitionsError, kafka.InvalidReplicationFactorError, kafka.InvalidConfigurationError,
    kafka.PolicyViolationError, kafka.InvalidSessionTimeoutError, kafka.InvalidGroupIdError,
    kafka.InconsistentGroupProtocolError,
)  # fmt: skip

FAILURES = (kafka.KafkaError, kafka.ConsumerStoppedError, kafka.IllegalOperation, OSError, TimeoutError)
"""Everything that a call of aiokafka may raise when the broker, and not our code, is the reason."""


def translate(error: BaseException, doing: str) -> StagelineError:
    """The named failure for one of `FAILURES`; `doing` says what was being done: "append to stageline.events"."""
    said = str(error) or type(error).__name__
    if isinstance(error, _TOO_LARGE):
        return Malformed(f"{doing}: the log takes no record that large: {said}")
    if isinstance(error, _DENIED):
        return Refused(f"{doing}: Kafka refuses: {said}")
    return Unavailable(f"{doing}: Kafka does not answer as it should: {said}")


@contextmanager
def translated(doing: str) -> Generator[None, None, None]:
    """Kafka's failures of the block leave it as ours, chained."""
    try:
        yield
    except FAILURES as error:
        raise translate(error, doing) from error
