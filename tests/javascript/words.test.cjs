"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { load, person } = require("./page.cjs");

const { Words, Columns } = load("columns.js", "words.js");

test("a number is rounded once, half away from zero", () => {
  for (const [kg, digits, said] of [[92.35, 1, "92.4"], [0.95, 1, "1.0"], [92.349, 1, "92.3"], [1.005, 2, "1.01"]])
    assert.equal(Words.fixed(kg, digits), said);
});

test("changes have a sign, also as percent, and none where they are nothing", () => {
  assert.equal(Words.change(-1.25, "kg"), "−1.3 kg");
  assert.equal(Words.signedPercent(0.031), "+3.1\u00a0%");
  assert.equal(Words.change(0.04, "kg"), "±0.0 kg");
});

test("stones have pounds, and say so", () => {
  assert.equal(Words.weight(80, "st"), "12 st 8.4 lb");
  assert.equal(Words.weight(88.9, "st"), "14 st 0.0 lb"); // never "13 st 14.0 lb"
  assert.equal(Words.change(1, "st"), "+2.2 lb");
});

test("a source's own clock is told where it is another", () => {
  const data = Columns.prepare(person([80, 80], { offsets: [null, "+01:00"], offset: [0, 1] }));
  assert.equal(Words.receivedTime(data, 0), "");
  assert.equal(Words.receivedTime(data, 1), "received as 08:00, UTC+01:00");
});

test("a rejection says why, and possibly where another reason is near", () => {
  const reasons = [["ok", "", ""], ["unit_lb_as_kg", "looks like pounds taken for kg", ""]];
  const bad = { reasons, reason: [0, 1], verdict: [0, 1], p: [0.9, 0.002], suggested: { rows: [1], kg: [83] } };
  const sure = Columns.prepare(person([83, 183], { ...bad, expected_lo: [82, 82.1], expected_hi: [84, 84.3] }));
  assert.equal(Words.explain(sure, 1, "kg"), "expected 82.1-84.3 kg; 183.0 looks like pounds taken for kg: 83.0 kg; probability 0.998");
  const unsure = Columns.prepare(person([83, 183], { ...bad, possibly: { rows: [1], second: [null], p: [null] } }));
  assert.match(Words.explain(unsure, 1, "kg"), /183\.0 possibly looks like pounds taken for kg: 83\.0 kg; prob/);
  const two = { reasons: [...reasons, ["other_person", "looks like another person", ""]], possibly: { rows: [1], second: [2], p: [0.41] } };
  const either = Columns.prepare(person([83, 183], { ...bad, ...two }));
  assert.match(Words.explain(either, 1, "kg"), /possibly looks like pounds taken for kg: 83\.0 kg, or looks like another person \(0\.41\); probability/);
});

test("a probability is never rounded to certainty", () => {
  assert.equal(Words.probability(0.9999), "over 0.99");
  assert.equal(Words.probability(0.0001), "under 0.01");
});

test("the level is hardly known half way through nine years", () => {
  const time = ["2015-05-01T07:00:00Z", "2024-05-01T07:00:00Z"];
  const data = Columns.prepare(person([80, 84], { time }));
  const middle = Columns.between(data, 0, 1, 0.5);
  assert.ok(middle.hi - middle.lo > 14);
  assert.deepEqual([...data.gaps], [1]);
});

test("a copy is no error", () => {
  const reasons = [["ok", "", ""], ["repeat", "repeats the reading before it", "copy"]];
  const data = Columns.prepare(person([80, 80], { reasons, reason: [0, 1], verdict: [0, 1] }));
  assert.equal(Columns.copy(data, 1), true);
  assert.equal(Columns.rejected(data, 1), false);
});

test("a level shift near an edge has its label inside", () => {
  const { Figure, Columns: columns } = load("columns.js", "words.js", "course.js", "figure.js");
  const anchors = (row) => {
    const shifts = [[new Date(Date.UTC(2024, 0, 1 + row, 7)).toISOString(), 80, 84]];
    const data = columns.prepare(person(Array(100).fill(80), { shifts }));
    const { annotations } = Figure.build(data, Figure.defaultView()).layout;
    return annotations.filter((note) => note.text.startsWith("level shift")).map((note) => note.xanchor);
  };
  assert.deepEqual([3, 50, 97].map((row) => anchors(row)[0]), ["left", "center", "right"]);
});

test("the interval swells at once where readings end, not only half way", () => {
  const { Course, Columns: columns } = load("columns.js", "words.js", "course.js");
  const time = ["2015-05-01T07:00:00Z", "2024-05-01T07:00:00Z"];
  const data = columns.prepare(person([80, 84], { time }));
  const sight = { theme: {}, scale: 1, start: 0, end: 1, from: data.ms[0], to: data.ms[1] };
  const [ground] = Course.levelTraces(data, sight);
  const upper = ground.x.slice(0, ground.x.length / 2).map((ms, k) => [(ms - data.ms[0]) / 86400000, ground.y[k]]);
  const early = upper.filter(([days]) => days > 0 && days < 120).map(([, kg]) => kg);
  assert.ok(early.length >= 3 && early.at(-1) > 82);
});

test("on a phone only gaps that have room for it say how long they are", () => {
  const { Figure, Columns: columns } = load("columns.js", "words.js", "course.js", "figure.js");
  const time = [0, 100, 200, 300, 800].map((day) => new Date(Date.UTC(2022, 0, 1 + day, 7)).toISOString());
  const data = columns.prepare(person(Array(5).fill(80), { time, gaps: [1, 2, 3, 4] }));
  const gaps = (narrow) => {
    const { annotations } = Figure.build(data, { ...Figure.defaultView(), narrow }).layout;
    return annotations.map((note) => note.text).filter((text) => text.includes("no reading"));
  };
  assert.equal(gaps(false).length, 4);
  assert.deepEqual([...gaps(true)], ["500 days<br>no reading"]);
});
