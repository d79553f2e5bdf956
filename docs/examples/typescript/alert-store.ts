/** Stores alerts in a file, each once: one line of JSON for each, so that the lines are also the ids that are known. */
import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs";
import type { CloudEventV1 } from "cloudevents";

/** The parts of an alert that are used here; docs/records.md describes all. */
export interface Alert {
  stage: { name: string; kind: "entered" | "left" };
}

export class AlertStore {
  readonly #path: string;
  readonly #ids = new Set<string>();

  constructor(path: string) {
    this.#path = path;
    const found = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    const whole = found.subarray(0, found.lastIndexOf("\n") + 1); // a crash may have torn the last line
    if (whole.length < found.length) truncateSync(path, whole.length);
    for (const line of whole.toString().split("\n").slice(0, -1)) this.#ids.add(JSON.parse(line).id);
  }

  /** Stores alerts in their order. One whose id is stored already is a repetition. */
  store(events: CloudEventV1<Alert>[]): void {
    for (const { id, subject, data } of events) {
      if (this.#ids.has(id) || !data) continue;
      const { kind, name } = data.stage;
      appendFileSync(this.#path, JSON.stringify({ id, lead: subject, kind, stage: name }) + "\n", { flush: true });
      this.#ids.add(id);
      console.log(`${subject} ${kind} ${name}`);
    }
  }
}
