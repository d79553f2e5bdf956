"""Access to Kafka: the consumer, the producer and the topics."""
