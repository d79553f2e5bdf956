// The editor of scorecards: line numbers, a file to open and to download, marks of mistakes, and the state while measuring.
(() => {
  const text = document.getElementById("text");
  const lines = document.getElementById("lines");
  const form = document.getElementById("try");
  const waiting = document.getElementById("waiting");
  const file = document.getElementById("file");
  const messages = document.getElementById("messages");
  const failed = document.getElementById("failed");
  const PROGRESS_MS = 1000;
  const SIGNED_OUT = "You are signed out. Sign in in another tab; then try again here.";
  const NOT_UTF8 = "The scorecard file is not UTF-8: save it as UTF-8.";
  const AWAY = "The board does not respond: try again.";

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
    const rows = text.value.split("\n");
    const row = rows[line - 1] ?? "";
    const start = rows.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    const before = [...row].slice(0, column - 1).join(""); // a column is a character, which may have two code units
    text.focus();
    text.setSelectionRange(start + before.length, start + row.length);
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
      showFailure(text.dataset.tooLarge);
      return;
    }
    try {
      text.value = new TextDecoder("utf-8", { fatal: true }).decode(await chosen.arrayBuffer());
    } catch {
      showFailure(NOT_UTF8);
      return;
    }
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

  /** Shows why a request failed; an empty text shows nothing. */
  function showFailure(message) {
    failed.textContent = message;
    failed.hidden = !message;
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
    if (detail.elt !== form && detail.elt !== text) return;
    if (detail.elt === form) {
      clearInterval(asking);
      waiting.hidden = true;
    }
    const { status, responseText } = detail.xhr;
    showFailure(detail.successful ? "" : status === 401 ? SIGNED_OUT : status ? responseText : AWAY);
  });
  on("afterSwap", ({ detail }) => {
    if (["messages", "tried"].includes(detail.target.id)) number();
    if (detail.target.id !== "tried") return;
    document.getElementById("tried-title")?.focus({ preventScroll: true });
    detail.target.scrollIntoView({ block: "start" });
  });
  addEventListener("pageshow", number); // browsers put back the text of an earlier visit

  number();
})();
