// The curve of a score: its history and its forecast. The points are in the page, in data-curve.
(() => {
  let drawn = null;
  let from = "";

  const figure = () => document.getElementById("curve");
  const ink = (name) => getComputedStyle(document.querySelector(`.ink-${name}`)).color;
  const DAY_S = 86_400;
  const UTC = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC" });
  const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
  const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
  const HOUR = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
  const SECOND = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

  /** Labels of the time axis, no finer than necessary. */
  function dates(plot, splits, axis, space, step) {
    const format = step >= DAY_S ? DATE : step >= 60 ? HOUR : SECOND;
    return splits.map((at) => format.format(at * 1000));
  }

  /** Both lines on one time axis; each point belongs to one of them. */
  function table({ past, coming }) {
    const rows = new Map();
    for (const [at, score] of past) rows.set(at, [score, null]);
    for (const [at, score] of coming) rows.set(at, [rows.get(at)?.[0] ?? null, score]);
    const times = [...rows.keys()].sort((a, b) => a - b);
    return [times.map((at) => at / 1000), times.map((at) => rows.get(at)[0]), times.map((at) => rows.get(at)[1])];
  }

  function line(plot, from, to, dash, colour) {
    const { ctx } = plot;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(...from);
    ctx.lineTo(...to);
    ctx.stroke();
    ctx.restore();
  }

  function label(plot, text, x, y, colour, align) {
    const { ctx } = plot;
    ctx.save();
    ctx.font = `${12 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.fillStyle = colour;
    ctx.textAlign = align;
    ctx.fillText(text, x, y);
    ctx.restore();
  }

  /** The bounds of the stages, the present, and the coming stage changes. */
  function marks(plot, curve) {
    const { left, top, width, height } = plot.bbox;
    const soft = ink("bound");
    const unit = devicePixelRatio;
    for (const { stage, enter, leave } of curve.bounds) {
      const high = plot.valToPos(enter, "y", true);
      line(plot, [left, high], [left + width, high], [], soft);
      label(plot, `${stage}: from ${enter}`, left + width, high - 4 * unit, ink("text"), "right");
      const low = plot.valToPos(leave, "y", true);
      line(plot, [left, low], [left + width, low], [2, 4], soft);
    }
    const present = plot.valToPos(curve.now / 1000, "x", true);
    line(plot, [present, top], [present, top + height], [], ink("now"));
    label(plot, "now", present + 4 * unit, top + 12 * unit, ink("now"), "left");
    for (const { at, kind, score } of curve.crossings) {
      const x = plot.valToPos(Date.parse(at) / 1000, "x", true);
      const y = plot.valToPos(score, "y", true);
      plot.ctx.save();
      plot.ctx.beginPath();
      plot.ctx.arc(x, y, 5 * unit, 0, 2 * Math.PI);
      plot.ctx.fillStyle = ink(kind === "left" ? "left" : "past");
      plot.ctx.fill();
      plot.ctx.restore();
    }
  }

  function options(curve, width, height) {
    const [past, coming] = [ink("past"), ink("coming")];
    const axis = { stroke: ink("text"), grid: { stroke: ink("grid"), width: 1 }, ticks: { show: false }, font: `12px ${getComputedStyle(document.body).fontFamily}` };
    const readout = figure().querySelector(".readout");
    return {
      width,
      height,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: curve.range } },
      axes: [{ ...axis, size: 28, space: 70, values: dates }, { ...axis, size: 36, space: 34 }],
      series: [
        {},
        { stroke: past, width: 2.5, paths: uPlot.paths.stepped({ align: 1 }), spanGaps: true, points: { show: false } },
        { stroke: coming, width: 2.5, dash: [6, 5], spanGaps: true, points: { show: false } },
      ],
      hooks: {
        drawSeries: [(plot, index) => index === 2 && marks(plot, curve)],
        setCursor: [(plot) => {
          const i = plot.cursor.idx;
          const score = i == null ? null : (plot.data[1][i] ?? plot.data[2][i]);
          readout.title = score == null ? "" : `${UTC.format(plot.data[0][i] * 1000)} UTC`;
          readout.textContent = score == null ? "" : `${EXACT.format(plot.data[0][i] * 1000)}: ${Math.floor(Math.round(score * 1e9) / 1e8) / 10}`;
        }],
      },
    };
  }

  function draw() {
    const plot = figure()?.querySelector(".plot");
    if (!plot) return;
    from = figure().dataset.curve;
    const curve = JSON.parse(from);
    drawn?.destroy();
    drawn = new uPlot(options(curve, plot.clientWidth, plot.clientHeight), table(curve), plot);
    figure().dataset.drawn = "yes";
  }

  draw();
  document.addEventListener("board:theme", draw);
  document.body.addEventListener("htmx:afterSwap", () => figure() && figure().dataset.curve !== from && draw());
  const place = figure()?.querySelector(".plot");
  if (place) new ResizeObserver(() => drawn && drawn.width !== place.clientWidth && draw()).observe(place);
})();
