"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { load, element, person } = require("./page.cjs");

const { Facts, Columns } = load("columns.js", "words.js", "facts.js");

function summary(kg, more) {
  const box = element();
  Facts.drawSummary(box, Columns.prepare(person(kg, more)), "kg");
  return box.children.map((child) => child.textContent);
}

const change = (kg, days) => ["2024-01-01", days, kg, kg - 0.6, kg + 0.6, kg / 90];
const losing = { direction: ["losing", "4 weeks"], changes: { "4 weeks": change(-2, 28), start: change(-13, 182) } };

test("13 kg lost in 26 weeks reads as losing, and since when", () => {
  const [said] = summary([90, 89], losing);
  assert.equal(said, "Level 89.0 kg on 2 Jan 2024. Losing: −2.0 kg in 4 weeks (−2.6 to −1.4 kg). Since 1 Jan 2024: −13.0 kg (−13.6 to −12.4 kg).");
});

test("a level that is known badly is an interval", () => {
  const [said, ...more] = summary([185], { ...losing, vague: true, direction: null, level_lo: [155], level_hi: [215] });
  assert.equal(said, "The level is not well known: 155.0 kg to 215.0 kg on 1 Jan 2024.");
  assert.deepEqual(more, []);
});

test("two persons are told with their shares, and no change of a level that is of both", () => {
  const shared = [78, 72.4, 60, 40, "2024-01-01", false];
  const [said, who] = summary([90, 89], { ...losing, shared });
  assert.match(said, /Losing/);
  assert.equal(who, "Two persons seem to share this account: about 78.0 kg (60\u00a0% of the readings since 1 Jan 2024) and about 72.4 kg (40\u00a0%).");
  const mixed = summary([90, 89], { ...losing, shared: [...shared.slice(0, 5), true] });
  assert.doesNotMatch(mixed.join(" "), /Losing|Since 1 Jan 2024: /);
  assert.match(mixed[1], /no change is told/);
});

test("many rejected are a caution, copies aside", () => {
  const kg = Array(10).fill(80);
  const reasons = [["ok", "", ""], ["outlier", "fits no explanation", ""], ["repeat", "repeats", "copy"]];
  const bad = { reasons, reason: [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], verdict: [1, 1, 1, 1, 0, 0, 0, 0, 0, 0] };
  assert.match(summary(kg, bad)[1], /^Caution: 4 of 10 readings are rejected/);
  const copies = { ...bad, reason: [2, 2, 2, 2, 0, 0, 0, 0, 0, 0] };
  assert.equal(summary(kg, copies).length, 1);
});

test("what the other person weighed is no reason for caution", () => {
  const reasons = [["ok", "", ""], ["other_person", "looks like another person", ""]];
  const bad = { reasons, reason: [1, 1, 1, 1, 0, 0, 0, 0], verdict: [1, 1, 1, 1, 0, 0, 0, 0] };
  const shared = [80, 62, 4, 4, "2024-01-01", false];
  assert.doesNotMatch(summary(Array(8).fill(80), { ...bad, shared }).join(" "), /Caution/);
  assert.match(summary(Array(8).fill(80), bad).join(" "), /Caution: 4 of 8/);
});

test("who is weighed at visits alone is compared with the visit before", () => {
  const visits = { direction: ["losing", "visit"], changes: { visit: change(-2.1, 90), start: change(-4, 400) } };
  assert.match(summary([90, 89], visits)[0], /Losing: −2\.1 kg since the visit of 1 Jan 2024 \(−2\.7 to −1\.5 kg\)\./);
});

