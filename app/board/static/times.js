// Times in the viewer's time zone. The server writes them in UTC, and keeps UTC in their title.
//   <time datetime="…" data-ago>    how long ago
//   <time datetime="…" data-time>   to the second
//   <time datetime="…" data-day>    only the day; with data-day="named", today and yesterday by name
// The heading of a day in a list is hidden where the entry before has the same day.
(() => {
  const DAY_MS = 86_400_000;
  const TIME = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
  const UNITS = [["d", 86_400, 3600], ["h", 3600, 60], ["min", 60, 1], ["s", 1, 1]]; // as in formatting.py

  function ago(at) {
    const seconds = (Date.now() - at) / 1000;
    const size = Math.abs(seconds);
    if (size < 5) return "now";
    const whole = (finer) => (seconds > 0 ? size : Math.round(size / finer) * finer);
    const [unit, length, finer] = UNITS.find(([, each, below]) => whole(below) >= each);
    const many = `${Math.floor(whole(finer) / length)} ${unit}`;
    return seconds > 0 ? `${many} ago` : `in ${many}`;
  }

  function day(at, named) {
    const text = DAY.format(at);
    const noon = new Date().setHours(12, 0, 0, 0); // a day before noon is yesterday, also where clocks change
    if (named && text === DAY.format(noon)) return "Today";
    if (named && text === DAY.format(noon - DAY_MS)) return "Yesterday";
    return text;
  }

  function text({ dateTime, dataset }) {
    const at = Date.parse(dateTime);
    if (dataset.time !== undefined) return TIME.format(at);
    return dataset.day === undefined ? ago(at) : day(at, dataset.day === "named");
  }

  function show() {
    for (const time of document.querySelectorAll("time[data-ago], time[data-time], time[data-day]")) {
      const wanted = text(time);
      if (time.textContent !== wanted) time.textContent = wanted;
    }
    let before = "";
    for (const heading of document.querySelectorAll(".timeline h3")) {
      heading.hidden = heading.textContent === before;
      before = heading.textContent;
    }
    const zone = document.getElementById("zone");
    if (zone) zone.textContent = `Times are in your time zone, ${TIME.resolvedOptions().timeZone}.`;
  }

  addEventListener("DOMContentLoaded", () => {
    show();
    document.body.addEventListener("htmx:afterSwap", show);
    document.body.addEventListener("htmx:oobAfterSwap", show);
    setInterval(show, 5000);
  });
})();
