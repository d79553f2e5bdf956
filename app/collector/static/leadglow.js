/* In the head of each page:

<script>leadglow=["page","track","identify","consent","reset"].reduce(function(l,m){l[m]=function(){l.push([m,arguments])};return l},[])</script>
<script async src="https://HOST/leadglow.js" data-key="WRITE_KEY"></script>

data-consent="required"   nothing is sent or stored before leadglow.consent(true)
data-email="true"         e-mail fields of submitted forms identify

leadglow.page(name, properties)     by itself for each page and history.pushState
leadglow.track(event, properties)   by itself for clicks on links and submitted forms
leadglow.identify(userId, traits)
leadglow.consent(granted)           remembered; Global Privacy Control and Do Not Track refuse
leadglow.reset()                    for a log-out
*/
(() => {
  const early = window.leadglow || [];
  if (early.page && !early.push) return;

  const MAX_CALLS = 100; // kept; the oldest go first
  const MAX_CHARS = 20000; // in a batch; at 3 bytes each, what a closing page may send
  const GATHER_MS = 200;
  const FIRST_RETRY_MS = 1000;
  const LAST_RETRY_MS = 300000;

  const { src, dataset } = document.currentScript;
  const url = src.replace(/[^/]*$/, "v1/batch");
  const memory = {}; // for what is not, or may not be, stored
  let held = []; // calls that wait for consent
  let sending = []; // calls on their way
  let failures = 0;
  let timer, path;

  const recall = (name) => {
    try {
      return JSON.parse(localStorage["leadglow_" + name]);
    } catch (e) {
      return memory[name];
    }
  };

  const store = (name, value) => {
    memory[name] = value;
    try {
      if (value) localStorage["leadglow_" + name] = JSON.stringify(value);
      else delete localStorage["leadglow_" + name];
    } catch (e) {} // forbidden or full
  };

  const cookie = () => (/\bleadglow_id=(\w+)/.exec(document.cookie) || [, ""])[1];

  // For the widest domain that the browser allows: its subdomains share visitors.
  const setCookie = (id, days) => {
    const labels = location.hostname.split(".");
    for (let i = labels.length - 2; i >= -1 && cookie() != id; i--)
      document.cookie =
        `leadglow_id=${id};path=/;samesite=lax;max-age=${days * 86400}` +
        (i < 0 ? "" : ";domain=" + labels.slice(i).join("."));
  };

  const forget = () => {
    setCookie("", 0);
    store("id");
    store("user");
  };

  const random = () => [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");

  const consented = () =>
    navigator.globalPrivacyControl || navigator.doNotTrack == 1
      ? "no"
      : recall("consent") || (dataset.consent == "required" ? "" : "yes");

  const here = () => ({
    url: location.href,
    path: location.pathname,
    search: location.search,
    title: document.title,
    referrer: document.referrer,
  });

  const campaign = () => {
    const found = {};
    new URLSearchParams(location.search).forEach((value, name) => {
      if (/^utm_/.test(name)) found[name.slice(4).replace("campaign", "name")] = value;
    });
    return found;
  };

  const call = (fields) => {
    memory.id = cookie() || recall("id") || random();
    take({
      ...fields,
      messageId: "lg-" + random(),
      timestamp: new Date(),
      anonymousId: memory.id,
      userId: recall("user"),
      context: { campaign: campaign(), page: here(), userAgent: navigator.userAgent },
    });
  };

  const take = (call) => {
    const may = consented();
    if (may == "yes") {
      setCookie(call.anonymousId, 400);
      if (!cookie()) store("id", call.anonymousId);
      if (call.userId) store("user", call.userId);
      keep([...queued(), call]);
      flushIn(GATHER_MS);
    } else if (!may) held = [...held, call].slice(-MAX_CALLS);
  };

  const queued = () => recall("queue") || [];
  const keep = (calls) => store("queue", calls.slice(-MAX_CALLS));
  const without = (calls) => queued().filter((call) => !calls.some((other) => other.messageId == call.messageId));

  const nextBatch = () => {
    let chars = 0;
    return without(sending).filter((call, i) => (chars += JSON.stringify(call).length) < MAX_CHARS || !i);
  };

  const bodyOf = (batch) => JSON.stringify({ writeKey: dataset.key, sentAt: new Date(), batch });

  const flushIn = (ms) => {
    timer = timer || setTimeout(flush, ms);
  };

  const flush = () => {
    const batch = nextBatch();
    timer = clearTimeout(timer);
    if (sending[0] || !batch[0] || consented() != "yes") return;
    sending = batch;
    fetch(url, { method: "POST", body: bodyOf(batch), credentials: "omit", keepalive: bodyOf(batch).length < MAX_CHARS })
      .then((answer) => {
        if (answer.status > 499 || [408, 429].includes(answer.status)) throw answer;
        if (!answer.ok) console.warn("leadglow: refused", answer);
        keep(without(batch));
        failures = 0;
      })
      .catch((answer) => {
        const asked = answer.headers && answer.headers.get("Retry-After") * 1000;
        const pause = Math.min(FIRST_RETRY_MS * 2 ** failures++, LAST_RETRY_MS) * (0.5 + Math.random() / 2);
        return Math.max(asked || 0, pause);
      })
      .then((pause) => {
        sending = [];
        timer = clearTimeout(timer);
        flushIn(pause);
      });
  };

  // A beacon has no answer: while the collector fails, calls wait for the next page instead.
  const leave = () => {
    let batch;
    while (!failures && consented() == "yes" && (batch = nextBatch())[0] && navigator.sendBeacon(url, bodyOf(batch)))
      keep(without(batch));
  };

  const api = {
    page: (name, properties) => call({ type: "page", name, properties: { ...here(), ...properties } }),
    track: (event, properties) => call({ type: "track", event, properties }),
    identify: (userId, traits) => {
      const known = recall("user");
      if (userId && known && known != userId) forget();
      if (userId) memory.user = String(userId);
      call({ type: "identify", traits });
    },
    consent: (granted) => {
      if (!granted) {
        forget();
        keep([]);
      }
      store("consent", granted ? "yes" : "no");
      held.splice(0).forEach(take);
    },
    reset: forget,
  };

  const moved = () => {
    if (path != (path = location.pathname + location.search)) api.page();
  };

  const clicked = (event) => {
    const link = event.target.closest("a[href]");
    if (link) api.track("Link Clicked", { url: link.href });
  };

  const submitted = (event) => {
    const fields = [...event.target.elements].filter((field) => field.name);
    const email = fields.find((field) => field.type == "email" && field.value);
    api.track("Form Submitted", { form: event.target.getAttribute("id"), fields: fields.map((field) => field.name) });
    if (email && dataset.email == "true") api.identify("", { email: email.value });
  };

  const start = () => {
    const pushState = history.pushState.bind(history);
    history.pushState = (...state) => {
      pushState(...state);
      setTimeout(moved); // the title is the new page's by then
    };
    addEventListener("popstate", moved);
    addEventListener("pagehide", leave);
    addEventListener("online", flush);
    document.addEventListener("visibilitychange", () => document.hidden && leave());
    document.addEventListener("click", clicked, true);
    document.addEventListener("submit", submitted, true);
    moved();
    flushIn();
  };

  const run = ([method, values]) => api[method](...values);
  window.leadglow = api;
  early.forEach(run);
  early.push = run; // for whoever has kept the stub
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
})();
