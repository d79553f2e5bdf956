// The list of leads stays still under a resting pointer or a focused row, and whoever comes back finds their place in it.
(() => {
  const RELEASE_MS = 1500; // from leaving the list until it moves again
  const MAX_PAGES = 40;
  const AWAY_MS = 30 * 60_000; // after so long without the page, the visitor looks anew
  const [LOOKED, SINCE] = ["leadglow_looked", "leadglow_since"];
  const hovers = matchMedia("(hover: hover)");
  let asked = false;
  let release = 0;

  const rows = () => [...document.querySelectorAll("#live > li, #more > li")];
  const button = () => document.getElementById("changes");
  const isUsed = (part) => part && (part.contains(document.activeElement) || (hovers.matches && part.matches(":hover")));
  const isHeld = () => isUsed(document.querySelector(".ranking")) || isUsed(button());
  const refresh = () => document.body.dispatchEvent(new CustomEvent("board:changed", { detail: { kind: "asked" } }));

  // The list that does not move ---------------------------------------------------------------------------------------

  const textOf = (row) => [row.dataset.score, row.querySelector(".grade").textContent, row.querySelector(".stage-of").textContent].join();

  /** How many leads would come, go, or change their score, grade, stage or place. */
  function countChanges(html) {
    const answer = document.createElement("template");
    answer.innerHTML = html;
    const then = [...answer.content.querySelectorAll("#live > li")];
    const now = [...document.querySelectorAll("#live > li")].slice(0, Math.max(then.length, 1));
    const known = new Map(now.map((row) => [row.dataset.id, textOf(row)]));
    const changed = new Set(then.filter((row) => known.get(row.dataset.id) !== textOf(row)).map((row) => row.dataset.id));
    const kept = new Set(then.map((row) => row.dataset.id));
    for (const id of known.keys()) if (!kept.has(id)) changed.add(id);
    return changed.size || then.filter((row, i) => row.dataset.id !== now[i]?.dataset.id).length;
  }

  function show(count) {
    const shown = button();
    if (!shown) return;
    const isNew = shown.hidden && count > 0;
    shown.hidden = !count;
    shown.querySelector("b").textContent = count === 1 ? "1 change" : `${count} changes`;
    if (isNew) window.say?.(`The list has changed: ${shown.textContent.trim()}.`);
  }

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target.id !== "live" || !detail.shouldSwap) return;
    if (!asked && isHeld()) {
      detail.shouldSwap = false;
      show(countChanges(detail.serverResponse));
      return;
    }
    asked = false;
    show(0);
  }, true);

  document.addEventListener("click", ({ target }) => {
    if (!target.closest("#changes")) return;
    asked = true;
    document.getElementById("count")?.focus({ preventScroll: true });
    refresh();
  });

  for (const name of ["pointerout", "focusout"]) {
    document.addEventListener(name, () => {
      if (!button() || button().hidden) return;
      clearTimeout(release);
      release = setTimeout(() => !isHeld() && refresh(), RELEASE_MS);
    });
  }

  // The way back --------------------------------------------------------------------------------------------------------

  document.addEventListener("click", ({ target }) => {
    if (!target.closest("a[href]") || !document.getElementById("live")) return;
    const row = target.closest("#live > li, #more > li");
    const place = { top: scrollY, rows: rows().length, id: row?.dataset.id, at: row?.getBoundingClientRect().top };
    history.replaceState({ ...history.state, place }, "");
  }, true);

  /** Show the next rows; false if there are none. */
  function lengthen() {
    const further = document.getElementById("further");
    if (!further) return Promise.resolve(false);
    return new Promise((done) => {
      const swapped = ({ detail }) => {
        if (detail.target.id !== "more") return;
        document.body.removeEventListener("htmx:afterSettle", swapped);
        done(true);
      };
      document.body.addEventListener("htmx:afterSettle", swapped);
      setTimeout(() => done(false), 5000);
      further.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, detail: 1 }));
    });
  }

  async function goBack(place) {
    for (let page = 0; page < MAX_PAGES && rows().length < place.rows; page += 1) if (!(await lengthen())) break;
    const row = rows().find(({ dataset }) => dataset.id === place.id);
    scrollTo(0, row ? row.getBoundingClientRect().top + scrollY - place.at : place.top);
    row?.querySelector("a").focus({ preventScroll: true });
  }

  const { place } = history.state ?? {};
  if (place && document.getElementById("live")) {
    history.scrollRestoration = "manual";
    addEventListener("load", () => goBack(place));
  }

  // New since I looked: the last look is kept in this browser ------------------------------------------------------------

  function look() {
    const looked = localStorage.getItem(LOOKED);
    const isNew = sessionStorage.getItem(SINCE) === null || Date.now() - Date.parse(looked) > AWAY_MS;
    if (isNew) sessionStorage.setItem(SINCE, looked ?? "");
    const since = sessionStorage.getItem(SINCE);
    const choice = document.getElementById("new_since");
    if (!choice || !since || [...choice.options].some((option) => option.value === since)) return;
    const time = new Date(since).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    choice.options.add(new Option(`New since I looked, ${time}`, since), 1);
  }

  const leave = () => localStorage.setItem(LOOKED, new Date().toISOString());
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : look()));
  addEventListener("pagehide", leave);
  look();
})();
