// Behavior of the pages beyond htmx: merge without losing the visitor's place, animate rows, announce news.
(() => {
  const MAX_MOVING = 5;
  const ANNOUNCE_MS = 10_000;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const tops = new Map();
  const scores = new Map();
  const FURTHER = "#more > li, #further.htmx-request, #next.on #further"; // somebody goes on down the list
  let refreshing = false; // whether what is being swapped brings the ranking up to date

  const isTyped = (node) => node.matches?.("form.verdict input:not([type=hidden])");

  // Merging keeps what scripts drew, what the visitor opened, and what is typed about a lead.
  Object.assign(Idiomorph.defaults.callbacks, {
    beforeNodeMorphed: (old) => !(old.nodeType === Node.ELEMENT_NODE && old.hasAttribute("data-keep")),
    beforeAttributeUpdated: (name, node) => name !== "open" && !(name === "value" && isTyped(node)),
  });

  // One line for screen readers.
  const said = document.getElementById("said");
  window.say = (text) => {
    if (said.textContent !== text) said.textContent = text;
  };

  // A list does not move under a resting pointer or a focused row.
  const isUsed = (part) => part.matches(":focus-within") || (matchMedia("(hover: hover)").matches && part.matches(":hover"));

  // The ranking ---------------------------------------------------------------------------------------------------

  const rows = () => document.querySelectorAll("#live > li, #more > li");

  function remember() {
    for (const row of rows()) {
      tops.set(row.id, row.getBoundingClientRect().top);
      scores.set(row.id, row.dataset.score);
    }
  }

  /** Few changes are animated; if everything moves, an animation is useless and slow. */
  function move() {
    const known = [...rows()].filter((row) => tops.has(row.id));
    const warmer = known.filter((row) => scores.get(row.id) !== row.dataset.score);
    const moved = known
      .map((row) => [row, tops.get(row.id) - row.getBoundingClientRect().top])
      .filter(([, by]) => by && Math.abs(by) < innerHeight);
    tops.clear();
    scores.clear();
    if (calm.matches || warmer.length > MAX_MOVING) return;
    for (const [row, by] of moved) {
      row.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], { duration: 280, easing: "ease-out" });
    }
    const tint = getComputedStyle(document.body).getPropertyValue("--glow-tint");
    for (const row of warmer) {
      row.firstElementChild.animate([{ backgroundColor: tint }, {}], { duration: 1400, easing: "ease-out" });
    }
  }

  /** Rows below those of a response are kept: they were added after its request, or it does not reach them. */
  function setAside(answer) {
    if (!answer.getResponseHeader("Board-More")) return;
    const live = document.getElementById("live");
    document.getElementById("more").prepend(...[...live.children].slice(Number(answer.getResponseHeader("Board-Rows"))));
  }

  /** Rows added by scrolling are refreshed with the others from now on, up to a limit; each lead is listed once. */
  function join() {
    const live = document.getElementById("live");
    const room = Number(live.dataset.most) - live.children.length;
    live.append(...[...document.querySelectorAll("#more > li")].slice(0, Math.max(room, 0)));
    const shown = new Set();
    for (const row of rows()) {
      if (shown.has(row.dataset.id)) row.remove();
      shown.add(row.dataset.id);
    }
  }

  const on = (name, act) => document.body.addEventListener(`htmx:${name}`, act);
  on("configRequest", ({ detail }) => {
    if (detail.target.id !== "live") return;
    detail.parameters.shown = detail.target.children.length;
    if (document.querySelector("#more > li")) detail.parameters.scrolled = "yes";
  });
  on("beforeSwap", ({ detail }) => {
    const { id } = detail.target;
    const { elt, path } = detail.requestConfig;
    if (id === "live" || id === "more") {
      detail.shouldSwap &&= elt.isConnected && elt.getAttribute("hx-get") === path; // else of older filters
    }
    if (isUsed(detail.target) && detail.target.hasAttribute("data-still")) detail.shouldSwap = false;
    refreshing = id === "live";
    if (!refreshing || !detail.shouldSwap) return;
    remember();
    setAside(detail.xhr);
  });
  on("oobBeforeSwap", ({ detail }) => {
    // Do not replace a link while its request is running, as the response would be lost.
    if (refreshing && detail.target.id === "next" && document.querySelector(FURTHER)) detail.shouldSwap = false;
  });
  on("afterSwap", ({ detail }) => {
    const { id } = detail.target;
    const event = detail.requestConfig.triggeringEvent;
    const byKey = id === "more" && event?.type === "click" && event.detail === 0;
    const first = document.querySelector(`#more > li:nth-last-child(${detail.xhr.getResponseHeader("Board-Rows") ?? 1}) a`);
    if (id === "live" || id === "more") join();
    if (id === "live") move();
    if (byKey) first?.focus();
    if (id === "results") say(document.getElementById("count")?.textContent.trim() ?? "");
  });
  on("responseError", ({ detail }) => {
    // The lead was erased, or the scorecard removed: show the error page. 401 leads to the sign-in page.
    const gone = [400, 404].includes(detail.xhr.status) && ["lead", "live", "results", "account", "accounts"].includes(detail.target.id);
    const isEditing = document.getElementById("text"); // what was written would be lost
    if ((detail.xhr.status === 401 && !isEditing) || gone) location.reload();
  });

  // A text of a verdict is kept up to a number of bytes: show how many are left, and send no longer one.
  addEventListener("input", ({ target }) => {
    const most = Number(target.dataset.bytes);
    if (!most) return;
    const left = most - new TextEncoder().encode(target.value.trim()).length;
    target.setCustomValidity(left < 0 ? `Too long: remove ${-left} bytes.` : "");
    target.form.querySelector("output").value = left > most / 2 ? "" : left < 0 ? `${-left} too long` : `${left} left`;
  });

  // A publication is sent once, even by a double click.
  addEventListener("submit", ({ target }) => {
    if (target.id === "publish") target.querySelector("button").disabled = true;
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) document.querySelector("#publish button")?.removeAttribute("disabled");
  });

  // Another scorecard has other stages, grades and categories: reload the form, without those of this one.
  addEventListener("change", (event) => {
    if (event.target.id !== "scorecard") return;
    event.stopPropagation();
    const kept = ["scorecard", "q", "channel"].map((name) => [name, document.getElementById(name).value]);
    location.assign(`/?${new URLSearchParams(kept.filter(([, value]) => value))}`);
  }, true);

  // Alerts: announce their number and the latest one, at most every ten seconds ----------------------------------------------

  let waiting = 0;
  let count = 0;
  document.body.addEventListener("board:changed", ({ detail }) => {
    if (!["alert", "account_alert"].includes(detail.kind)) return;
    count += 1;
    waiting ||= setTimeout(() => {
      const latest = document.querySelector(".alert [data-says]")?.dataset.says;
      if (latest) say(count > 1 ? `${count} new alerts. The latest: ${latest}` : `New alert: ${latest}`);
      waiting = count = 0;
    }, said.textContent ? ANNOUNCE_MS : 1000);
  });
})();
