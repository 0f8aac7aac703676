/* A person's page: facts at a glance, the chart and its switches, the list of decisions. */
(function () {
  "use strict";
  const { element } = Common;
  const W = WeightFigure;
  const data = W.prepare(Common.data());
  const rows = data.ms.map((_, i) => i);
  const last = rows.length - 1;
  const rejected = (i) => data.verdicts[W.cell(data.verdict, i)] === "rejected";
  const view = { theme: "light", unit: Common.remembered("unit", "kg", ["kg", "lb", "st"]), hidden: new Set(), showRejected: true, fitAll: false, showOutlook: true, asFirst: false, range: null };
  const log = { which: "all", shown: 100 };
  const chart = document.getElementById("chart");
  const touch = matchMedia("(pointer: coarse)").matches;

  function drawChart() {
    if (!window.Plotly) return undefined;
    view.narrow = chart.clientWidth < 560;
    const figure = W.build(data, view);
    if (touch) figure.layout.dragmode = false; // a finger on the chart scrolls the page
    return Plotly.react(chart, figure.data, figure.layout, { responsive: true, displayModeBar: false, doubleClick: false });
  }

  /* The last level at or before a time, and its row. */
  function levelAt(ms) {
    for (let i = last; i >= 0; i--) if (data.ms[i] <= ms && data.level[i] !== null) return i;
    return -1;
  }

  function fact(name, value, more, tone) {
    const box = element("div", { class: "fact" + (tone ? " " + tone : "") }, element("span", { class: "name" }, name), element("strong", {}, value));
    if (more) box.append(element("span", { class: "more" }, more));
    return box;
  }

  /* Since the last level at least so many days ago; null where that is more than twice as long. */
  function change(days) {
    const now = levelAt(Infinity);
    const then = now < 0 ? -1 : levelAt(data.ms[now] - days * W.DAY);
    return then < 0 || data.ms[now] - data.ms[then] > 2 * days * W.DAY ? null : { kg: data.level[now] - data.level[then], share: data.level[now] / data.level[then] - 1, since: data.ms[then] };
  }

  /* 95 % interval of the weekly rate at the last level. */
  function rateInterval(row) {
    if (data.rate_lo && data.rate_lo[row] !== null) return [data.rate_lo[row], data.rate_hi[row]];
    return data.outlook ? data.outlook.rate : null;
  }

  /* One sentence for who wants only that. */
  function drawSummary() {
    const now = levelAt(Infinity);
    const rate = now < 0 || rows.length < 2 ? null : rateInterval(now);
    const sentences = now < 0 ? [] : [W.unitText(data.level[now], view.unit) + "."];
    if (rate) {
      const amount = W.deltaText(Math.abs(data.rate[now]), view.unit, 2).slice(1) + " a week";
      sentences.push(rate[0] > 0 ? "Gaining " + amount + "." : rate[1] < 0 ? "Losing " + amount + "." : "No clear change at present.");
    }
    const box = document.getElementById("summary");
    box.replaceChildren(element("p", {}, sentences.join(" ")));
    const fresh = data.alertMarks.filter((a) => data.ms[last] - a.ms <= 90 * W.DAY);
    for (const alert of fresh.slice(-3).reverse()) box.append(element("p", { class: "alert" }, W.alertText(alert, view.unit) + "."));
  }

  function drawFacts() {
    drawSummary();
    const u = view.unit;
    const now = levelAt(Infinity);
    const box = document.getElementById("facts");
    box.replaceChildren();
    if (now >= 0) {
      box.append(fact("Level", W.unitText(data.level[now], u), W.unitText(data.level_lo[now], u) + " to " + W.unitText(data.level_hi[now], u)));
      const rate = rateInterval(now);
      if (rows.length > 1) box.append(fact("Rate per week", W.deltaText(data.rate[now], u, 2), rate ? W.deltaText(rate[0], u, 2) + " to " + W.deltaText(rate[1], u, 2) : ""));
    }
    for (const [days, name] of [[30, "Change in 30 days"], [365, "Change in a year"]]) {
      const c = change(days);
      if (c) box.append(fact(name, W.deltaText(c.kg, u), (c.share * 100).toFixed(1).replace("-", "−") + " % since " + W.dateText(c.since)));
    }
    const ahead = data.outlook ? data.outlook.days.indexOf(28) : -1;
    if (ahead >= 0) box.append(fact("In 4 weeks", W.unitText(data.outlook.level[ahead], u), W.unitText(data.outlook.lo[ahead], u) + " to " + W.unitText(data.outlook.hi[ahead], u)));
    const bad = rows.filter(rejected).length;
    box.append(fact("Readings", String(rows.length), bad ? bad + " rejected (" + ((bad / rows.length) * 100).toFixed(1) + " %)" : "none rejected", bad ? "warn" : ""));
    if (last >= 0) box.append(fact("Last reading", W.dateText(data.ms[last]), W.unitText(data.kg[last], u) + (rejected(last) ? ", rejected" : "")));
  }

  function glyph(symbol, color) {
    const shapes = { circle: "M8 2a6 6 0 1 0 .01 0z", square: "M3 3h10v10H3z", diamond: "M8 1l7 7-7 7-7-7z", "triangle-up": "M8 2l6 11H2z",
      pentagon: "M8 1l7 5-3 8H4L1 6z", hexagon: "M4 2h8l4 6-4 6H4L0 8z", star: "M8 0l2 6h6l-5 4 2 6-5-4-5 4 2-6-5-4h6z",
      x: "M3 1l5 5 5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5z", line: "M0 7h16v3H0z", band: "M0 3h16v10H0z", dash: "M0 7h6v3H0zM10 7h6v3h-6z" };
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", shapes[symbol]);
    path.setAttribute("fill", color);
    svg.append(path);
    return svg;
  }

  /* A switch of the chart; a series that is switched off is struck through. */
  function chip(icon, text, pressed, toggle) {
    const button = element("button", { type: "button", class: icon ? "chip series" : "chip", "aria-pressed": String(pressed) }, icon, text);
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      toggle();
      drawChart();
    });
    return button;
  }

  function drawLegend() {
    const theme = W.THEMES[view.theme];
    const box = document.getElementById("legend");
    box.replaceChildren();
    data.sources.forEach((name, s) => {
      const count = rows.filter((i) => W.cell(data.source, i) === s).length;
      box.append(chip(glyph(W.SYMBOLS[s % W.SYMBOLS.length], theme.sources[s % theme.sources.length]), name + " (" + count + ")", !view.hidden.has(s),
        () => (view.hidden.has(s) ? view.hidden.delete(s) : view.hidden.add(s))));
    });
    const bad = rows.filter(rejected).length;
    if (bad) {
      box.append(chip(glyph("x", theme.rejected), "rejected (" + bad + ")", view.showRejected, () => (view.showRejected = !view.showRejected)));
    }
    box.append(element("span", { class: "key" }, glyph("line", theme.ink), "level"), element("span", { class: "key" }, glyph("band", theme.band), "95 % interval"));
    if (data.outlook) box.append(chip(glyph("dash", theme.rate), "projection", view.showOutlook, () => (view.showOutlook = !view.showOutlook)));
    if (bad) box.append(chip("", "Zoom out to rejected", view.fitAll, () => (view.fitAll = !view.fitAll)));
    if (data.firstBy.size) box.append(chip("", "As first decided", view.asFirst, () => (view.asFirst = !view.asFirst)));
  }

  const NUMBERS = new Set([1, 6, 7]);
  const HEADS = ["Time", "Weight", "As received", "Source", "Verdict", "Why", "Expected (95 %)", "P(right)", "Record"];

  function logRow(i) {
    const u = view.unit;
    const raw = [data.raw[i], data.units[W.cell(data.unit, i)]].filter((t) => t !== null && t !== "").join(" ");
    const verdict = data.verdicts[W.cell(data.verdict, i)];
    const expected = data.expected[i] === null ? "–" : W.unitText(data.expected_lo[i], u) + " to " + W.unitText(data.expected_hi[i], u);
    const file = String(data.files[W.cell(data.file, i)] || "").split(/[\\/]/).pop();
    const cells = [W.timeText(data, i), W.unitText(data.kg[i], u), raw, data.sources[W.cell(data.source, i)], element("span", { class: "verdict" }, verdict),
      W.explain(data, i, u), expected, data.p[i] === null ? "–" : data.p[i].toFixed(2),
      element("span", { class: "where", title: file }, element("code", {}, data.id[i]), file + ":" + data.line[i] + " · " + data.stages[W.cell(data.stage, i)] + " v" + W.cell(data.version, i) + " · " + data.models[W.cell(data.model, i)])];
    const row = element("tr", { class: verdict, role: "row" }, ...cells.map((content, k) => element("td", { role: "cell", "data-label": HEADS[k], class: NUMBERS.has(k) ? "number" : "" }, content)));
    row.addEventListener("click", () => point(i));
    return row;
  }

  function drawLog() {
    const list = rows.filter((i) => log.which === "all" || rejected(i)).reverse();
    // Roles are spelled out, since a phone shows the rows as cards and that would drop them.
    const head = element("tr", { role: "row" }, ...HEADS.map((h, k) => element("th", { scope: "col", role: "columnheader", class: NUMBERS.has(k) ? "number" : "" }, h)));
    const table = element("table", { role: "table", "aria-rowcount": list.length + 1 }, element("thead", { role: "rowgroup" }, head),
      element("tbody", { role: "rowgroup" }, ...list.slice(0, log.shown).map(logRow)));
    const box = document.getElementById("log");
    box.replaceChildren(table);
    if (!list.length) box.append(element("p", { class: "empty" }, "No reading was rejected."));
    if (list.length > log.shown) {
      const more = element("button", { type: "button", class: "more" }, "Show " + Math.min(500, list.length - log.shown) + " more of " + list.length);
      more.addEventListener("click", () => {
        log.shown += 500;
        drawLog();
      });
      box.append(more);
    }
  }

  /* Show one reading's hover box in the chart, as a mouse would. */
  function point(row) {
    const [from, to] = W.span(data, view);
    if (data.ms[row] < from || data.ms[row] > to) {
      pressRange("all");
      setRange("all");
      drawChart();
    }
    at = row;
    for (const [curveNumber, trace] of chart.data.entries()) {
      const pointNumber = (trace.customdata || []).indexOf(row);
      if (pointNumber < 0) continue;
      Plotly.Fx.hover(chart, [{ curveNumber, pointNumber }], "xy");
      document.getElementById("spoken").textContent = trace.text[pointNumber].replace(/<br>/g, ", ").replace(/<[^>]*>/g, "");
    }
  }

  /* Arrow keys walk through the readings that the chart shows. */
  function walk(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const shown = new Set(chart.data.flatMap((trace) => trace.customdata || []));
    let row = at < 0 ? (step < 0 ? last + 1 : -1) : at;
    do row += step; while (row >= 0 && row <= last && !shown.has(row));
    if (row >= 0 && row <= last) point(row);
  }

  function setRange(days) {
    const end = data.ms[last];
    const ahead = data.outlook && view.showOutlook ? Math.max(7, days * 0.15) : Math.max(1, days * 0.03);
    view.range = days === "all" ? null : [end - days * W.DAY, end + ahead * W.DAY];
  }

  function firstRange() {
    const year = data.ms[last] - 365 * W.DAY;
    return data.ms[last] - data.ms[0] > 730 * W.DAY && data.ms.filter((t) => t >= year).length >= 30 ? "365" : "all";
  }

  let pressRange;
  let at = -1; // the reading that the keyboard is at

  function chooseView() {
    pressRange = Common.choice(document.getElementById("ranges"), (days) => {
      setRange(days);
      drawChart();
    });
    const range = firstRange();
    pressRange(range);
    setRange(range);
    Common.choice(document.getElementById("units"), (unit) => {
      view.unit = unit;
      Common.remember("unit", unit);
      drawFacts();
      drawChart();
      drawLog();
    })(view.unit);
    Common.choice(document.getElementById("which"), (which) => {
      Object.assign(log, { which, shown: 100 });
      drawLog();
    })("all");
  }

  function followChart() {
    chart.on("plotly_relayout", (event) => {
      if (!("xaxis.range[0]" in event)) return;
      view.range = ["xaxis.range[0]", "xaxis.range[1]"].map((key) => asTime(event[key]));
      pressRange("");
      drawChart();
    });
    chart.on("plotly_doubleclick", () => {
      pressRange("all");
      setRange("all");
      drawChart();
    });
    chart.addEventListener("keydown", walk);
    document.documentElement.dataset.ready = "true";
  }

  /* Plotly gives the ends of a range as numbers or as local date texts. */
  function asTime(end) {
    if (typeof end === "number") return end;
    return Date.parse(end.length > 10 ? end.replace(" ", "T") + "Z" : end);
  }

  /* The text is there at once; the chart follows when its library has been loaded. */
  function start() {
    chooseView();
    drawFacts();
    drawLog();
    Common.theme((theme) => {
      view.theme = theme;
      drawLegend();
      if (chart.data) drawChart();
    });
    const library = document.getElementById("plotly");
    const follow = () => drawChart().then(followChart);
    if (window.Plotly) follow();
    else library.addEventListener("load", follow);
  }

  start();
})();
