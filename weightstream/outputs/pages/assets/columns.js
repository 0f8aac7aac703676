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

  /* The first reading after each gap: 30 days, or four times the usual spacing if that is more. */
  function gaps(ms) {
    const steps = ms.slice(1).map((t, i) => t - ms[i]);
    const apart = steps.filter((step) => step > DAY / 2).sort((a, b) => a - b);
    const limit = Math.max(30 * DAY, 4 * (apart[apart.length >> 1] || 0));
    return steps.flatMap((step, i) => (step >= limit ? [i + 1] : []));
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
    data.overrideBy = new Map(data.overrides.map(([row, what, by, at, why]) => [row, { what, by, at, why }]));
    data.firstBy = firstDecisions(data);
    data.alertMarks = data.alerts.map(([at, kind, days, kg, p]) => ({ ms: stamp(at), kind, days, kg, p }));
    data.shiftMarks = data.shifts.map(([at, from, to]) => ({ ms: stamp(at), from, to }));
    data.steps = data.shiftMarks.map((s) => data.ms.findIndex((ms) => ms >= s.ms)); // first on the new level
    data.gaps = gaps(data.ms);
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

  const rejected = (data, row, asFirst) => decision(data, row, asFirst).verdict === "rejected";

  root.Columns = { DAY, cell, prepare, decision, rejected };
})(window);
