/* Numbers, dates and decisions in words. */
(function (root) {
  "use strict";

  const LB = 2.2046226218487757;
  const UNITS = { kg: 1, lb: LB, st: LB / 14 };
  const { say, sayCount, translated, locale: LOCALE } = Texts;
  const DATE = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  const CLOCK = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
  const COUNT = new Intl.NumberFormat(LOCALE);
  const FIXED = [0, 1, 2, 3].map(
    (digits) => new Intl.NumberFormat(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false }),
  );

  const missing = (kg) => kg === null || kg === undefined || !isFinite(kg);

  /* The one place where a number is rounded: half away from zero, of the decimal number. */
  const fixed = (value, digits) => FIXED[digits].format(value).replace("-", "−");

  const count = (number) => COUNT.format(number);

  /* A name may be written from right to left: it must not turn what stands beside it. */
  const isolate = (text) => `\u2068${text}\u2069`;

  function weight(kg, unit) {
    if (missing(kg)) return "–";
    if (unit !== "st") return `${fixed(kg * UNITS[unit], 1)} ${unit}`;
    const tenths = Math.round(kg * LB * 10);
    return `${Math.floor(tenths / 140)} st ${fixed((tenths % 140) / 10, 1)} lb`;
  }

  const between = (lo, hi, unit) => say("between", { lo: weight(lo, unit), hi: weight(hi, unit) });

  /* Changes and rates are in pounds where the unit is stones, as people say them. */
  const changeUnit = (unit) => (unit === "kg" ? "kg" : "lb");

  function change(kg, unit, digits = 1) {
    if (missing(kg)) return "–";
    return `${signed(kg * UNITS[changeUnit(unit)], digits)} ${changeUnit(unit)}`;
  }

  function signed(value, digits) {
    const amount = fixed(Math.abs(value), digits);
    const sign = Number(amount) === 0 ? "±" : value > 0 ? "+" : "−";
    return sign + amount;
  }

  /* "−1.8 to −0.2 kg": the unit is said once. */
  function changeBetween(lo, hi, unit, digits = 1) {
    const scale = UNITS[changeUnit(unit)];
    return say("between", { lo: signed(lo * scale, digits), hi: `${signed(hi * scale, digits)} ${changeUnit(unit)}` });
  }

  const percent = (share) => `${fixed(share * 100, 1)}\u00a0%`;

  const wholePercent = (share) => `${fixed(share * 100, 0)}\u00a0%`;

  const signedPercent = (share) => `${signed(share * 100, 1)}\u00a0%`;

  const date = (ms) => DATE.format(ms);

  const clock = (ms) => CLOCK.format(ms);

  const time = (data, row) => date(data.ms[row]) + (data.dateOnly[row] ? "" : `, ${clock(data.ms[row])}`);

  /* What the source's own clock showed, where it was another one than the page's. */
  function receivedTime(data, row) {
    const offset = data.offsets[Columns.cell(data.offset, row)];
    if (!offset || data.dateOnly[row]) return "";
    const [, sign, hours, minutes] = /([+-])(\d\d):?(\d\d)/.exec(offset);
    const shift = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -60000 : 60000);
    const local = Date.parse(data.time[row]) + shift;
    return local === data.ms[row] ? "" : say("received", { clock: clock(local), zone: `UTC${sign}${hours}:${minutes}` });
  }

  /* What a decision says of the value alone: "looks like two digits swapped: 81.0 kg". */
  function looksLike({ reason: [name, english], suggested }, unit) {
    const words = english && translated(`reason.${name}`, english);
    return words && suggested !== null ? `${words}: ${weight(suggested, unit)}` : words;
  }

  /* The unit is said once in a sentence, except where a weight is two numbers. */
  const bare = (kg, unit) => (unit === "st" ? weight(kg, unit) : fixed(kg * UNITS[unit], 1));

  /* The next likeliest reason, where it is nearly as likely: ", or looks like another person (0.41)". */
  function orElse({ reason, p }) {
    const [name, english] = reason || [];
    return english && p !== null ? say("why.or", { what: translated(`reason.${name}`, english), p: fixed(p, 2) }) : "";
  }

  /* Why a reading was rejected: the sentence of judging/explanation.py, in the chosen unit. */
  function rejection(data, row, unit) {
    const decision = Columns.decision(data, row);
    const [name, words, kind] = decision.reason;
    if (kind === "person" || !words) return words && translated(`reason.${name}`, words); // a person or the source said so, not the engine
    const second = data.possiblyBy.get(row);
    const parts = [`${bare(data.kg[row], unit)} ${second ? say("why.possibly") : ""}${looksLike(decision, unit)}${second ? orElse(second) : ""}`];
    const [lo, hi] = [data.expected_lo[row], data.expected_hi[row]];
    if (!missing(lo) && !missing(hi)) parts.unshift(say("why.expected", { lo: bare(lo, unit), hi: weight(hi, unit) }));
    if (!missing(data.p[row])) {
      const wrong = 1 - data.p[row];
      parts.push(say("why.probability", { p: wrong > 0.999 ? say("above", { p: fixed(0.999, 3) }) : fixed(wrong, 3) }));
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
      const { by, at } = override;
      const what = translated(`override.${override.what}`, override.what);
      const said = say("why.override", { what, by, day: at.slice(0, 10) }) + why;
      sentences[0] = said[0].toUpperCase() + said.slice(1);
    }
    if (first) {
      const was = looksLike(first, unit);
      sentences.push(say("why.before", { stage: first.stage, verdict: verdict(first.verdict) + (was ? `, ${was}` : "") }));
    }
    return sentences.filter(Boolean).join(". ");
  }

  const verdict = (name) => say(`verdict.${name}`);

  /* The rise from morning to evening: from 7:00 to 22:00, and back overnight (docs/judging.md). */
  function risen(data, row) {
    if (data.dateOnly[row]) return 0;
    const hour = (data.ms[row] % 86400000) / 3600000;
    if (hour < 7) return (data.evening * (7 - hour)) / 9;
    return data.evening * (hour < 22 ? (hour - 7) / 15 : (31 - hour) / 9);
  }

  /* Why a right reading may be above the level: its hour, and what its source shows of clothes. */
  function lifted(data, row, unit) {
    const above = data.above[Columns.cell(data.source, row)];
    const rise = risen(data, row);
    const said = [];
    if (rise >= 0.3) said.push(say("lifted.hour", { kg: change(rise, unit) }));
    if (Math.abs(above) >= 0.3) said.push(say("lifted.source", { kg: change(above, unit) }));
    return said.length ? say("lifted", { what: said.join(say("and")) }) : "";
  }

  /* What a reading shows beside the level of its day and its hour. */
  const residual = (data, row) => data.kg[row] - data.level[row] - risen(data, row);

  /* Never rounded to certainty. */
  const probability = (p) =>
    p > 0.99 ? say("over", { p: fixed(0.99, 2) }) : p < 0.01 ? say("under", { p: fixed(0.01, 2) }) : fixed(p, 2);

  /* What an alert says; over a closed one, in the chart, who closed it. */
  function alert(mark, unit) {
    const days = Math.max(1, Math.round(mark.days));
    const moved = sayCount("alert.moved", days, { kg: change(mark.kg, unit), days: count(days), until: date(mark.ms) });
    const p = probability(mark.p);
    if (mark.kind === "unconfirmed") return say("alert.unconfirmed.said", { moved, p });
    return say("alert.said", { kind: say(`alert.${mark.kind}`), moved, p });
  }

  const escape = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  /* Plotly breaks no lines by itself. */
  const wrap = (text) => text.replace(/(.{1,58})(\s+|$)/g, "$1<br>").replace(/<br>$/, "");

  /* The box over a reading, in Plotly's small HTML. */
  function hover(data, row, unit) {
    const source = escape(isolate(data.sources[Columns.cell(data.source, row)]));
    const why = explain(data, row, unit);
    const lines = [
      `<b>${weight(data.kg[row], unit)}</b> · ${source}`,
      [time(data, row), receivedTime(data, row)].filter(Boolean).join(" · "),
      `<b>${verdict(Columns.copy(data, row) ? "copy" : Columns.decision(data, row).verdict)}</b>${why ? `: ${wrap(escape(why))}` : ""}`,
    ];
    const counts = Columns.decision(data, row).verdict === "accepted";
    if (counts && data.expected[row] !== null) {
      const range = between(data.expected_lo[row], data.expected_hi[row], unit);
      lines.push(say("hover.expected", { kg: weight(data.expected[row], unit), range }));
    }
    if (counts && lifted(data, row, unit)) lines.push(lifted(data, row, unit));
    if (counts && data.p[row] !== null) lines.push(say("hover.right", { p: probability(data.p[row]) }));
    return lines.join("<br>");
  }

  root.Words = {
    UNITS,
    weight,
    between,
    change,
    changeUnit,
    changeBetween,
    signed,
    fixed,
    count,
    percent,
    wholePercent,
    signedPercent,
    probability,
    isolate,
    receivedTime,
    residual,
    verdict,
    date,
    time,
    explain,
    alert,
    escape,
    wrap,
    hover,
  };
})(window);
