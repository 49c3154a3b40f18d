"""The Kafka log: the port `shared/log.py` on Apache Kafka, through aiokafka."""

from shared.log_kafka.log import KafkaLog

__all__ = ["KafkaLog"]
