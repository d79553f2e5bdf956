// The editor of scorecards: line numbers, a file to open and to download, marks of mistakes, and the state while measuring.
(() => {
  const text = document.getElementById("text");
  const lines = document.getElementById("lines");
  const form = document.getElementById("try");
  const waiting = document.getElementById("waiting");
  const file = document.getElementById("file");
  const messages = document.getElementById("messages");
  const PROGRESS_MS = 1000;

  // Line numbers -------------------------------------------------------------------------------------------------

  /** Numbers all lines, and marks those with a mistake or a warning. */
  function number() {
    const marks = new Map();
    for (const each of messages.querySelectorAll("[data-line]")) {
      const line = Number(each.dataset.line);
      if (marks.get(line) !== "mistake") marks.set(line, each.className);
    }
    const rows = [];
    for (let line = 1; line <= text.value.split("\n").length; line += 1) {
      const row = document.createElement("span");
      row.className = marks.get(line) ?? "";
      row.textContent = `${line}\n`;
      rows.push(row);
    }
    lines.replaceChildren(...rows);
    scroll();
  }

  function scroll() {
    lines.scrollTop = text.scrollTop;
  }

  /** Puts the cursor where a message is about. */
  function jump(line, column) {
    const before = text.value.split("\n").slice(0, line - 1);
    const at = before.reduce((sum, each) => sum + each.length + 1, 0);
    const end = text.value.indexOf("\n", at);
    text.focus();
    text.setSelectionRange(Math.min(at + column - 1, text.value.length), end < 0 ? text.value.length : end);
    text.scrollTop = Math.max(line - 4, 0) * Number.parseFloat(getComputedStyle(text).lineHeight);
    text.scrollLeft = 0;
    form.querySelector(".editor").scrollIntoView({ block: "nearest" });
  }

  /** Publishes only the text whose effect is shown. */
  function markStale() {
    const publish = document.getElementById("publish");
    if (!publish) return;
    const stale = publish.querySelector("[name=text]").value !== text.value;
    publish.querySelector("button").disabled = stale;
    publish.querySelector(".stale").hidden = !stale;
  }

  text.addEventListener("input", number);
  text.addEventListener("input", markStale);
  text.addEventListener("scroll", scroll);
  messages.addEventListener("click", (event) => {
    const found = event.target.closest(".where")?.closest("[data-line]");
    if (!found) return;
    event.preventDefault();
    jump(Number(found.dataset.line), Number(found.dataset.column));
  });

  // Files --------------------------------------------------------------------------------------------------------

  async function open(chosen) {
    if (chosen.size > Number(text.dataset.max)) {
      messages.textContent = text.dataset.tooLarge;
      return;
    }
    text.value = await chosen.text();
    text.dispatchEvent(new Event("input", { bubbles: true }));
    form.requestSubmit();
  }

  function download() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text.value], { type: "application/yaml" }));
    link.download = "scorecards.yaml";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const opener = document.getElementById("open");
  opener.hidden = false;
  opener.addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    if (file.files[0]) open(file.files[0]);
    file.value = "";
  });
  const downloader = document.getElementById("download");
  downloader.hidden = false;
  downloader.addEventListener("click", download);

  // Measuring ----------------------------------------------------------------------------------------------------

  let asking = 0;
  async function showProgress() {
    const answer = await fetch("/try/progress").catch(() => null);
    if (answer?.ok && !waiting.hidden) waiting.textContent = (await answer.text()).trim();
  }

  const on = (name, act) => document.body.addEventListener(`htmx:${name}`, act);
  on("beforeRequest", ({ detail }) => {
    if (detail.elt !== form) return;
    waiting.textContent = "Measuring the effect on the leads …";
    waiting.hidden = false;
    clearInterval(asking);
    asking = setInterval(showProgress, PROGRESS_MS);
  });
  on("afterRequest", ({ detail }) => {
    if (detail.elt !== form) return;
    clearInterval(asking);
    waiting.hidden = true;
    if (detail.failed && !detail.xhr.status) waiting.textContent = "The board does not respond: try again.";
    if (detail.failed && !detail.xhr.status) waiting.hidden = false;
  });
  on("beforeSwap", ({ detail }) => {
    // A refusal is shown, too.
    if (detail.target.id === "tried" && detail.xhr.status === 503) detail.shouldSwap = true;
  });
  on("afterSwap", ({ detail }) => {
    if (["messages", "tried"].includes(detail.target.id)) number();
    if (detail.target.id === "tried") detail.target.scrollIntoView({ block: "start" });
  });

  number();
})();
