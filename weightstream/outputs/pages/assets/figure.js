/* One person's chart, built from the columns of a page. Used by person pages and by PNG export,
   so that a picture is described in one place. Colours: Okabe and Ito's order, darkened or
   lightened until each reaches 3:1 against its background (WCAG 1.4.11). */
(function (root) {
  "use strict";

  const { DAY, cell, decision, rejected, copy } = Columns;
  const { LINE, WEEKS, CROWD, PIXELS } = Course;
  const { say } = Texts;
  const THEMES = {
    light: {
      paper: "#ffffff",
      ink: "#18212b",
      muted: "#55616e",
      grid: "#e6eaee",
      band: "rgba(24,33,43,0.13)",
      rate: "#0b5cab",
      rateBand: "rgba(11,92,171,0.15)",
      rejected: "#b8400a",
      hint: "#00705a",
      alert: "#c2185b",
      gap: "rgba(85,97,110,0.08)",
      shift: "#7a3d8f",
      sources: ["#0072b2", "#00805e", "#a6497f", "#8a6100", "#3f6d8c", "#6a52b3", "#5b6470"],
    },
    dark: {
      paper: "#171e26",
      ink: "#e8edf2",
      muted: "#a3b1be",
      grid: "#28323c",
      band: "rgba(232,237,242,0.16)",
      rate: "#6bb6ff",
      rateBand: "rgba(107,182,255,0.18)",
      rejected: "#ff8a5c",
      hint: "#3fd0ae",
      alert: "#ff7fae",
      gap: "rgba(163,177,190,0.09)",
      shift: "#d6a2ea",
      sources: ["#56b4e9", "#2cc39a", "#e08fbf", "#e6a11c", "#9cc3dd", "#b3a2f2", "#b8c0cc"],
    },
  };
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "pentagon", "hexagon", "star"];
  const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
  const TIME_FORMATS = [
    { dtickrange: [null, DAY - 1], value: "%H:%M\n%-d %b %Y" },
    { dtickrange: [DAY, "M1"], value: "%-d %b\n%Y" },
    { dtickrange: ["M1", "M11"], value: "%b\n%Y" },
    { dtickrange: ["M12", null], value: "%Y" },
  ];
  const HOVER = { hovertemplate: "%{text}<extra></extra>" };
  const RATE_TOP = 0.22; // of the chart's height: the rate's panel, below the weights
  const WEIGHT_FLOOR = 0.3;
  const MARK = 5; // pixels of a mark, where they are many
  const WEIGHT_PIXELS = 335; // about the height of the weights
  const RIM = 0.02; // of the weights' range: half of a mark

  /* What a person first sees. narrow: a phone. hidden: codes of sources. range: [ms, ms] or null. */
  const defaultView = () => ({
    theme: "light",
    unit: "kg",
    narrow: false,
    hidden: new Set(),
    showRejected: true,
    showCopies: false,
    allHints: false,
    showOutlook: true,
    fitAll: false,
    asFirst: false,
    range: null,
  });

  /* The time that a view shows: chosen, or all readings and a part of what lies ahead. */
  function span(data, view) {
    if (view.range) return view.range;
    const first = data.ms[0];
    const last = data.ms.at(-1);
    const pad = Math.max(1.5 * DAY, (last - first) * 0.02, (14 * DAY - (last - first)) / 2);
    if (!view.showOutlook || !data.outlook) return [first - pad, last + pad];
    return [first - pad, last + Math.min(56 * DAY, Math.max(14 * DAY, (last - first) * 0.2))];
  }

  /* What a drawing needs besides the columns. rows: readings in sight; start, end: those and one
     on either side, for the lines that lead out of sight. */
  function frame(data, view) {
    const [from, to] = span(data, view);
    const first = data.ms.findIndex((ms) => ms >= from);
    const start = Math.max(0, (first < 0 ? data.ms.length : first) - 1);
    const end = Math.min(data.ms.length - 1, data.ms.findLastIndex((ms) => ms <= to) + 1);
    const inSight = (i) => data.ms[i] >= from && data.ms[i] <= to;
    const all = data.ms.map((_, i) => i).filter(inSight);
    const rows = all.filter((i) => !view.hidden.has(cell(data.source, i)));
    const scale = Words.UNITS[view.unit];
    const rateScale = Words.UNITS[Words.changeUnit(view.unit)];
    const range = weightRange(data, view, { rows, all, from, to });
    return { theme: THEMES[view.theme], from, to, start, end, rows, all, scale, rateScale, range };
  }

  /* The range that shows the course well: rejected readings do not stretch it. */
  function weightRange(data, view, { rows, all, from, to }) {
    const seen = [];
    for (const i of rows) {
      if (copy(data, i, view.asFirst) && !view.showCopies) continue;
      const { suggested } = decision(data, i, view.asFirst);
      if (!rejected(data, i, view.asFirst) || view.fitAll) seen.push(data.kg[i]);
      if (view.showRejected && view.allHints) seen.push(suggested);
    }
    for (const i of all) seen.push(data.level_lo[i], data.level_hi[i]);
    for (const b of data.gaps) {
      const a = data.level.findLastIndex((kg, k) => k < b && kg !== null);
      const { ms, lo, hi } = Columns.between(data, a, b, 0.5);
      if (ms >= from && ms <= to) seen.push(lo, hi);
    }
    if (view.showOutlook && data.outlook && to > data.ms.at(-1)) seen.push(data.outlook.lo[3], data.outlook.hi[3]);
    let known = seen.filter((kg) => kg !== null);
    if (!known.length) known = rows.map((i) => data.kg[i]); // rejected ones and no level
    if (!known.length) return [0, 100];
    const low = known.reduce((a, b) => Math.min(a, b));
    const high = known.reduce((a, b) => Math.max(a, b));
    const pad = Math.max(0.5, (high - low) * 0.07);
    return [low - pad, high + pad];
  }

  const lastLevel = (data) => data.level.findLastIndex((kg) => kg !== null);

  function rateRange(data, { all, rateScale }) {
    const known = all.filter((i) => data.change[i] !== null);
    const most = known.reduce((m, i) => Math.max(m, Math.abs(data.change[i])), WEEKS * 0.4) / WEEKS;
    return [-1.35 * most * rateScale, 1.35 * most * rateScale];
  }

  /* Of many readings, one for each spot that a mark covers. */
  function spots(data, rows, { rows: all, from, to, range }) {
    if (all.length < CROWD) return rows;
    const [wide, high] = [(to - from) / (PIXELS / MARK), (range[1] - range[0]) / (WEIGHT_PIXELS / MARK)];
    const seen = new Set();
    return rows.filter((i) => {
      if (data.overrideBy.has(i)) return true;
      const spot = `${Math.floor(data.ms[i] / wide)},${Math.floor(data.kg[i] / high)}`;
      return !seen.has(spot) && seen.add(spot);
    });
  }

  const clamp = (kg, [low, high]) => Math.min(high, Math.max(low, kg));

  /* Where a mark is drawn: one off the scale wholly inside, since the rim hears no pointer. */
  function markAt(kg, [low, high]) {
    const rim = (high - low) * RIM;
    return clamp(kg, kg < low || kg > high ? [low + rim, high - rim] : [low, high]);
  }

  function points(data, view, { range, scale }, rows, name, marker) {
    return {
      ...HOVER,
      type: "scatter",
      mode: "markers",
      cliponaxis: false,
      name,
      x: rows.map((i) => data.ms[i]),
      y: rows.map((i) => markAt(data.kg[i], range) * scale),
      text: rows.map((i) => ({ toString: () => Words.hover(data, i, view.unit) })), // made when it is pointed at
      customdata: rows,
      marker,
    };
  }

  /* A dark ring marks an override. */
  function ring(data, rows, theme) {
    const overridden = rows.map((i) => data.overrideBy.has(i));
    if (!overridden.includes(true)) return { width: 0.6, color: theme.paper }; // one look draws faster
    return {
      width: overridden.map((o) => (o ? 2.5 : 0.6)),
      color: overridden.map((o) => (o ? theme.ink : theme.paper)),
    };
  }

  function pointSize(rows, view) {
    const crowd = rows.length * (view.narrow ? 3 : 1);
    return crowd > 800 ? 5 : crowd > 250 ? 6 : 7.5;
  }

  /* Where the colours begin anew, the symbols do not: no two of 49 sources look the same. */
  function sourceLook({ sources: colors }, s) {
    const round = Math.floor(s / colors.length);
    return { color: colors[s % colors.length], symbol: SYMBOLS[(s + round) % SYMBOLS.length] };
  }

  function acceptedTraces(data, view, sight) {
    const { rows, theme } = sight;
    const size = pointSize(rows, view);
    const accepted = rows.filter((i) => !rejected(data, i, view.asFirst) && !copy(data, i, view.asFirst));
    return data.sources.flatMap((name, s) => {
      const own = spots(data, accepted.filter((i) => cell(data.source, i) === s), sight);
      if (!own.length) return [];
      const marker = { ...sourceLook(theme, s), size, opacity: 0.85, line: ring(data, own, theme) };
      return points(data, view, sight, own, name, marker);
    });
  }

  /* Copies of weighings: hollow and grey, where they are asked for. */
  function copyTrace(data, view, sight) {
    const { rows, theme } = sight;
    const copies = view.showCopies ? rows.filter((i) => copy(data, i, view.asFirst)) : [];
    if (!copies.length) return [];
    const marker = { symbol: "circle-open", color: theme.muted, size: pointSize(rows, view) + 1 };
    return [points(data, view, sight, spots(data, copies, sight), say("legend.copies"), marker)];
  }

  /* An arrow to what a reading probably should have been. */
  function arrows(data, view, { theme, range, scale }, rows) {
    const hints = rows.map((i) => [i, decision(data, i, view.asFirst).suggested]).filter(([, kg]) => kg !== null);
    return {
      ...LINE,
      mode: "lines+markers",
      name: say("legend.suggested"),
      cliponaxis: false,
      x: hints.flatMap(([i]) => [data.ms[i], data.ms[i], null]),
      y: hints.flatMap(([i, kg]) => [clamp(data.kg[i], range) * scale, clamp(kg, range) * scale, null]),
      line: { color: theme.hint, width: 1.4 },
      marker: { symbol: "arrow", angleref: "previous", size: hints.flatMap(() => [0, 10, 0]), color: theme.hint },
    };
  }

  /* Rejected readings, at the edge where they are off the scale; arrows where they are asked for. */
  function rejectedTraces(data, view, sight) {
    const { rows, theme, range } = sight;
    const bad = rows.filter((i) => rejected(data, i, view.asFirst));
    if (!view.showRejected || !bad.length) return [];
    const symbol = bad.map((i) =>
      data.kg[i] > range[1] ? "triangle-up" : data.kg[i] < range[0] ? "triangle-down" : "x",
    );
    const marker = { color: theme.rejected, symbol, size: pointSize(rows, view) + 2, line: ring(data, bad, theme) };
    return [...(view.allHints ? [arrows(data, view, sight, bad)] : []), points(data, view, sight, bad, say("legend.rejected"), marker)];
  }

  /* Where the level goes if the rate fades as the model says. */
  function outlookTraces(data, view, { theme, scale }) {
    const last = lastLevel(data);
    if (!data.outlook || !view.showOutlook || last < 0) return [];
    const { days, level, lo, hi } = data.outlook;
    const from = (first, rest) => [first, ...rest].map((kg) => kg * scale);
    const x = [data.ms[last], ...days.map((d) => data.ms[last] + d * DAY)];
    const y = [...from(data.level_hi[last], hi), ...from(data.level_lo[last], lo).reverse()];
    const line = { color: theme.rate, width: 2, dash: "dash" };
    return [
      { ...LINE, x: [...x, ...x.slice().reverse()], y, fill: "toself", fillcolor: theme.rateBand, line: { width: 0 } },
      { ...LINE, x, y: from(data.level[last], level), line, name: say("legend.projection"), showlegend: true },
    ];
  }

  /* Circles: a rapid gain where it was seen, in a reading; the others where the level is. */
  function alertTrace(data, view, { theme, scale, range }) {
    const rowAt = (ms) => data.ms.findLastIndex((t) => t <= ms);
    const levelAt = (ms) => data.level[rowAt(ms)];
    const height = (a) => (a.kind === "rapid_gain" ? clamp(data.kg[rowAt(a.ms)], range) : levelAt(a.ms));
    const marks = data.alertMarks.filter((a) => a.kind !== "unconfirmed" && (levelAt(a.ms) ?? null) !== null);
    return {
      ...HOVER,
      type: "scatter",
      mode: "markers",
      name: say("legend.alert"),
      showlegend: marks.length > 0,
      x: marks.map((a) => a.ms),
      y: marks.map((a) => height(a) * scale),
      text: marks.map((a) => Words.wrap(Words.escape(Words.alert(a, view.unit) + (a.status === "new" ? "" : `; ${say(`status.${a.status}`, { who: Words.isolate(a.said) })}`)))),
      marker: { symbol: "circle-open", size: 19, color: theme.alert, line: { width: 2.5 } },
    };
  }

  const ACROSS = { xref: "x", yref: "paper" };

  /* Grey ground where nobody was weighed. Returns [shapes, annotations]. */
  function gapMarks(data, { theme, from, to }, narrow) {
    const before = (i) => data.level.findLastIndex((kg, k) => k < i && kg !== null);
    const seen = data.gaps.map((i) => [data.ms[before(i)], data.ms[i]]).filter(([a, b]) => b >= from && a <= to);
    const look = { ...ACROSS, type: "rect", y0: 0, y1: 1, fillcolor: theme.gap, line: { width: 0 }, layer: "below" };
    const font = { size: 11, color: theme.muted };
    const least = (to - from) * (narrow ? 0.3 : 0.1); // of what is in sight, so that words fit
    const notes = seen
      .filter(([a, b]) => Math.min(b, to) - Math.max(a, from) > least)
      .map(([a, b]) => ({
        ...ACROSS,
        x: (Math.max(a, from) + Math.min(b, to)) / 2,
        y: WEIGHT_FLOOR,
        yanchor: "bottom",
        showarrow: false,
        text: Words.escape(say("chart.gap", { days: Words.count(Math.round((b - a) / DAY)) })).replace("\n", "<br>"),
        font,
      }));
    return [seen.map(([x0, x1]) => ({ ...look, x0, x1 })), notes];
  }

  /* Dashed lines at confirmed level shifts; labels of neighbours make room for each other. */
  function shiftMarks(data, { theme, from, to }, unit) {
    const seen = data.shiftMarks.filter((s) => s.ms >= from && s.ms <= to);
    const near = (a, b) => a && b && b.ms - a.ms < 0.15 * (to - from);
    const within = (ms) => ms < 0.15 * (to - from);
    const edge = (s) => (within(s.ms - from) ? "left" : within(to - s.ms) ? "right" : ""); // nothing is cut off
    const line = { color: theme.shift, width: 1.5, dash: "dash" };
    const shapes = seen.map((s) => ({ ...ACROSS, type: "line", x0: s.ms, x1: s.ms, y0: WEIGHT_FLOOR, y1: 1, line }));
    const notes = seen.map((s, k) => ({
      ...ACROSS,
      x: s.ms,
      y: 1,
      yanchor: "bottom",
      xanchor: edge(s) || (near(seen[k - 1], s) ? "left" : near(s, seen[k + 1]) ? "right" : "center"),
      showarrow: false,
      text: say("chart.shift", { kg: Words.change(s.to - s.from, unit) }),
      font: { size: 11, color: theme.shift },
    }));
    return [shapes, notes];
  }

  /* A dotted line at what the person wants to weigh, where it is in sight. */
  function goalMark(data, { theme, scale, range }) {
    if (!data.goal || data.goal[0] < range[0] || data.goal[0] > range[1]) return [];
    const at = data.goal[0] * scale;
    return [{ type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: at, y1: at, line: { color: theme.hint, width: 1.5, dash: "dot" } }];
  }

  /* Stones are counted in pounds, not in tenths. */
  function weightTicks({ unit }, [low, high]) {
    if (unit !== "st") return {};
    const [from, to] = [low * Words.UNITS.lb, high * Words.UNITS.lb];
    const step = [1, 2, 7, 14, 28, 70].find((lb) => (to - from) / lb <= 10) || 140;
    const marks = [];
    for (let lb = Math.ceil(from / step) * step; lb <= to; lb += step) marks.push(lb);
    const name = (lb) => `${Math.floor(lb / 14)} st${lb % 14 ? ` ${lb % 14}` : ""}`;
    return { tickmode: "array", tickvals: marks.map((lb) => lb / 14), ticktext: marks.map(name) };
  }

  function layout(data, view, sight) {
    const { theme, scale, range, from, to } = sight;
    const [gapShapes, gapNotes] = gapMarks(data, sight, view.narrow);
    const [shiftShapes, shiftNotes] = shiftMarks(data, sight, view.unit);
    const axis = { gridcolor: theme.grid, zerolinecolor: theme.muted, linecolor: theme.grid, fixedrange: true };
    axis.tickfont = { color: theme.muted };
    const title = (text) => ({ text: view.narrow ? "" : text, font: { size: 12, color: theme.muted }, standoff: 6 });
    const time = { type: "date", range: [from, to], anchor: "y2", showgrid: false, fixedrange: false };
    const rateTitle = title(say("chart.rate", { unit: Words.changeUnit(view.unit) }));
    return {
      separators: Texts.separators,
      paper_bgcolor: theme.paper,
      plot_bgcolor: theme.paper,
      font: { family: FONT, size: 13, color: theme.ink },
      margin: { l: (view.unit === "st" ? 62 : 40) + (view.narrow ? 0 : 24), r: view.narrow ? 6 : 14, t: 26, b: 40 },
      showlegend: false,
      hovermode: "closest",
      dragmode: "zoom",
      shapes: [...gapShapes, ...shiftShapes, ...goalMark(data, sight)],
      annotations: [...gapNotes, ...shiftNotes],
      hoverlabel: {
        align: "left",
        bgcolor: theme.paper,
        bordercolor: theme.muted,
        font: { family: FONT, color: theme.ink, size: 13 },
      },
      xaxis: { ...axis, ...time, tickformatstops: TIME_FORMATS },
      yaxis: {
        ...axis,
        domain: [WEIGHT_FLOOR, 1],
        range: range.map((kg) => kg * scale),
        title: title(say("chart.weight", { unit: view.unit })),
        ...weightTicks(view, range),
      },
      yaxis2: { ...axis, domain: [0, RATE_TOP], range: rateRange(data, sight), nticks: 5, title: rateTitle },
    };
  }

  /* {data, layout} for Plotly. */
  function build(data, view) {
    const sight = frame(data, view);
    const [ground, dots, line] = Course.levelTraces(data, sight);
    const traces = [
      ...outlookTraces(data, view, sight),
      ground,
      dots,
      ...Course.rateTraces(data, sight),
      ...acceptedTraces(data, view, sight),
      ...copyTrace(data, view, sight),
      ...rejectedTraces(data, view, sight),
      line, // above the readings, or many of them would hide it
      alertTrace(data, view, sight),
    ];
    return { data: traces.filter((trace) => trace.x.length), layout: layout(data, view, sight) };
  }

  root.Figure = { THEMES, sourceLook, defaultView, span, frame, build };
})(window);
