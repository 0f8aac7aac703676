/* What a person's page says at a glance: a sentence, unusual changes, and boxes of facts. */
(function (root) {
  "use strict";

  const { element } = Common;
  const { DAY } = Columns;

  /* The newest reading not after `ms` that has a level, or -1. */
  const levelAt = (data, ms) => data.ms.findLastIndex((t, i) => t <= ms && data.level[i] !== null);

  /* 95 % interval of the weekly rate at the newest level, or null. */
  const rateInterval = (data) => (data.outlook && data.ms.length > 1 ? data.outlook.rate : null);

  function sentence(data, unit) {
    const now = levelAt(data, Infinity);
    if (now < 0) return "";
    const rate = rateInterval(data);
    const amount = `${Words.change(Math.abs(data.rate[now]), unit, 2).slice(1)} a week`;
    const level = `${Words.weight(data.level[now], unit)}.`;
    if (!rate) return level;
    if (rate[0] > 0) return `${level} Gaining ${amount}.`;
    return rate[1] < 0 ? `${level} Losing ${amount}.` : `${level} No clear change at present.`;
  }

  /* The change since the last level at least so many days ago; nothing if that is twice as long. */
  function change(data, now, days, unit) {
    const then = levelAt(data, data.ms[now] - days * DAY);
    if (then < 0 || data.ms[now] - data.ms[then] > 2 * days * DAY) return [];
    const share = Words.percent(data.level[now] / data.level[then] - 1);
    return [Words.change(data.level[now] - data.level[then], unit), `${share} since ${Words.date(data.ms[then])}`];
  }

  function levelFacts(data, unit) {
    const now = levelAt(data, Infinity);
    if (now < 0) return [];
    const rate = rateInterval(data);
    const bounds = rate ? `${Words.change(rate[0], unit, 2)} to ${Words.change(rate[1], unit, 2)}` : "";
    const level = Words.between(data.level_lo[now], data.level_hi[now], unit);
    const ahead = data.outlook ? data.outlook.days.indexOf(28) : -1;
    const facts = [["Level", Words.weight(data.level[now], unit), level]];
    if (data.ms.length > 1) facts.push(["Rate per week", Words.change(data.rate[now], unit, 2), bounds]);
    facts.push(["Change in 30 days", ...change(data, now, 30, unit)]);
    facts.push(["Change in a year", ...change(data, now, 365, unit)]);
    if (ahead >= 0) {
      const { level: kg, lo, hi } = data.outlook;
      facts.push(["In 4 weeks", Words.weight(kg[ahead], unit), Words.between(lo[ahead], hi[ahead], unit)]);
    }
    return facts.filter((fact) => fact.length > 1);
  }

  function readingFacts(data, unit) {
    const last = data.ms.length - 1;
    const bad = data.ms.filter((_, i) => Columns.rejected(data, i)).length;
    const share = bad ? `${bad} rejected (${Words.percent(bad / data.ms.length)})` : "none rejected";
    const facts = [["Readings", data.ms.length.toLocaleString("en-US"), share, bad ? "warn" : ""]];
    if (last < 0) return facts;
    const weight = Words.weight(data.kg[last], unit) + (Columns.rejected(data, last) ? ", rejected" : "");
    return [...facts, ["Last reading", Words.date(data.ms[last]), weight]];
  }

  /* The newest unusual change; older ones are circled in the chart. */
  function alertLine(data, unit) {
    const fresh = data.alertMarks.filter((a) => data.ms.at(-1) - a.ms <= 90 * DAY);
    if (!fresh.length) return [];
    const more = fresh.length > 1 ? ` ${fresh.length - 1} more within 90 days, circled in the chart.` : "";
    const newest = fresh.at(-1);
    const stated = ` Set to at most ${data.false_alerts} false alerts a year for a person.`;
    const rate = data.false_alerts && newest.kind === "change" ? element("span", { class: "hint" }, stated) : "";
    return [element("p", { class: "alert" }, `${Words.alert(newest, unit)}.${more}`, rate)];
  }

  function drawSummary(box, data, unit) {
    box.replaceChildren(element("p", {}, sentence(data, unit)), ...alertLine(data, unit));
  }

  function draw(box, data, unit) {
    const facts = [...levelFacts(data, unit), ...readingFacts(data, unit)];
    box.replaceChildren(...facts.map(([name, value, more, tone]) => Common.fact(name, value, more, tone)));
  }

  root.Facts = { draw, drawSummary };
})(window);
