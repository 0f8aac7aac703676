/* A person's page: the chart and its switches; text first, the chart when its library is there. */
(function () {
  "use strict";

  const { element } = Common;
  const { DAY, cell } = Columns;
  const { say } = Texts;
  const local = Texts.localOfPlotly();
  const find = (id) => document.getElementById(id);
  const data = Columns.prepare(Common.data());
  const rows = data.ms.map((_, i) => i);
  const last = rows.length - 1;
  const view = { ...Figure.defaultView(), unit: Common.unit() };
  const chart = find("chart");
  const touch = matchMedia("(pointer: coarse)").matches;
  let listed = "all";
  let pressRange;
  let at = -1; // the reading that the keyboard is at

  function drawChart() {
    if (!window.Plotly) return undefined;
    view.narrow = chart.clientWidth < 560;
    const figure = Figure.build(data, view);
    if (touch) figure.layout.dragmode = false; // a finger on the chart scrolls the page
    const config = { responsive: true, displayModeBar: false, doubleClick: false, ...local };
    return Plotly.react(chart, figure.data, figure.layout, config);
  }

  function drawText() {
    Facts.drawSummary(find("summary"), data, view.unit);
    Facts.draw(find("facts"), data, view.unit);
  }

  function drawLog() {
    const kept = { all: () => true, rejected: Columns.rejected, copies: Columns.copy }[listed];
    const list = rows.filter((i) => kept(data, i)).reverse();
    Log.draw(find("log"), data, list, view.unit, show);
  }

  const SHAPES = {
    circle: "M8 2a6 6 0 1 0 .01 0z",
    square: "M3 3h10v10H3z",
    diamond: "M8 1l7 7-7 7-7-7z",
    "triangle-up": "M8 2l6 11H2z",
    pentagon: "M8 1l7 5-3 8H4L1 6z",
    hexagon: "M4 2h8l4 6-4 6H4L0 8z",
    star: "M8 0l2 6h6l-5 4 2 6-5-4-5 4 2-6-5-4h6z",
    x: "M3 1l5 5 5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5z",
    line: "M0 7h16v3H0z",
    band: "M0 3h16v10H0z",
    dash: "M0 7h6v3H0zM10 7h6v3h-6z",
    arrow: "M7 1h2v7h3l-4 7-4-7h3z",
    ring: "M8 1a7 7 0 1 0 .01 0zM8 3.5a4.5 4.5 0 1 1-.01 0z",
  };

  const glyph = (shape, fill) => Common.svg({ viewBox: "0 0 16 16" }, ["path", { d: SHAPES[shape], fill }]);

  /* A switch of the chart; a series that is switched off is struck through. */
  function chip(icon, text, pressed, toggle) {
    const attributes = { type: "button", class: icon ? "chip series" : "chip", "aria-pressed": pressed };
    const button = element("button", attributes, icon, text);
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
      toggle();
      drawChart();
    });
    return button;
  }

  const viewChip = (icon, text, key) => chip(icon, text, view[key], () => (view[key] = !view[key]));

  function sourceChip(name, source, theme) {
    const count = rows.filter((i) => cell(data.source, i) === source).length;
    const { color, symbol } = Figure.sourceLook(theme, source);
    const icon = glyph(symbol, color);
    const toggle = () => view.hidden.delete(source) || view.hidden.add(source);
    return chip(icon, element("bdi", {}, `${name} (${count})`), !view.hidden.has(source), toggle);
  }

  function drawLegend() {
    const theme = Figure.THEMES[view.theme];
    const bad = rows.filter((i) => Columns.rejected(data, i)).length;
    const key = (shape, color, text) => element("span", { class: "key" }, glyph(shape, color), text);
    const legend = data.sources.map((name, source) => sourceChip(name, source, theme));
    const copies = rows.filter((i) => Columns.copy(data, i)).length;
    if (bad) legend.push(viewChip(glyph("x", theme.rejected), `${say("legend.rejected")} (${Words.count(bad)})`, "showRejected"));
    if (copies) legend.push(viewChip(glyph("ring", theme.muted), `${say("legend.copies")} (${Words.count(copies)})`, "showCopies"));
    legend.push(key("line", theme.ink, say("legend.level")), key("band", theme.band, say("legend.interval")));
    if (data.suggestedBy.size) legend.push(viewChip(glyph("arrow", theme.hint), say("legend.suggested"), "allHints"));
    if (data.overrideBy.size) legend.push(key("ring", theme.ink, say("legend.override")));
    if (data.alertMarks.some((a) => a.kind !== "unconfirmed")) legend.push(key("ring", theme.alert, say("legend.alert")));
    if (data.outlook) legend.push(viewChip(glyph("dash", theme.rate), say("legend.projection"), "showOutlook"));
    if (data.goal) legend.push(key("dash", theme.hint, say("legend.goal")));
    if (bad) legend.push(viewChip("", say("legend.zoomOut"), "fitAll"));
    if (data.firstBy.size) legend.push(viewChip("", say("legend.asFirst"), "asFirst"));
    find("legend").replaceChildren(...legend);
  }

  /* days: as text, or "all". */
  function showRange(days) {
    const ahead = data.outlook && view.showOutlook ? Math.max(7, days * 0.15) : Math.max(1, days * 0.03);
    view.range = days === "all" ? null : [data.ms[last] - days * DAY, data.ms[last] + ahead * DAY];
    pressRange(days);
    return drawChart();
  }

  /* Long histories open at their last year, if enough happened in it. */
  function firstRange() {
    const year = data.ms.filter((ms) => ms >= data.ms[last] - 365 * DAY).length;
    return data.ms[last] - data.ms[0] > 730 * DAY && year >= 30 ? "365" : "all";
  }

  /* A click on a decision: the chart shows its reading, whatever was switched off or out of sight. */
  function show(row) {
    if (Columns.copy(data, row)) view.showCopies = true;
    if (Columns.rejected(data, row)) view.showRejected = true;
    view.hidden.delete(cell(data.source, row));
    drawLegend();
    chart.scrollIntoView({ block: "nearest" });
    history.replaceState(null, "", `#${data.id[row]}`);
    const redrawn = drawChart();
    if (redrawn) redrawn.then(() => point(row));
  }

  /* The arrow from a rejected reading to what it should have been, while it is pointed at: over the
     chart, since Plotly would take the reading's box away if it drew it. */
  function hint(row) {
    find("hint").replaceChildren();
    const { suggested } = row >= 0 ? Columns.decision(data, row, view.asFirst) : { suggested: null };
    if (suggested === null || !Columns.rejected(data, row, view.asFirst) || view.allHints) return;
    const { scale, range } = Figure.frame(data, view);
    const { xaxis, yaxis } = chart._fullLayout;
    const place = (kg) => yaxis._offset + yaxis.d2p(Math.min(range[1], Math.max(range[0], kg)) * scale);
    const [x, start, end] = [xaxis._offset + xaxis.d2p(data.ms[row]), place(data.kg[row]), place(suggested)];
    const tip = end > start ? -8 : 8;
    const path = `M${x} ${start}V${end}M${x - 4} ${end + tip}L${x} ${end}L${x + 4} ${end + tip}`;
    find("hint").append(Common.svg({}, ["path", { d: path, stroke: Figure.THEMES[view.theme].hint }]).firstChild);
  }

  /* Show a reading's box in the chart, as a mouse would; returns what it says. */
  function box(row) {
    for (const [curveNumber, trace] of (chart.data || []).entries()) {
      const pointNumber = (trace.customdata || []).indexOf(row);
      if (pointNumber < 0) continue;
      Plotly.Fx.hover(chart, [{ curveNumber, pointNumber }], "xy");
      return String(trace.text[pointNumber]).replace(/<br>/g, ", ").replace(/<[^>]*>/g, "");
    }
    return "";
  }

  /* Show one reading's box in the chart, and say it. */
  function point(row) {
    const [from, to] = Figure.span(data, view);
    if (data.ms[row] < from || data.ms[row] > to) showRange("all");
    at = row;
    find("spoken").textContent = box(row);
    hint(row);
  }

  /* The readings that the chart shows, with their decisions. */
  function saveTable() {
    const { rows: shown } = Figure.frame(data, view);
    const head = ["measurement_id", "effective_at", "source", "weight_kg", "verdict", "reason", "level_kg", "change_28d_kg"];
    const kept = (i) => (view.showRejected || !Columns.rejected(data, i)) && (view.showCopies || !Columns.copy(data, i));
    const lines = shown.filter(kept).map((i) => {
      const { verdict, reason } = Columns.decision(data, i, view.asFirst);
      return [data.id[i], data.time[i], data.sources[cell(data.source, i)], data.kg[i], verdict, reason[0], data.level[i], data.change[i]];
    });
    Common.saveTable("readings.csv", [head, ...lines]);
  }

  function savePicture() {
    if (window.Plotly) Plotly.downloadImage(chart, { format: "png", filename: "weight", width: 1100, height: 640, scale: 2 });
  }

  /* Paper is white, and narrower than most windows. */
  function print() {
    addEventListener("beforeprint", () => {
      view.theme = "light";
      if (!chart.data) return;
      drawChart();
      Plotly.relayout(chart, { width: 680, height: 420, autosize: false });
    });
    // Firefox still lays out for paper when it says that it has printed: the screen comes after.
    addEventListener("afterprint", () => setTimeout(() => {
      view.theme = document.documentElement.dataset.theme;
      if (chart.data) Plotly.relayout(chart, { width: null, height: null, autosize: true }).then(drawChart);
    }));
  }

  /* Arrow keys walk through the readings that the chart shows. */
  function walk(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const shown = new Set(chart.data.flatMap((trace) => trace.customdata || []));
    let row = at < 0 && step < 0 ? last + 1 : at;
    do row += step;
    while (row >= 0 && row <= last && !shown.has(row));
    if (row >= 0 && row <= last) point(row);
  }

  /* Plotly gives the ends of a range as numbers or as local date texts. */
  function asTime(end) {
    if (typeof end === "number") return end;
    return Date.parse(end.length > 10 ? `${end.replace(" ", "T")}Z` : end);
  }

  function followChart() {
    chart.on("plotly_relayout", (event) => {
      if (!("xaxis.range[0]" in event)) return;
      view.range = [asTime(event["xaxis.range[0]"]), asTime(event["xaxis.range[1]"])];
      pressRange("");
      drawChart();
    });
    chart.on("plotly_doubleclick", () => showRange("all"));
    chart.on("plotly_hover", ({ points }) => hint(points[0].customdata ?? -1));
    chart.on("plotly_unhover", () => hint(-1));
    chart.addEventListener("keydown", walk);
    const linked = data.id.indexOf(decodeURIComponent(location.hash.slice(1)));
    if (linked >= 0) show(linked);
  }

  function start() {
    Texts.fill(document);
    Common.about(data.zone);
    find("which").querySelector("[value=copies]").hidden = !rows.some((i) => Columns.copy(data, i));
    find("csv").addEventListener("click", saveTable);
    find("png").addEventListener("click", savePicture);
    print();
    pressRange = Common.choice(find("ranges"), showRange);
    Common.choice(find("which"), (which) => {
      listed = which;
      drawLog();
    })("all");
    Common.units((unit) => {
      view.unit = unit;
      drawText();
      drawLog();
      drawChart();
    });
    drawText();
    Common.theme((theme) => {
      view.theme = theme;
      drawLegend();
      if (chart.data) drawChart();
    });
    if (!rows.length) {
      chart.replaceWith(element("p", { class: "empty" }, say("nothing")));
      complete();
      return;
    }
    const draw = () =>
      Promise.resolve(firstRange()).then(showRange).then(followChart).then(completeLater, complete);
    if (window.Plotly) draw();
    else {
      // Without the chart's library, or with a broken one, there is the list all the same.
      find("plotly").addEventListener("load", () => window.Plotly && draw());
      addEventListener("load", () => window.Plotly || complete());
    }
  }

  /* The list of decisions is below the chart: it comes after the chart's first frame. */
  function completeLater() {
    document.documentElement.dataset.drawn = "true";
    if (document.hidden) complete(); // no frame comes
    else requestAnimationFrame(() => setTimeout(complete));
  }

  function complete() {
    drawLog();
    document.documentElement.dataset.ready = "true";
  }

  start();
})();
