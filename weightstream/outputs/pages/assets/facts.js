/* What a person's page says at a glance: a sentence, alerts, cautions, and boxes of facts. */
(function (root) {
  "use strict";

  const { element } = Common;
  const { DAY } = Columns;
  const { say, sayCount } = Texts;
  const MUCH_REJECTED = 0.3;
  const SEVERAL = 5;
  const FAR_AHEAD = 730; // days
  const FEWEST_TO_COMPARE = 10; // readings of a source

  const newestLevel = (data) => data.level.findLastIndex((kg) => kg !== null);

  /* [since, days, kg, lo, hi, share] of data.changes by name. */
  function change(data, name) {
    const [since, days, kg, lo, hi, share] = data.changes[name];
    return { since: Date.parse(since), days, kg, lo, hi, share };
  }

  /* Where the level goes: the change over four weeks (or eight), and since the start. */
  function direction(data, unit) {
    if (!data.direction) return [];
    const [word, name] = data.direction;
    const moved = change(data, name);
    const amount = { kg: Words.change(moved.kg, unit), interval: Words.changeBetween(moved.lo, moved.hi, unit) };
    const over = { weeks: Math.round(moved.days / 7), visit: Words.date(moved.since) };
    return [say(name === "visit" ? "moved.visit" : "moved.weeks", { word: say(`direction.${word}`), ...amount, ...over })];
  }

  function sinceStart(data, unit) {
    if (!("start" in data.changes) || data.vague) return [];
    const { since, days, kg, lo, hi } = change(data, "start");
    if (days < 35) return data.direction ? [] : [say("short")];
    const interval = Words.changeBetween(lo, hi, unit);
    return [say("since", { day: Words.date(since), kg: Words.change(kg, unit), interval })];
  }

  /* The newest level; where it is known badly, its interval is what can be said. */
  function levelNow(data, unit) {
    const now = newestLevel(data);
    const [kg, lo, hi] = [data.level[now], data.level_lo[now], data.level_hi[now]];
    const day = Words.date(data.ms[now]);
    if (data.vague) return say("level.vague", { interval: Words.between(lo, hi, unit), day });
    return say("level.now", { kg: Words.weight(kg, unit), day });
  }

  function sentence(data, unit) {
    if (newestLevel(data) < 0) return say(data.ms.length ? "level.none" : "undecided");
    if (mixed(data)) return `${levelNow(data, unit)} ${say("level.mixed")}`;
    return [levelNow(data, unit), ...direction(data, unit), ...sinceStart(data, unit)].join(" ");
  }

  /* The judge accepts readings of two persons, so that a change of the level is nobody's. */
  const mixed = (data) => Boolean(data.shared && data.shared[5]);

  function sharedLine(data, unit) {
    if (!data.shared) return [];
    const [first, second, own, others, from] = data.shared;
    const share = (count) => Words.wholePercent(count / (own + others));
    const weights = { first: Words.weight(first, unit), second: Words.weight(second, unit) };
    const who = say("shared", { ...weights, own: share(own), others: share(others), day: Words.date(Date.parse(from)) });
    return [element("p", { class: "alert note" }, mixed(data) ? `${who} ${say("shared.mixed")}` : who)];
  }

  /* A change as a fact: the amount, its interval, and its share. */
  function changeFact(data, title, name, unit) {
    if (!(name in data.changes)) return [];
    const { kg, lo, hi, share } = change(data, name);
    const more = `${Words.changeBetween(lo, hi, unit)}, ${Words.signedPercent(share)}`;
    return [[title, Words.change(kg, unit), more]];
  }

  const since = (data, name) => (name in data.changes ? Words.date(change(data, name).since) : "");

  function levelFacts(data, unit) {
    const now = newestLevel(data);
    if (now < 0) return [];
    const level = Words.between(data.level_lo[now], data.level_hi[now], unit);
    if (mixed(data) || data.vague) return [[say("level"), Words.weight(data.level[now], unit), level]];
    const facts = [
      [say("level"), Words.weight(data.level[now], unit), level],
      ...changeFact(data, say("fact.weeks"), "4 weeks", unit),
      ...changeFact(data, say("fact.visit", { day: since(data, "visit") }), "visit", unit),
      ...changeFact(data, say("fact.year"), "year", unit),
      ...changeFact(data, say("fact.start", { day: since(data, "start") }), "start", unit),
    ];
    const ahead = data.outlook ? data.outlook.days.indexOf(28) : -1;
    if (ahead >= 0) {
      const { level: kg, lo, hi } = data.outlook;
      const day = Words.date(data.ms[now] + 28 * DAY); // not from today
      facts.push([say("fact.ahead", { day }), Words.weight(kg[ahead], unit), Words.between(lo[ahead], hi[ahead], unit)]);
    }
    return facts;
  }

  /* When a goal is reached at the pace of the last four weeks: the days that its interval allows. */
  function goalReached(data, far) {
    if (!("4 weeks" in data.changes) || mixed(data)) return "";
    const now = data.ms[newestLevel(data)];
    const { lo, hi } = change(data, "4 weeks");
    const paces = [lo, hi].map((kg) => kg / 28 / Math.sign(far)).sort((a, b) => b - a); // kg a day towards it
    if (paces[0] <= 0) return say("goal.away");
    const days = paces.map((pace) => Math.abs(far) / pace);
    const on = (after) => Words.date(now + after * DAY);
    if (days[0] > FAR_AHEAD) return say("goal.far");
    if (paces[1] <= 0 || days[1] > FAR_AHEAD) return say("goal.notBefore", { day: on(days[0]) });
    return say("goal.between", { from: on(days[0]), to: on(days[1]) });
  }

  /* What a person wants to weigh, how far away it is, and when it may be reached. */
  function goalFacts(data, unit) {
    const now = newestLevel(data);
    if (!data.goal || now < 0) return [];
    const [kg, by] = data.goal;
    const title = say(by ? "goal.by" : "goal.title", { kg: Words.weight(kg, unit), day: by ? Words.date(Date.parse(by)) : "" });
    if (data.vague) return [[title, "–", say("goal.vague")]];
    const far = kg - data.level[now];
    if (data.level_lo[now] <= kg && kg <= data.level_hi[now]) return [[title, say("goal.reached"), say("goal.held")]];
    const began = "start" in data.changes ? data.level[now] - change(data, "start").kg : data.level[now];
    if (began > kg && far > 0) return [[title, say("goal.reached"), say("goal.below", { kg: Words.weight(far, unit) })]];
    // Passed upwards, it is a gain that was wanted or a loss that is undone: nobody but them knows.
    if (began < kg && far < 0) return [[title, Words.change(-far, unit), say("goal.above")]];
    return [[title, Words.change(far, unit), say("goal.left") + goalReached(data, far)]];
  }

  const counted = (data, test) => data.ms.filter((_, i) => test(data, i)).length;

  function readingFacts(data, unit) {
    const last = data.ms.length - 1;
    const [bad, copies] = [counted(data, Columns.rejected), counted(data, Columns.copy)];
    const share = bad ? say("fact.rejected", { count: Words.count(bad), share: Words.percent(bad / data.ms.length) }) : say("fact.noneRejected");
    const facts = [[say("fact.readings"), Words.count(data.ms.length), share, bad ? "warn" : ""]];
    if (copies) facts.push([say("fact.copies"), Words.count(copies), say("fact.copies.of")]);
    if (last < 0) return facts;
    const verdict = Columns.rejected(data, last) ? "rejected" : Columns.copy(data, last) ? "copy" : "";
    const said = Words.weight(data.kg[last], unit) + (verdict && `, ${Words.verdict(verdict)}`);
    return [...facts, [say("fact.last"), Words.date(data.ms[last]), said]];
  }

  /* Of a source's accepted readings: how many, and the mean and variance of what they show beside the
     level. */
  function shown(data, source) {
    const known = (i) => Columns.decision(data, i).verdict === "accepted" && data.level[i] !== null;
    const rows = data.ms.map((_, i) => i).filter((i) => Columns.cell(data.source, i) === source && known(i));
    const values = rows.map((i) => Words.residual(data, i));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return { size: values.length, mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1) };
  }

  /* How far the two commonest sources are apart, their readings taken as independent. */
  function sourceFacts(data, unit) {
    if (data.sources.length < 2 || mixed(data)) return [];
    const [first, second] = [0, 1].map((source) => shown(data, source));
    if (Math.min(first.size, second.size) < FEWEST_TO_COMPARE) return [];
    const apart = second.mean - first.mean;
    const margin = 1.96 * Math.sqrt(first.variance / first.size + second.variance / second.size);
    const names = data.sources.slice(0, 2).map(Words.isolate);
    return [[say("fact.against", { second: names[1], first: names[0] }), Words.change(apart, unit), Words.changeBetween(apart - margin, apart + margin, unit)]];
  }

  /* The newest alert that is not closed; older ones are circled in the chart. */
  function alertLine(data, unit) {
    const fresh = data.alertMarks.filter((a) => a.status !== "closed" && data.ms.at(-1) - a.ms <= 90 * DAY);
    if (!fresh.length) return [];
    const more = fresh.length > 1 ? ` ${sayCount("alert.more", fresh.length - 1, { count: Words.count(fresh.length - 1) })}` : "";
    const newest = fresh.at(-1);
    const stated = ` ${say("alert.rate", { rate: Words.count(data.false_alerts) })}`;
    const rate = data.false_alerts && newest.kind === "unusual" ? element("span", { class: "hint" }, stated) : "";
    const seen = newest.status === "acknowledged" ? ` ${say("alert.acknowledged", { who: Words.isolate(newest.said) })}` : "";
    return [element("p", { class: "alert" }, `${Words.alert(newest, unit)}.${seen}${more}`, rate)];
  }

  /* Where most of what came was rejected, either it or the level is another person's. */
  function caution(data) {
    const others = (i) => data.shared && Columns.decision(data, i).reason[0] === "other_person"; // told above
    const known = data.ms.filter((_, i) => !Columns.copy(data, i) && !others(i)).length;
    const bad = data.ms.filter((_, i) => Columns.rejected(data, i) && !others(i)).length;
    if (known < SEVERAL || bad / known < MUCH_REJECTED) return [];
    const counts = { bad: Words.count(bad), known: Words.count(known), rest: Words.count(known - bad) };
    return [element("p", { class: "alert" }, say("caution", counts))];
  }

  function drawSummary(box, data, unit) {
    box.replaceChildren(element("p", {}, sentence(data, unit)), ...sharedLine(data, unit), ...caution(data), ...alertLine(data, unit));
  }

  function draw(box, data, unit) {
    const facts = [...levelFacts(data, unit), ...goalFacts(data, unit), ...readingFacts(data, unit), ...sourceFacts(data, unit)];
    box.replaceChildren(...facts.map(([name, value, more, tone]) => Common.fact(name, value, more, tone)));
  }

  root.Facts = { draw, drawSummary };
})(window);
