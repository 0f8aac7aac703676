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

  /* What a decision says of the value alone: "looks like two digits swapped: 81.0 kg". */
  function looksLike({ reason: [, words], suggested }, unit) {
    return words && suggested !== null ? `${words}: ${weight(suggested, unit)}` : words;
  }

  /* The unit is said once in a sentence, except where a weight is two numbers. */
  const bare = (kg, unit) => (unit === "st" ? weight(kg, unit) : (kg * UNITS[unit]).toFixed(1));

  /* Why a reading was rejected: the sentence of weightstream/explanation.py, in the chosen unit. */
  function rejection(data, row, unit) {
    const decision = Columns.decision(data, row);
    const [, words, told] = decision.reason; // told: by a person or the source, not by the engine
    if (told || !words) return words;
    const parts = [`${bare(data.kg[row], unit)} ${looksLike(decision, unit)}`];
    const [lo, hi] = [data.expected_lo[row], data.expected_hi[row]];
    if (!missing(lo) && !missing(hi)) parts.unshift(`expected ${bare(lo, unit)}-${weight(hi, unit)}`);
    if (!missing(data.p[row])) {
      const wrong = 1 - data.p[row];
      parts.push(`probability ${wrong > 0.999 ? "above 0.999" : wrong.toFixed(3)}`);
    }
    return parts.join("; ");
  }

  /* Why a reading was decided so, who overrode it, and what the decision was before. */
  function explain(data, row, unit) {
    const override = data.overrideBy.get(row);
    const first = data.firstBy.get(row);
    const sentences = [rejection(data, row, unit)];
    if (override) {
      const why = override.why ? `: ${override.why}` : "";
      const what = override.what[0].toUpperCase() + override.what.slice(1);
      sentences[0] = `${what} by ${override.by} on ${override.at.slice(0, 10)}${why}`;
    }
    if (first) {
      const was = looksLike(first, unit);
      sentences.push(`Before (${first.stage}): ${first.verdict}${was ? `, ${was}` : ""}`);
    }
    return sentences.filter(Boolean).join(". ");
  }

  /* Never rounded to certainty. */
  const probability = (p) => (p > 0.99 ? "over 0.99" : p < 0.01 ? "under 0.01" : p.toFixed(2));

  function alert(mark, unit) {
    const days = Math.max(1, Math.round(mark.days));
    const moved = `${change(mark.kg, unit)} in ${days} ${days === 1 ? "day" : "days"}, until ${date(mark.ms)}`;
    const p = probability(mark.p);
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
    if (!Columns.rejected(data, row) && data.expected[row] !== null) {
      const range = between(data.expected_lo[row], data.expected_hi[row], unit);
      lines.push(`expected ${weight(data.expected[row], unit)} (${range})`);
    }
    if (!Columns.rejected(data, row) && data.p[row] !== null) lines.push(`probability of being right ${probability(data.p[row])}`);
    return lines.join("<br>");
  }

  root.Words = {
    UNITS,
    weight,
    between,
    change,
    changeUnit,
    percent,
    probability,
    date,
    time,
    explain,
    alert,
    escape,
    wrap,
    hover,
  };
})(window);
