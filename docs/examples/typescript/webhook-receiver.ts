/**
 * Receives webhooks of Leadglow and stores their alerts in a file, each once, and those of a lead in their order.
 *
 *   HOOK_SECRET=whsec_… node dist/webhook-receiver.js 8080 alerts.jsonl
 */
import { createServer, type IncomingMessage } from "node:http";
import { HTTP, type CloudEventV1 } from "cloudevents";
import { Webhook } from "standardwebhooks";
import { AlertStore, type Alert } from "./alert-store.ts";

const MAX_BYTES = 8 * 1024 * 1024;
const [port, path] = process.argv.slice(2);
const hook = new Webhook(process.env.HOOK_SECRET ?? "");
const store = new AlertStore(path);

const server = createServer({ requestTimeout: 10_000 }, async (request, response) => {
  // 204 says that the alerts are stored. Only then Leadglow sends the next alert of the same lead.
  const status = await receive(request).catch(() => 500);
  response.writeHead(status, { connection: "close" }).end();
});
server.listen(Number(port), "127.0.0.1");

/** Verifies the bytes before anything else is done with them. Returns the status of the answer. */
async function receive(request: IncomingMessage): Promise<number> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BYTES) return 413;
    parts.push(part);
  }
  const body = Buffer.concat(parts).toString();
  try {
    hook.verify(body, request.headers as Record<string, string>, { jsonParse: false });
  } catch {
    return 401;
  }
  const events = HTTP.toEvent<Alert>({ headers: request.headers, body }); // a digest is a list
  store.store(Array.isArray(events) ? events : [events as CloudEventV1<Alert>]);
  return 204;
}
