from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.servers import Running


async def test_produced_records_can_be_consumed(kafka: Running, unique: str) -> None:
    topic = f"{unique}-events"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()

    async with AIOKafkaProducer(
        bootstrap_servers=kafka.address, acks="all", enable_idempotence=kafka.idempotent
    ) as producer:
        for number in range(100):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)

    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.address, enable_auto_commit=False)
    async with consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        values = [(await consumer.getone()).value for _ in range(100)]

    assert values == [b"%d" % number for number in range(100)]
