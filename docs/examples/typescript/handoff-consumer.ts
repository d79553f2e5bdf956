/**
 * Stores the alerts of the topic `handoff` in a file, each once, and those of a lead in their order.
 *
 *   node dist/handoff-consumer.js localhost:9092 handoff alerts.jsonl
 */
import { Kafka as Binding, type CloudEventV1 } from "cloudevents";
import { Kafka, logLevel, type KafkaMessage } from "kafkajs";
import { AlertStore, type Alert } from "./alert-store.ts";

const [servers, topic, path] = process.argv.slice(2);
const store = new AlertStore(path);
const kafka = new Kafka({ brokers: servers.split(","), logLevel: logLevel.WARN });
const consumer = kafka.consumer({ groupId: "alerts-in-a-file" });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  // Called for one record of a partition after the other, and all alerts of a lead are in one partition.
  // Offsets are committed after this returns, so that an end at any time loses nothing.
  eachMessage: async ({ message }) => store.store([readAlert(message)]),
});

/** The alert in a record; its parts come as bytes, and the library reads texts. */
function readAlert({ key, value, headers }: KafkaMessage): CloudEventV1<Alert> {
  const texts = Object.fromEntries(Object.entries(headers ?? {}).map(([name, bytes]) => [name, String(bytes)]));
  const message = { key: String(key), value: String(value), headers: texts, body: String(value) };
  return Binding.toEvent<Alert>(message) as CloudEventV1<Alert>;
}