test("an alert is told until it is closed or ninety days old", () => {
  const kg = Array(120).fill(80);
  const alert = (day, status = "new") => [new Date(Date.UTC(2024, 0, 1 + day, 7)).toISOString(), "rapid_gain", 3, 2.4, 0.8, status, "Dr Berg on 2024-04-01"];
  assert.match(summary(kg, { alerts: [alert(100)] })[1], /^Rapid gain: \+2\.4 kg in 3 days, until 10 Apr 2024 \(probability 0\.80\)\./);
  assert.equal(summary(kg, { alerts: [alert(100, "closed")] }).length, 1);
  assert.equal(summary(kg, { alerts: [alert(20)] }).length, 1);
  assert.match(summary(kg, { alerts: [alert(100, "acknowledged")] })[1], /Acknowledged by .*Dr Berg/);
});

test("nothing is said of nobody", () => {
  assert.deepEqual(summary([]), ["No reading is decided yet."]);
});

test("two sources are compared where both have ten readings", () => {
  const facts = (kg, source) => {
    const box = element();
    const data = Columns.prepare(person(kg, { sources: ["home", "gym"], source, level: kg.map(() => 80), evening: 0 }));
    Facts.draw(box, data, "kg");
    return box.children.map((child) => child.textContent);
  };
  const source = Array.from({ length: 40 }, (_, i) => i % 2);
  const kg = source.map((s, i) => 80 + 1.2 * s + (i % 4 < 2 ? 0.1 : -0.1));
  const told = facts(kg, source).find((text) => text.includes("against"));
  assert.match(told, /gym.* against .*home.*\+1\.2 kg\+1\.1 to \+1\.3 kg/);
  assert.equal(facts(kg.slice(0, 18), source.slice(0, 18)).some((text) => text.includes("against")), false);
});

test("a goal has its distance, and the days on which it may be reached", () => {
  const goal = (changes, kg = 85, level = 90) => {
    const box = element();
    Facts.draw(box, Columns.prepare(person([level, level], { goal: [kg, "2024-06-01"], changes })), "kg");
    return box.children.map((child) => child.textContent).find((text) => text.startsWith("Goal"));
  };
  const pace = (lo, hi) => ({ "4 weeks": ["2023-12-05", 28, (lo + hi) / 2, lo, hi, -0.02] });
  assert.equal(goal(pace(-2.8, -1.4)), "Goal 85.0 kg by 1 Jun 2024−5.0 kgto go; at the pace of the last 4 weeks between 21 Feb 2024 and 11 Apr 2024");
  assert.match(goal(pace(-2.8, 0.5)), /not before 21 Feb 2024, if at all$/);
  assert.match(goal(pace(0.1, 1)), /the last 4 weeks do not lead there$/);
  assert.match(goal(pace(-0.1, -0.01)), /not within two years/);
  assert.match(goal(pace(1.4, 2.8), 95), /\+5\.0 kgto go; .* between 21 Feb 2024 and 11 Apr 2024$/);
  assert.match(goal({}, 90.2), /reached/);
  assert.match(goal({ start: ["2023-06-01", 214, -13, -14, -12, -0.1] }, 92), /reachedthe level is 2\.0 kg below it/);
  assert.match(goal({ start: ["2023-06-01", 214, 4, 3, 5, 0.1] }, 88), /\+2\.0 kgabove the goal/);
  assert.match(goal({ start: ["2023-06-01", 214, 3, 2, 4, 0.1] }, 92), /\+2\.0 kgto go/);
  assert.equal(goal({}), "Goal 85.0 kg by 1 Jun 2024−5.0 kgto go");
});

test("of a level that is not well known nothing says how far a goal is, or that it was reached", () => {
  const goals = [85, 90, 97].map((kg) => {
    const box = element();
    const vague = { vague: true, level_lo: [80, 80], level_hi: [100, 100], goal: [kg, null] };
    Facts.draw(box, Columns.prepare(person([90, 90], { ...losing, ...vague })), "kg");
    return box.children.map((child) => child.textContent).find((text) => text.startsWith("Goal"));
  });
  assert.deepEqual(goals, [85, 90, 97].map((kg) => `Goal ${kg}.0 kg–the level is not well known`));
});
