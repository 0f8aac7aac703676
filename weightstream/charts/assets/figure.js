/* One person's chart, built from the columns of a page. Used by person pages and by PNG export,
   so that a picture is described in one place. Colours: Okabe and Ito's order, darkened or
   lightened until each reaches 3:1 against its background (WCAG 1.4.11). */
(function (root) {
  "use strict";

  const DAY = 86400000;
  const THEMES = {
    light: {
      paper: "#ffffff", ink: "#18212b", muted: "#55616e", grid: "#e6eaee", band: "rgba(24,33,43,0.13)",
      rate: "#0b5cab", rateBand: "rgba(11,92,171,0.15)", rejected: "#b8400a", hint: "#00705a",
      alert: "#c2185b", gap: "rgba(85,97,110,0.08)", shift: "#7a3d8f",
      sources: ["#0072b2", "#00805e", "#a6497f", "#8a6100", "#3f6d8c", "#6a52b3", "#5b6470"],
    },
    dark: {
      paper: "#171e26", ink: "#e8edf2", muted: "#a3b1be", grid: "#28323c", band: "rgba(232,237,242,0.16)",
      rate: "#6bb6ff", rateBand: "rgba(107,182,255,0.18)", rejected: "#ff8a5c", hint: "#3fd0ae",
      alert: "#ff7fae", gap: "rgba(163,177,190,0.09)", shift: "#d6a2ea",
      sources: ["#56b4e9", "#2cc39a", "#e08fbf", "#e6a11c", "#9cc3dd", "#b3a2f2", "#b8c0cc"],
    },
  };
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "pentagon", "hexagon", "star"];
  const LB = 2.2046226218487757;
  const UNITS = {
    kg: { factor: 1, digits: 1, name: "kg" },
    lb: { factor: LB, digits: 1, name: "lb" },
    st: { factor: LB / 14, digits: 2, name: "st" },
  };

  const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
  const QUIET = { type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false };

  /* Columns that say the same for every reading travel as one value. */
  function cell(column, row) {
    return Array.isArray(column) ? column[row] : column;
  }

  function zoneShift(zone) {
    if (!zone || zone === "UTC") return () => 0;
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
      hour: "numeric", minute: "numeric", second: "numeric",
    });
    return (ms) => {
      const part = {};
      for (const p of format.formatToParts(ms)) part[p.type] = +p.value;
      return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) - Math.floor(ms / 1000) * 1000;
    };
  }

  /* Adds to the columns what every view needs: ms (local wall time, as if UTC), day-only flags,
     gaps, suggestions by row. */
  function prepare(data) {
    const shift = zoneShift(data.zone);
    const stamp = (text) => {
      const dateOnly = text.length === 10;
      const ms = Date.parse(dateOnly ? text + "T12:00:00Z" : text);
      return dateOnly ? ms : ms + shift(ms);
    };
    data.ms = data.time.map(stamp);
    data.dateOnly = data.time.map((text) => text.length === 10);
    data.suggestedBy = new Map(data.suggested.rows.map((row, i) => [row, data.suggested.kg[i]]));
    data.shiftMarks = data.shifts.map((s) => ({ ms: stamp(s[0]), from: s[1], to: s[2] }));
    data.overrideBy = new Map(data.overrides.map((o) => [o[0], { verdict: o[1], by: o[2], at: o[3], why: o[4] }]));
    data.firstBy = new Map();
    for (const d of data.earlier) {
      const known = data.firstBy.get(d[0]);
      if (!known || d[1] < known.version)
        data.firstBy.set(d[0], { version: d[1], stage: data.stages[d[2]], verdict: data.verdicts[d[3]], reason: data.reasons[d[4]], suggested: d[5] });
    }
    data.alertMarks = data.alerts.map((a) => ({ ms: stamp(a[0]), kind: a[1], days: a[2], kg: a[3], p: a[4] }));
    data.gaps = gaps(data.ms);
    data.steps = data.shiftMarks.map((s) => data.ms.findIndex((ms) => ms >= s.ms)); // first row of the new level
    return data;
  }

  /* A gap is 30 days without a reading, or four times the person's usual spacing if that is more. */
  function gaps(ms) {
    const steps = [];
    for (let i = 1; i < ms.length; i++) if (ms[i] - ms[i - 1] > DAY / 2) steps.push(ms[i] - ms[i - 1]);
    steps.sort((a, b) => a - b);
    const usual = steps.length ? steps[steps.length >> 1] : 0;
    const limit = Math.max(30 * DAY, 4 * usual);
    const found = [];
    for (let i = 1; i < ms.length; i++) if (ms[i] - ms[i - 1] >= limit) found.push(i);
    return found; // index of the first reading after each gap
  }

  function unitText(kg, unit) {
    if (kg === null || kg === undefined || !isFinite(kg)) return "–";
    if (unit === "st") {
      const tenths = Math.round(Math.abs(kg) * LB * 10);
      return (kg < 0 ? "−" : "") + Math.floor(tenths / 140) + " st " + ((tenths % 140) / 10).toFixed(1) + " lb";
    }
    return (kg * UNITS[unit].factor).toFixed(1).replace("-", "−") + " " + unit;
  }

  /* Differences and rates: in pounds where the unit is stones, as people say them. */
  function deltaText(kg, unit, digits) {
    if (kg === null || kg === undefined || !isFinite(kg)) return "–";
    const name = unit === "kg" ? "kg" : "lb";
    const value = (kg * (name === "kg" ? 1 : LB)).toFixed(digits === undefined ? 1 : digits);
    const zero = Number(value) === 0;
    return (zero ? "±" : kg > 0 ? "+" : "−") + value.replace("-", "") + " " + name;
  }

  const escape = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  function dateText(ms) {
    const d = new Date(ms);
    return d.getUTCDate() + " " + MONTHS[d.getUTCMonth()] + " " + d.getUTCFullYear();
  }
  function timeText(data, row) {
    const iso = new Date(data.ms[row]).toISOString();
    return dateText(data.ms[row]) + (data.dateOnly[row] ? "" : ", " + iso.slice(11, 16));
  }

  /* The decision on a reading: the current one, or (asFirst) the first that was made. */
  function decision(data, row, asFirst) {
    if (asFirst && data.firstBy.has(row)) return data.firstBy.get(row);
    return { verdict: data.verdicts[cell(data.verdict, row)], reason: data.reasons[cell(data.reason, row)],
      suggested: data.suggestedBy.has(row) ? data.suggestedBy.get(row) : null };
  }

  function reasonText(d, unit) {
    let text = d.reason[1];
    if (d.suggested !== null) text += (text ? "; " : "") + "probably " + unitText(d.suggested, unit);
    return text;
  }

  /* The sentences that explain a decision: why, who overrode it, what it was before. */
  function explain(data, row, unit) {
    const sentences = [reasonText(decision(data, row), unit)];
    const o = data.overrideBy.get(row);
    if (o) sentences[0] = "Set to " + o.verdict + " by " + o.by + " on " + o.at.slice(0, 10) + (o.why ? ": " + o.why : "");
    const first = data.firstBy.get(row);
    if (first) {
      const was = reasonText(first, unit);
      sentences.push("Before (" + first.stage + "): " + first.verdict + (was ? ", " + was[0].toLowerCase() + was.slice(1) : ""));
    }
    return sentences.filter((text) => text).join(". ");
  }

  function alertText(alert, unit) {
    const change = deltaText(alert.kg, unit) + " in " + Math.max(1, Math.round(alert.days)) + (Math.round(alert.days) <= 1 ? " day" : " days") + ", until " + dateText(alert.ms);
    return alert.kind === "unconfirmed"
      ? "Unconfirmed: the newest reading would be " + change + "; no known slip explains it (probability " + alert.p.toFixed(2) + " that it is right)"
      : "Unusual change: " + change + " (probability " + alert.p.toFixed(2) + ")";
  }

  function wrap(text) {
    return text.replace(/(.{1,58})(\s+|$)/g, "$1<br>").replace(/<br>$/, "");
  }

  function hover(data, row, unit) {
    const verdict = data.verdicts[cell(data.verdict, row)];
    const lines = ["<b>" + unitText(data.kg[row], unit) + "</b> · " + escape(data.sources[cell(data.source, row)]), timeText(data, row)];
    const why = explain(data, row, unit);
    lines.push("<b>" + verdict + "</b>" + (why ? ": " + wrap(escape(why)) : ""));
    if (data.expected[row] !== null)
      lines.push("expected " + unitText(data.expected[row], unit) + " (" + unitText(data.expected_lo[row], unit) + " to " + unitText(data.expected_hi[row], unit) + ")");
    if (data.p[row] !== null) lines.push("probability of being right " + data.p[row].toFixed(2));
    return lines.join("<br>");
  }

  /* The range of y that shows the trend well: rejected readings do not stretch it. */
  function fitY(data, view, from, to, rows) {
    let lo = Infinity, hi = -Infinity;
    const take = (v) => { if (v !== null && v !== undefined) { lo = Math.min(lo, v); hi = Math.max(hi, v); } };
    for (const i of rows) {
      if (data.ms[i] < from || data.ms[i] > to) continue;
      const d = decision(data, i, view.asFirst);
      if (d.verdict !== "rejected" || view.fitAll) take(data.kg[i]);
      if (view.showRejected) take(d.suggested);
    }
    for (let i = 0; i < data.ms.length; i++)
      if (data.ms[i] >= from && data.ms[i] <= to) { take(data.level_lo[i]); take(data.level_hi[i]); }
    const ahead = view.showOutlook && data.outlook;
    if (ahead && to > data.ms[data.ms.length - 1]) { take(ahead.lo[3]); take(ahead.hi[3]); } // four weeks
    if (lo > hi) for (const i of rows) take(data.kg[i]); // nothing but rejected readings
    if (lo > hi) return [0, 100];
    const pad = Math.max(0.5, (hi - lo) * 0.07);
    return [lo - pad, hi + pad];
  }

  function fitRate(data, from, to, scale) {
    let most = 0.4;
    data.rate.forEach((v, i) => { if (v !== null && data.ms[i] >= from && data.ms[i] <= to) most = Math.max(most, Math.abs(v)); });
    return [-1.1 * most * scale, 1.1 * most * scale];
  }

  /* Rows to draw: those in sight, and one on either side for the lines that lead out. */
  function inSight(data, from, to) {
    let start = data.ms.findIndex((ms) => ms >= from);
    if (start < 0) start = data.ms.length;
    const end = data.ms.findLastIndex((ms) => ms <= to);
    return [Math.max(0, start - 1), Math.min(data.ms.length - 1, end + 1)];
  }

  function levelTraces(data, theme, scale, band) {
    const x = [], y = [], bx = [], by = [], gx = [], gy = [];
    const breaks = new Set([...data.gaps, ...data.steps]);
    let segment = [];
    const flush = () => {
      for (const i of segment) { bx.push(data.ms[i]); by.push(band.hi[i] * scale); }
      for (const i of segment.slice().reverse()) { bx.push(data.ms[i]); by.push(band.lo[i] * scale); }
      if (segment.length) { bx.push(null); by.push(null); }
      segment = [];
    };
    let last = -1;
    for (let i = band.start; i <= band.end; i++) {
      if (breaks.has(i)) {
        flush();
        x.push(null); y.push(null);
      }
      if (band.mid[i] === null) continue;
      if (breaks.has(i) && last >= 0 && !data.steps.includes(i)) {
        gx.push(data.ms[last], data.ms[i], null);
        gy.push(band.mid[last] * scale, band.mid[i] * scale, null);
      }
      x.push(data.ms[i]); y.push(band.mid[i] * scale);
      if (band.lo && band.lo[i] !== null && band.hi[i] !== null) segment.push(i);
      last = i;
    }
    flush();
    const plain = { ...QUIET, yaxis: band.axis };
    return [
      { ...plain, x: bx, y: by, fill: "toself", fillcolor: band.fill, line: { width: 0 } },
      { ...plain, x: gx, y: gy, line: { color: band.color, width: 1.2, dash: "dot" } },
      { ...plain, x, y, line: { color: band.color, width: band.width }, name: band.name, showlegend: !!band.name },
    ];
  }

  function readingTraces(data, view, theme, scale, rows, range) {
    const traces = [];
    const bySource = new Map();
    const rejected = [];
    for (const i of rows) {
      if (decision(data, i, view.asFirst).verdict === "rejected") { rejected.push(i); continue; }
      const s = cell(data.source, i);
      if (!bySource.has(s)) bySource.set(s, []);
      bySource.get(s).push(i);
    }
    const clamp = (kg) => Math.min(range[1], Math.max(range[0], kg));
    const point = (list, marker, name) => ({
      type: "scatter", mode: "markers", cliponaxis: false, name, x: list.map((i) => data.ms[i]), y: list.map((i) => clamp(data.kg[i]) * scale),
      showlegend: true, customdata: list, text: list.map((i) => hover(data, i, view.unit)), hovertemplate: "%{text}<extra></extra>", marker,
    });
    const ring = (list) => ({ width: list.map((i) => (data.overrideBy.has(i) ? 2.5 : 0.6)), color: list.map((i) => (data.overrideBy.has(i) ? theme.ink : theme.paper)) });
    const crowd = rows.length * (view.narrow ? 3 : 1);
    const size = crowd > 800 ? 5 : crowd > 250 ? 6 : 7.5;
    for (const [s, list] of bySource)
      traces.push(point(list, { color: theme.sources[s % theme.sources.length], symbol: SYMBOLS[s % SYMBOLS.length], size, opacity: 0.85,
        line: ring(list) }, data.sources[s]));
    if (!view.showRejected || !rejected.length) return traces;
    const ax = [], ay = [], sizes = [];
    for (const i of rejected) {
      const to = decision(data, i, view.asFirst).suggested;
      if (to === null) continue;
      ax.push(data.ms[i], data.ms[i], null);
      ay.push(clamp(data.kg[i]) * scale, to * scale, null);
      sizes.push(0, 10, 0);
    }
    traces.push({ ...QUIET, mode: "lines+markers", x: ax, y: ay, cliponaxis: false,
      line: { color: theme.hint, width: 1 }, marker: { symbol: "arrow", angleref: "previous", size: sizes, color: theme.hint } });
    const off = (i) => (data.kg[i] > range[1] ? "triangle-up" : data.kg[i] < range[0] ? "triangle-down" : "x");
    traces.push(point(rejected, { color: theme.rejected, symbol: rejected.map(off), size: size + 2, line: ring(rejected) }, "rejected"));
    return traces;
  }

  /* Where the level goes if the rate fades as the model says. */
  function outlookTraces(data, theme, scale) {
    const last = data.level.findLastIndex((v) => v !== null);
    if (!data.outlook || last < 0) return [];
    const x = [data.ms[last], ...data.outlook.days.map((d) => data.ms[data.ms.length - 1] + d * DAY)];
    const line = (first, rest) => [first, ...rest].map((v) => v * scale);
    const lo = line(data.level_lo[last], data.outlook.lo), hi = line(data.level_hi[last], data.outlook.hi);
    return [
      { ...QUIET, x: [...x, ...x.slice().reverse()], y: [...hi, ...lo.slice().reverse()], fill: "toself", fillcolor: theme.rateBand, line: { width: 0 } },
      { ...QUIET, x, y: line(data.level[last], data.outlook.level), line: { color: theme.rate, width: 2, dash: "dash" }, name: "projection", showlegend: true },
    ];
  }

  function alertTrace(data, view, theme, scale) {
    const row = (ms) => data.ms.findLastIndex((t) => t <= ms);
    const list = data.alertMarks.filter((a) => a.kind === "change" && data.level[row(a.ms)] !== null);
    return { type: "scatter", mode: "markers", name: "unusual change", showlegend: list.length > 0, x: list.map((a) => a.ms), y: list.map((a) => data.level[row(a.ms)] * scale),
      text: list.map((a) => wrap(alertText(a, view.unit))), hovertemplate: "%{text}<extra></extra>",
      marker: { symbol: "circle-open", size: 19, color: theme.alert, line: { width: 2.5 } } };
  }

  function marks(data, theme, from, to, unit) {
    const shapes = [], notes = [];
    for (const i of data.gaps) {
      const a = data.ms[i - 1], b = data.ms[i];
      if (b < from || a > to) continue;
      shapes.push({ type: "rect", xref: "x", yref: "paper", x0: a, x1: b, y0: 0, y1: 1, fillcolor: theme.gap, line: { width: 0 }, layer: "below" });
      if ((b - a) / (to - from) > 0.1)
        notes.push({ x: (Math.max(a, from) + Math.min(b, to)) / 2, y: 0.3, xref: "x", yref: "paper", text: Math.round((b - a) / DAY) + " days<br>no reading",
          showarrow: false, yanchor: "bottom", font: { size: 11, color: theme.muted } });
    }
    const shown = data.shiftMarks.filter((s) => s.ms >= from && s.ms <= to);
    const near = (a, b) => a && b && Math.abs(b.ms - a.ms) < 0.15 * (to - from);
    for (const [k, s] of shown.entries()) {
      shapes.push({ type: "line", xref: "x", yref: "paper", x0: s.ms, x1: s.ms, y0: 0.28, y1: 1, line: { color: theme.shift, width: 1.5, dash: "dash" } });
      notes.push({ x: s.ms, y: 1, xref: "x", yref: "paper", yanchor: "bottom", showarrow: false, font: { size: 11, color: theme.shift },
        xanchor: near(shown[k - 1], s) ? "left" : near(s, shown[k + 1]) ? "right" : "center", text: "level shift " + deltaText(s.to - s.from, unit) });
    }
    return { shapes, notes };
  }

  /* The time that a view shows: chosen, or all readings and a part of what lies ahead. */
  function span(data, view) {
    if (view.range) return view.range;
    const first = data.ms[0], last = data.ms[data.ms.length - 1];
    const pad = Math.max(1.5 * DAY, (last - first) * 0.02, (14 * DAY - (last - first)) / 2);
    const ahead = view.showOutlook && data.outlook ? Math.min(56 * DAY, Math.max(14 * DAY, (last - first) * 0.2)) : pad;
    return [first - pad, last + ahead];
  }

  const TIME_FORMATS = [
    { dtickrange: [null, DAY - 1], value: "%H:%M\n%-d %b %Y" }, { dtickrange: [DAY, "M1"], value: "%-d %b\n%Y" },
    { dtickrange: ["M1", "M11"], value: "%b\n%Y" }, { dtickrange: ["M12", null], value: "%Y" },
  ];

  /* view: {theme, unit, narrow, hidden: Set of source codes, showRejected, fitAll, showOutlook,
     asFirst, range: [ms, ms] or null}. Returns {data, layout} for Plotly. */
  function build(data, view) {
    const theme = THEMES[view.theme];
    const unit = UNITS[view.unit];
    const scale = unit.factor;
    const [from, to] = span(data, view);
    const [start, end] = inSight(data, from, to);
    const rows = [];
    for (let i = start; i <= end; i++) if (!view.hidden.has(cell(data.source, i)) && data.ms[i] >= from && data.ms[i] <= to) rows.push(i);
    const range = fitY(data, view, from, to, rows);
    const rateScale = view.unit === "kg" ? 1 : LB;
    const level = levelTraces(data, theme, scale, { start, end, mid: data.level, lo: data.level_lo, hi: data.level_hi, fill: theme.band, color: theme.ink, width: 2.4, axis: "y", name: "level, 95 % interval" });
    const rate = levelTraces(data, theme, rateScale, { start, end, mid: data.rate, lo: data.rate_lo, hi: data.rate_hi, fill: theme.rateBand, color: theme.rate, width: 1.8, axis: "y2" });
    const line = level.pop(); // above the readings, or many of them would hide it
    const { shapes, notes } = marks(data, theme, from, to, view.unit);
    const axis = { gridcolor: theme.grid, zerolinecolor: theme.muted, linecolor: theme.grid, tickfont: { color: theme.muted }, fixedrange: true, automargin: true };
    const title = (text) => ({ text: view.narrow ? "" : text, font: { size: 12, color: theme.muted }, standoff: 6 });
    return {
      data: [...(view.showOutlook ? outlookTraces(data, theme, scale) : []), ...level, ...rate,
        ...readingTraces(data, view, theme, scale, rows, range), line, alertTrace(data, view, theme, scale)],
      layout: {
        paper_bgcolor: theme.paper, plot_bgcolor: theme.paper, font: { family: FONT, size: 13, color: theme.ink },
        margin: { l: view.narrow ? 34 : 52, r: view.narrow ? 6 : 14, t: 26, b: 32 }, showlegend: false, hovermode: "closest", dragmode: "zoom", shapes, annotations: notes,
        hoverlabel: { align: "left", bgcolor: theme.paper, bordercolor: theme.muted, font: { family: FONT, color: theme.ink, size: 13 } },
        xaxis: { ...axis, type: "date", range: [from, to], anchor: "y2", showgrid: false, fixedrange: false, tickformatstops: TIME_FORMATS },
        yaxis: { ...axis, domain: [0.3, 1], range: [range[0] * scale, range[1] * scale], title: title("weight, " + unit.name) },
        yaxis2: { ...axis, domain: [0, 0.22], title: title((view.unit === "kg" ? "kg" : "lb") + " / week"), nticks: 5, range: fitRate(data, from, to, rateScale) },
      },
    };
  }

  root.WeightFigure = { DAY, THEMES, SYMBOLS, prepare, build, span, cell, unitText, deltaText, dateText, timeText, explain, alertText, escape };
})(window);
