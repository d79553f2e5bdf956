// Chromium for the tests: commands come as lines of JSON on stdin, answers go to stdout in their order.
//   node chromium.mjs /usr/bin/chromium
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox"] });
const visitors = new Map();
const pages = new Map();

const commands = {
  // A visitor has cookies and storage of their own; `before` runs at the start of each of their pages.
  async visitor({ visitor, before }) {
    const context = await browser.newContext({ userAgent: AGENT });
    await context.addInitScript(before);
    visitors.set(visitor, context);
  },
  async leave({ visitor }) {
    await visitors.get(visitor).close();
    visitors.delete(visitor);
  },
  async open({ visitor, page, url }) {
    const opened = await visitors.get(visitor).newPage();
    pages.set(page, opened);
    await opened.goto(url);
  },
  async go({ page, url }) {
    await pages.get(page).goto(url);
  },
  async run({ page, code }) {
    return await pages.get(page).evaluate(code);
  },
  async cookies({ visitor }) {
    return await visitors.get(visitor).cookies();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  try {
    const value = await commands[command](rest);
    console.log(JSON.stringify({ value: value === undefined ? null : value }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
