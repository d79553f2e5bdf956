// Sends a story with an SDK for servers, and ends when it is delivered.
//   node servers.mjs segment|rudder HOST WRITE_KEY < story.json
import { readFileSync } from "node:fs";

const [sdk, host, writeKey] = process.argv.slice(2);
const story = JSON.parse(readFileSync(0, "utf8"));

const makers = {
  async segment() {
    const { Analytics } = await import("@segment/analytics-node");
    const analytics = new Analytics({ writeKey, host });
    return [analytics, () => analytics.closeAndFlush()];
  },
  async rudder() {
    const { default: Analytics } = await import("@rudderstack/rudder-sdk-node");
    const analytics = new Analytics(writeKey, { dataPlaneUrl: host });
    return [analytics, () => analytics.flush()];
  },
};

const [analytics, finish] = await makers[sdk]();
for (const { type, ...call } of story) analytics[type](call);
await finish();
