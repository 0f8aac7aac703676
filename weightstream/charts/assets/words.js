/* Numbers, dates and decisions in words. */
(function (root) {
  "use strict";

  const LB = 2.2046226218487757;
  const UNITS = { kg: 1, lb: LB, st: LB / 14 };
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  const missing = (kg) => kg === null || kg === undefined || !isFinite(kg);

  function weight(kg, unit) {
    if (missing(kg)) return "–";
    if (unit !== "st") return `${(kg * UNITS[unit]).toFixed(1)} ${unit}`;
    const tenths = Math.round(kg * LB * 10);
    return `${Math.floor(tenths / 140)} st ${((tenths % 140) / 10).toFixed(1)} lb`;
  }

  const between = (lo, hi, unit) => `${weight(lo, unit)} to ${weight(hi, unit)}`;

  /* Changes and rates are in pounds where the unit is stones, as people say them. */
  const changeUnit = (unit) => (unit === "kg" ? "kg" : "lb");

  function change(kg, unit, digits = 1) {
    if (missing(kg)) return "–";
    const amount = Math.abs(kg * UNITS[changeUnit(unit)]).toFixed(digits);
    const sign = Number(amount) === 0 ? "±" : kg > 0 ? "+" : "−";
    return `${sign}${amount} ${changeUnit(unit)}`;
  }

  const percent = (share) => `${(share * 100).toFixed(1).replace("-", "−")}\u00a0%`;

  function date(ms) {
    const d = new Date(ms);
    return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
  }

  function time(data, row) {
    const clock = new Date(data.ms[row]).toISOString().slice(11, 16);
    return date(data.ms[row]) + (data.dateOnly[row] ? "" : `, ${clock}`);
  }

  function reason(decision, unit) {
    const suggestion = decision.suggested === null ? "" : `probably ${weight(decision.suggested, unit)}`;
    return [decision.reason[1], suggestion].filter(Boolean).join("; ");
  }

  /* Why a reading was decided so, who overrode it, and what the decision was before. */
  function explain(data, row, unit) {
    const override = data.overrideBy.get(row);
    const first = data.firstBy.get(row);
    const sentences = [reason(Columns.decision(data, row), unit)];
    if (override) {
      const why = override.why ? `: ${override.why}` : "";
      sentences[0] = `Set to ${override.verdict} by ${override.by} on ${override.at.slice(0, 10)}${why}`;
    }
    if (first) {
      const was = reason(first, unit);
      const because = was ? `, ${was[0].toLowerCase()}${was.slice(1)}` : "";
      sentences.push(`Before (${first.stage}): ${first.verdict}${because}`);
    }
    return sentences.filter(Boolean).join(". ");
  }

  function alert(mark, unit) {
    const days = Math.max(1, Math.round(mark.days));
    const moved = `${change(mark.kg, unit)} in ${days} ${days === 1 ? "day" : "days"}, until ${date(mark.ms)}`;
    const p = mark.p > 0.99 ? "over 0.99" : mark.p.toFixed(2);
    if (mark.kind !== "unconfirmed") return `Unusual change: ${moved} (probability ${p})`;
    return `Unconfirmed: the newest reading would be ${moved}; no known slip explains it (probability ${p} that it is right)`;
  }

  const escape = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  /* Plotly breaks no lines by itself. */
  const wrap = (text) => text.replace(/(.{1,58})(\s+|$)/g, "$1<br>").replace(/<br>$/, "");

  /* The box over a reading, in Plotly's small HTML. */
  function hover(data, row, unit) {
    const source = escape(data.sources[Columns.cell(data.source, row)]);
    const why = explain(data, row, unit);
    const lines = [
      `<b>${weight(data.kg[row], unit)}</b> · ${source}`,
      time(data, row),
      `<b>${Columns.decision(data, row).verdict}</b>${why ? `: ${wrap(escape(why))}` : ""}`,
    ];
    if (data.expected[row] !== null) {
      const range = between(data.expected_lo[row], data.expected_hi[row], unit);
      lines.push(`expected ${weight(data.expected[row], unit)} (${range})`);
    }
    if (data.p[row] !== null) lines.push(`probability of being right ${data.p[row].toFixed(2)}`);
    return lines.join("<br>");
  }

  root.Words = {
    UNITS,
    weight,
    between,
    change,
    changeUnit,
    percent,
    date,
    time,
    explain,
    alert,
    escape,
    wrap,
    hover,
  };
})(window);
