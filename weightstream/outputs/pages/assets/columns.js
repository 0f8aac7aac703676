/* A person's columns as a page holds them, and what is derived from them once. */
(function (root) {
  "use strict";

  const DAY = 86400000;

  /* A column that says the same for every reading travels as one value. */
  const cell = (column, row) => (Array.isArray(column) ? column[row] : column);

  /* How far a zone's clock is ahead of UTC, in ms, at a time. */
  function zoneShift(zone) {
    if (zone === "UTC") return () => 0;
    const fields = ["year", "month", "day", "hour", "minute", "second"];
    const numeric = Object.fromEntries(fields.map((field) => [field, "numeric"]));
    const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", ...numeric });
    return (ms) => {
      const part = Object.fromEntries(format.formatToParts(ms).map((p) => [p.type, Number(p.value)]));
      const local = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
      return local - Math.floor(ms / 1000) * 1000;
    };
  }

  /* Local wall time as if it were UTC, which is how the chart's axis reads it; a date is noon. */
  function stamps(zone) {
    const shift = zoneShift(zone);
    return (text) => {
      if (text.length === 10) return Date.parse(`${text}T12:00:00Z`);
      const ms = Date.parse(text);
      return ms + shift(ms);
    };
  }

  /* Variance (kg²) of a level's change over some days, from the page's table of it. */
  function moved({ days, kg2 }, time) {
    const above = days.findIndex((d) => d >= time);
    if (above < 0) return (kg2.at(-1) * time) / days.at(-1);
    if (above === 0) return kg2[0];
    const share = (time - days[above - 1]) / (days[above] - days[above - 1]);
    return kg2[above - 1] + share * (kg2[above] - kg2[above - 1]);
  }

  /* The level at a share of the way between two readings, kriged from both (movement.py): what the
     model can still say where nobody was weighed. The interval's ends are as far apart as the
     readings' own, and what is not known between. */
  function between(data, a, b, share) {
    const days = (data.ms[b] - data.ms[a]) / DAY;
    const [whole, first, rest] = [days, share * days, (1 - share) * days].map((d) => moved(data.moved, d));
    const shared = (first + whole - rest) / 2;
    const weight = whole > 0 ? shared / whole : 0;
    const mix = (x, y) => (1 - weight) * x + weight * y;
    const half = (row) => (data.level_hi[row] - data.level_lo[row]) / 2;
    const own = mix(half(a) ** 2, half(b) ** 2);
    const margin = Math.sqrt(own + 3.8415 * Math.max(first - weight * shared, 0));
    const mid = mix(data.level[a], data.level[b]);
    const ms = data.ms[a] + share * (data.ms[b] - data.ms[a]);
    return { ms, mid, lo: mid - margin, hi: mid + margin, wider: margin / Math.sqrt(own || 1e-6) };
  }

  const GAP = 1.75; // times as uncertain as at the readings on both sides
  const LEAST_GAP = 7 * DAY;

  /* The first reading after each gap: half way through it the level is by three quarters less certain
     than at its ends. */
  function gaps(data) {
    if (!data.moved) return [];
    const known = data.ms.map((_, i) => i).filter((i) => data.level[i] !== null);
    return known.slice(1).filter((b, k) => {
      const a = known[k];
      return data.ms[b] - data.ms[a] >= LEAST_GAP && between(data, a, b, 0.5).wider >= GAP;
    });
  }

  /* By row, the earliest of the decisions that later ones replaced. */
  function firstDecisions(data) {
    const first = new Map();
    for (const [row, version, stage, verdict, reason, suggested] of data.earlier) {
      if (first.has(row) && first.get(row).version < version) continue;
      const named = { stage: data.stages[stage], verdict: data.verdicts[verdict], reason: data.reasons[reason] };
      first.set(row, { version, suggested, ...named });
    }
    return first;
  }

  function prepare(data) {
    const stamp = stamps(data.zone);
    data.ms = data.time.map(stamp);
    data.dateOnly = data.time.map((text) => text.length === 10);
    data.suggestedBy = new Map(data.suggested.rows.map((row, i) => [row, data.suggested.kg[i]]));
    data.possiblyBy = new Map(data.possibly.rows.map((row, i) => [row, { reason: data.reasons[data.possibly.second[i]], p: data.possibly.p[i] }]));
    data.overrideBy = new Map(data.overrides.map(([row, what, by, at, why]) => [row, { what, by, at, why }]));
    data.firstBy = firstDecisions(data);
    data.alertMarks = data.alerts.map(([at, kind, days, kg, p, status, said]) => ({ ms: stamp(at), kind, days, kg, p, status, said }));
    data.shiftMarks = data.shifts.map(([at, from, to]) => ({ ms: stamp(at), from, to }));
    data.steps = data.shiftMarks.map((s) => data.ms.findIndex((ms) => ms >= s.ms)); // first on the new level
    data.gaps = gaps(data);
    return data;
  }

  /* The decision on a reading: the current one, or (asFirst) the first that was made. */
  function decision(data, row, asFirst) {
    if (asFirst && data.firstBy.has(row)) return data.firstBy.get(row);
    return {
      verdict: data.verdicts[cell(data.verdict, row)],
      reason: data.reasons[cell(data.reason, row)],
      suggested: data.suggestedBy.has(row) ? data.suggestedBy.get(row) : null,
    };
  }

  /* A reading that shows a weighing once more, through another app: no error. */
  function copy(data, row, asFirst) {
    const { verdict, reason } = decision(data, row, asFirst);
    return verdict === "rejected" && reason[2] === "copy";
  }

  /* Rejected as an error. */
  const rejected = (data, row, asFirst) =>
    decision(data, row, asFirst).verdict === "rejected" && !copy(data, row, asFirst);

  root.Columns = { DAY, cell, prepare, decision, rejected, copy, between };
})(window);
