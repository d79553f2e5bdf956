/** Stores alerts in a file, each once: one line of JSON for each, so that the lines are also the ids that are known. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
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
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
    for (const line of lines) this.#ids.add(JSON.parse(line).id);
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
