/* The scripts of a page, without a browser: what they say of a person's columns. */
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const ASSETS = path.join(__dirname, "../../weightstream/outputs/pages/assets");

/* A stand-in for what scripts take of a document: text alone. */
function element() {
  const children = [];
  return {
    children,
    dataset: {},
    append: (...more) => children.push(...more),
    replaceChildren: (...more) => children.splice(0, children.length, ...more),
    setAttribute() {},
    addEventListener() {},
    get textContent() {
      return children.map((child) => (typeof child === "string" ? child : child.textContent)).join("");
    },
  };
}

const wording = (language) => JSON.parse(fs.readFileSync(path.join(ASSETS, "languages", `${language}.json`), "utf8"));

/* What scripts offer, in English. */
const load = (...names) => loadIn("en", ...names);

const loadIn = (language, ...names) => loadWith({}, language, ...names);

/* given: what the page has besides. */
function loadWith(given, language, ...names) {
  const window = { Wording: wording(language) };
  const document = { createElement: element, getElementById: element, documentElement: element() };
  const context = vm.createContext({ window, document, matchMedia: () => ({ matches: false }), Intl, Map, Set, ...given });
  for (const name of ["texts.js", "common.js", ...names]) {
    vm.runInContext(fs.readFileSync(path.join(ASSETS, name), "utf8"), context, { filename: name });
    Object.assign(context, window); // what one script offers, the next ones take
  }
  return context;
}

/* Columns of a person weighed daily; more: what is otherwise. */
function person(kg, more = {}) {
  const start = Date.UTC(2024, 0, 1, 7);
  const all = (value) => kg.map(() => value);
  return {
    zone: "UTC",
    time: kg.map((_, i) => new Date(start + i * 86400000).toISOString().replace(".000", "")),
    kg,
    level: kg,
    level_lo: kg.map((v) => v - 0.5),
    level_hi: kg.map((v) => v + 0.5),
    expected: kg,
    expected_lo: kg.map((v) => v - 1),
    expected_hi: kg.map((v) => v + 1),
    change: all(null),
    change_lo: all(null),
    change_hi: all(null),
    p: all(0.98),
    sources: ["scale"],
    source: 0,
    verdicts: ["accepted", "rejected", "undecided"],
    verdict: all(0),
    reasons: [["ok", "", ""]],
    reason: 0,
    stages: ["retro"],
    stage: 0,
    offsets: [null],
    offset: 0,
    suggested: { rows: [], kg: [] },
    possibly: { rows: [], second: [], p: [] },
    moved: { days: [0, 1, 7, 28, 365, 3650], kg2: [0, 0.02, 0.2, 1, 15, 80] },
    evening: 1,
    above: [0],
    changes: {},
    direction: null,
    vague: false,
    shared: null,
    goal: null,
    shifts: [],
    overrides: [],
    earlier: [],
    alerts: [],
    false_alerts: 0.1,
    outlook: null,
    id: kg.map((_, i) => `id${i}`),
    ...more,
  };
}

module.exports = { load, loadIn, loadWith, wording, ASSETS, element, person };
