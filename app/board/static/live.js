// Triggers an event when something has changed: parts with hx-trigger="board:changed from:body" then reload.
//   data-stream="/api/v1/stream/…" data-events="alert changed"   the server-sent events to listen for
//   data-every="30"                                              also reload after so many seconds
// A hidden page has no connection, as browsers allow six per server; it reloads when it is visible again.
// It shows "Live" only while the stream is open and requests succeed.
(() => {
  const RETRY_MS = 3000;
  const LOST_MS = 6000;
  const SETTLE_MS = 150; // longer than the server keeps a list for all who ask
  const PAUSED = "leadglow_paused";
  let source = null;
  let address = "";
  let retry = 0;
  let again = 0;
  let lost = 0;
  const troubles = new Set(); // of "stream" and "refresh": what does not work
  let looked = performance.now();

  const button = document.getElementById("pause");
  const settings = () => document.querySelector("[data-stream], [data-every]")?.dataset ?? {};
  const paused = () => sessionStorage.getItem(PAUSED) === "yes";

  function show(state) {
    const word = { live: "Live", paused: "Paused", lost: "Connecting…" }[state];
    if (!button || button.dataset.state === state) return;
    button.dataset.state = state;
    button.setAttribute("aria-pressed", String(state === "paused"));
    button.querySelector(".word").textContent = word;
    button.title = state === "paused" ? "Updates are paused: press to resume" : "Press to pause updates";
  }

  function changed(event) {
    looked = performance.now();
    document.body.dispatchEvent(new CustomEvent("board:changed", { detail: { kind: event?.type ?? "look", data: event?.data } }));
  }

  function close() {
    source?.close();
    source = null;
    clearTimeout(retry);
    clearTimeout(again);
  }

  function found(what) {
    troubles.delete(what);
    if (!troubles.size) settle();
  }

  function settle() {
    troubles.clear();
    clearTimeout(lost);
    lost = 0;
    show(paused() ? "paused" : "live");
  }

  function broken(what) {
    if (document.hidden || paused()) return;
    troubles.add(what);
    lost ||= setTimeout(() => {
      show("lost");
      window.say?.("The connection is lost: this page may be out of date.");
    }, LOST_MS);
  }

  function streamBroke() {
    broken("stream");
    if (source?.readyState === EventSource.CLOSED) {
      retry = setTimeout(() => {
        source = null;
        open();
        changed(); // an answer of 401 leads to the sign-in page
      }, RETRY_MS);
    }
  }

  // The banner and forms do not refresh what is live.
  const isAside = ({ target, requestConfig }) => target?.id === "freshness" || requestConfig?.verb === "post";

  function refreshBroke({ detail }) {
    if (isAside(detail)) return;
    if (detail.xhr?.status > 0 && detail.xhr.status < 500) return;
    broken("refresh");
    clearTimeout(again);
    if (troubles.size) again = setTimeout(changed, RETRY_MS);
  }

  function open() {
    const { stream = "", events = "" } = settings();
    if (source && stream === address) return;
    close();
    address = stream;
    if (document.hidden || paused()) return;
    if (!lost) show("live"); // else not before the stream is open
    if (!stream) return;
    const opening = new EventSource(stream);
    source = opening;
    source.addEventListener("open", () => {
      found("stream");
      document.documentElement.dataset.connected = "yes";
      setTimeout(() => source === opening && changed(), SETTLE_MS); // changes before the stream was open were not sent
    });
    source.addEventListener("error", streamBroke);
    for (const name of events.split(" ")) source.addEventListener(name, changed);
  }

  function resume() {
    if (document.hidden || paused()) {
      close();
      settle();
    } else {
      open();
      changed();
    }
  }

  document.addEventListener("visibilitychange", resume);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && resume());
  document.body.addEventListener("htmx:afterSettle", () => settings().stream !== undefined && open());
  for (const name of ["responseError", "sendError", "timeout"]) document.body.addEventListener(`htmx:${name}`, refreshBroke);
  document.body.addEventListener("htmx:beforeOnLoad", ({ detail }) => detail.xhr.status < 400 && !isAside(detail) && found("refresh"));
  setInterval(() => {
    const { every } = settings();
    if (every && !document.hidden && !paused() && performance.now() - looked >= every * 1000) changed();
  }, 500);
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      sessionStorage.setItem(PAUSED, paused() ? "no" : "yes");
      resume();
    });
    if (paused()) show("paused");
  }
  open();
})();
