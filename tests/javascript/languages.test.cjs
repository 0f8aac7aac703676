"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { loadIn, loadWith, element, person } = require("./page.cjs");

function summary(language, more) {
  const { Facts, Columns } = loadIn(language, "columns.js", "words.js", "facts.js");
  const box = element();
  Facts.drawSummary(box, Columns.prepare(person([1090.25, 89.04], more)), "kg");
  return box.children.map((child) => child.textContent).join(" ");
}

const losing = { direction: ["losing", "4 weeks"], changes: { "4 weeks": ["2024-01-01", 28, -2, -2.6, -1.4, -0.02] } };

for (const [language, said] of [
  ["de", "Niveau 89,0 kg am 2. Jan. 2024. Abnahme: −2,0 kg in 4 Wochen (−2,6 bis −1,4 kg)."],
  ["es", "Nivel 89,0 kg el 2 ene 2024. Pérdida: −2,0 kg en 4 semanas (−2,6 a −1,4 kg)."],
  ["fr", "Niveau 89,0 kg le 2 janv. 2024. Perte : −2,0 kg en 4 semaines (−2,6 à −1,4 kg)."],
  ["nl", "Niveau 89,0 kg op 2 jan 2024. Afname: −2,0 kg in 4 weken (−2,6 tot −1,4 kg)."],
])
  test(`the sentence in ${language}, with its numbers and dates`, () => {
    assert.equal(summary(language, losing), said);
  });

test("reasons and verdicts are translated, and a name that nobody knows stays", () => {
  const reasons = [["ok", "", ""], ["digit_swap", "looks like two digits swapped", ""], ["new", "is of another age", ""]];
  const bad = { reasons, reason: [1, 2], verdict: [1, 1], suggested: { rows: [0], kg: [81] } };
  const { Words, Columns } = loadIn("de", "columns.js", "words.js");
  const data = Columns.prepare(person([18, 80], bad));
  assert.match(Words.explain(data, 0, "kg"), /18,0 sieht aus wie zwei vertauschte Ziffern: 81,0 kg; Wahrscheinlichkeit 0,020$/);
  assert.match(Words.explain(data, 1, "kg"), /80,0 is of another age/);
  assert.match(Words.hover(data, 0, "kg"), /<b>verworfen<\/b>/);
});

test("a picture has the language's months and separators", async () => {
  const asked = [];
  const Plotly = { toImage: async (figure) => asked.push(figure) };
  const scripts = ["columns.js", "words.js", "course.js", "figure.js", "picture.js"];
  loadWith({ Plotly }, "de", ...scripts);
  const persons = [{ ...person([80, 81]), user: "ann" }];
  const done = await Plotly.toImage({ layout: { weightstream: persons }, config: { mapboxAccessToken: "" } }, {});
  assert.doesNotMatch(done, /error/);
  const [{ config, layout }] = asked;
  assert.equal(config.locales[config.locale].format.shortMonths[4], "Mai");
  assert.equal(layout.separators, ",.");
});

test("the chart has the language's months and separators", () => {
  const { Texts } = loadIn("fr");
  const { locale, locales } = Texts.localOfPlotly();
  assert.equal(locales[locale].format.shortMonths[1], "févr.");
  assert.equal(locales[locale].format.days[0], "dimanche");
  assert.equal(Texts.separators[0], ",");
});
