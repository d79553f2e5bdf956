// Chromium for the tests: commands come as lines of JSON on stdin, answers go to stdout in their order.
//   node chromium.mjs /usr/bin/chromium
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

const CLOSE_MS = 2000;

// Chromium 156.0.8078.108 does not confirm that it closed a page that went to about:blank.
function atMost(ms, work) {
  return Promise.race([work, new Promise((done) => setTimeout(done, ms).unref())]);
}

const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox"] });
const visitors = new Map();
const pages = new Map();
const noted = new Map();
const AXE = readFileSync(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");

function watch(name, opened) {
  const notes = { complaints: [], requests: [] };
  noted.set(name, notes);
  opened.on("console", (each) => ["error", "warning"].includes(each.type()) && notes.complaints.push(each.text()));
  opened.on("pageerror", (error) => notes.complaints.push(String(error)));
  opened.on("dialog", (dialog) => {
    notes.complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  opened.on("request", (request) => notes.requests.push(request.url()));
}

// Runs in the page: asking and running are one, so that no page can come between.
async function whenParsed(code) {
  return document.readyState === "loading" ? null : { value: await (0, eval)(code) };
}

const commands = {
  // A visitor has cookies and storage of their own; `before` runs at the start of each of their pages.
  async visitor({ visitor, before, options }) {
    const context = await browser.newContext({ userAgent: AGENT, ...options });
    await context.addInitScript(before);
    visitors.set(visitor, context);
  },
  async leave({ visitor }) {
    const context = visitors.get(visitor);
    await atMost(CLOSE_MS, Promise.all(context.pages().map((page) => page.close())));
    await atMost(CLOSE_MS, context.close());
    visitors.delete(visitor);
  },
  async open({ visitor, page, url }) {
    const opened = await visitors.get(visitor).newPage();
    pages.set(page, opened);
    watch(page, opened);
    await opened.goto(url);
  },
  async go({ page, url }) {
    const opened = pages.get(page);
    await opened.goto(url).catch(async (error) => {
      if (!error.message.includes("interrupted by another navigation")) throw error;
      await opened.waitForLoadState(); // the page that follows a form has come meanwhile
      await opened.goto(url);
    });
  },
  // The value of code in a page that has all of its elements; where another is on its way, that one is meant.
  async run({ page, code }) {
    const opened = pages.get(page);
    for (;;) {
      try {
        const done = await opened.evaluate(whenParsed, code);
        if (done) return done.value;
      } catch (error) {
        if (!String(error).includes("context was destroyed")) throw error;
      }
      await opened.waitForLoadState("domcontentloaded");
    }
  },
  // Keys as playwright names them.
  async point({ page, x, y }) {
    await pages.get(page).mouse.move(x, y);
  },

  async press({ page, keys }) {
    for (const key of keys) await pages.get(page).keyboard.press(key);
  },
  async type({ page, text }) {
    await pages.get(page).keyboard.type(text);
  },
  async resize({ page, width, height }) {
    await pages.get(page).setViewportSize({ width, height });
  },
  async screenshot({ page, path, full }) {
    await pages.get(page).screenshot({ path, fullPage: full, animations: "disabled" });
  },
  // What axe-core finds wrong: one line for each rule and element.
  async axe({ page }) {
    const opened = pages.get(page);
    await opened.evaluate(AXE);
    const { violations } = await opened.evaluate("axe.run({ resultTypes: ['violations'] })");
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
  },
  // Everything that the page has complained of and asked for since it was opened.
  async noted({ page }) {
    return noted.get(page);
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
