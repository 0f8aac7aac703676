/* The page on data quality: tables of sources, reasons and runs, and one chart of weeks. */
(function () {
  "use strict";

  const { element } = Common;
  const find = (id) => document.getElementById(id);
  const data = Common.data();
  const state = { source: Weeks.ALL, measure: "rows", theme: "light" };
  const STEP = 50;

  const { count } = Words;
  const percent = (share) => (share === null ? "–" : Words.percent(share));
  const kg = (value) => (value === null ? "–" : Words.change(value, "kg", 2));
  const of = (source, word, key) => source[word][key];

  /* columns: [heading, text of a row, is it a number]. Fill `box`, the first rows first. */
  function table(box, columns, rows, shown = STEP) {
    const kind = (number) => ({ class: number ? "number" : "" });
    const head = columns.map(([name, , number]) => element("th", { scope: "col", ...kind(number) }, name));
    const body = rows
      .slice(0, shown)
      .map((row) => element("tr", {}, ...columns.map(([, text, number]) => element("td", kind(number), text(row)))));
    const grid = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
    box.replaceChildren(grid);
    if (rows.length <= shown) return;
    const more = element("button", { type: "button", class: "more" }, `Show more of ${count(rows.length)}`);
    more.addEventListener("click", () => table(box, columns, rows, shown + 10 * STEP));
    box.append(more);
  }

  function drawFacts() {
    const { total } = data;
    const share = (n) => percent(total.rows_in ? n / total.rows_in : null);
    const { rejected, rejected_share, copies, coverage_95, coverage_50 } = total.plausibility;
    const quarantined = total.rows - total.readings;
    find("facts").replaceChildren(
      Common.fact("Rows that came in", count(total.rows_in), `${count(total.readings)} readings stored`),
      Common.fact("Duplicates", share(total.duplicates), `${count(total.duplicates)} rows`),
      Common.fact("Quarantined", percent(total.rows ? quarantined / total.rows : null), `${count(quarantined)} rows`),
      Common.fact("Rejected", percent(rejected_share), `${count(rejected)} readings${copies ? `, and ${count(copies)} copies` : ""}`),
      Common.fact("Inside 95 %", percent(coverage_95), `50 %: ${percent(coverage_50)}`),
      Common.fact("Newest week", data.newest_week ? Words.date(Date.parse(data.newest_week)) : "–", `parameters ${data.parameters}`),
    );
  }

  const METRICS = {
    max_quarantined: ["quarantined", percent],
    max_rejected: ["rejected, copies aside", percent],
    coverage_95_tolerance: ["inside 95\u00a0%", percent],
    coverage_50_tolerance: ["inside 50\u00a0%", percent],
    max_difference_kg: ["differs from what was expected", kg],
    max_drift_kg: ["drift of that", kg],
    "max_rise.rejected": ["rise of rejected", percent],
    "max_rise.quarantined": ["rise of quarantined", percent],
    least_volume: ["rows a week", (rows) => (rows === null ? "–" : count(Math.round(rows)))],
    max_silence: ["silence", (days) => (days === null ? "–" : `${Words.fixed(days, days % 1 ? 1 : 0)} d`)],
  };
  const ORDER = ["failed", "not checked", "passed"];

  const shown = (check, value) => METRICS[check.metric][1](value);

  /* The reading of a limit: what may lie between. */
  function limit(check) {
    if (check.limit === null || check.several) return "–";
    if (check.metric.startsWith("coverage")) return `${percent(check.baseline)} ± ${percent(check.limit)}`;
    return `${check.metric === "least_volume" ? "≥" : "≤"} ${shown(check, check.limit).replace("+", "")}`;
  }

  function statusCell(check) {
    return element("span", { class: `status ${check.status.replace(" ", "-")}` }, { passed: "✓ ", failed: "✗ ", "not checked": "– " }[check.status] + check.status);
  }

  /* Why, the next step in words, and the rows. */
  function saidCell(check) {
    const parts = check.to_do.split("`").map((text, k) => (k % 2 ? element("code", {}, text) : text));
    const next = check.to_do ? element("span", { class: "next" }, " → ", ...parts) : "";
    const rows = check.rows_at ? [". ", element("a", { href: check.rows_at }, "Show rows")] : [];
    return element("span", {}, check.said, next, ...rows);
  }

  const sourceCell = (check) => {
    const known = data.sources.find((s) => s.source === check.source);
    return known ? sourceButton(known) : element("bdi", {}, check.source);
  };

  /* What was not checked of one source for one reason, together; what was seen of it is said. */
  function grouped(some) {
    const groups = new Map();
    for (const check of some) {
      const key = check.status === "not checked" ? `${check.source}\n${check.said}` : check;
      groups.set(key, [...(groups.get(key) || []), check]);
    }
    return [...groups.values()].map((group) => {
      if (group.length === 1) return group[0];
      const seen = group.filter((c) => c.rows).map((c) => `${METRICS[c.metric][0]} ${shown(c, c.observed)}`);
      const said = `${group[0].said}. Seen: ${seen.join(", ")}`;
      return { ...group[0], said, several: group.length };
    });
  }

  const CHECKS = [
    ["Status", statusCell],
    ["Source", sourceCell],
    ["What", (c) => (c.several ? `${c.several} checks` : METRICS[c.metric][0])],
    ["Observed", (c) => (c.several || (c.status === "not checked" && !c.rows && !c.observed) ? "–" : shown(c, c.observed)), true],
    ["Limit", limit, true],
    ["Before, usual", (c) => (c.several || c.metric.startsWith("coverage") ? "–" : shown(c, c.baseline)), true],
    ["Why, and what to do", saidCell],
  ];

  function drawLimits() {
    const since = data.checked_since ? `the weeks since ${Words.date(Date.parse(data.checked_since))}` : "all weeks";
    const counts = ORDER.map((word) => `${count(data.checks.filter((c) => c.status === word).length)} ${word}`);
    const sorted = ORDER.flatMap((word) => grouped(data.checks.filter((c) => c.status === word)));
    const box = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of checks" });
    table(box, CHECKS, sorted);
    const limits = Object.entries(data.limits).map(([key, value]) => `${key} = ${value}`);
    const hint = element("p", { class: "hint" }, `Over ${since}. [quality] ${limits.join(", ")}. All rows that failed: the tables quarantine and current_decisions of the store.`);
    find("limits").replaceChildren(element("p", {}, `${counts.join(", ")}.`), box, hint);
  }

  /* A source's name; a click shows its weeks. */
  function sourceButton(row) {
    const button = element("button", { type: "button", class: "link" }, element("bdi", {}, row.source));
    button.addEventListener("click", () => {
      find("source").value = row.source;
      chooseSource(row.source);
      find("weeks-title").scrollIntoView({ block: "start" });
    });
    return button;
  }

  const drift = ({ plausibility: p }) =>
    p.drift_kg === null ? "–" : element("span", { title: `standard error ${p.drift_error_kg} kg` }, kg(p.drift_kg));

  const SOURCES = [
    ["Source", sourceButton],
    ["Readings", (s) => count(s.readings), true],
    ["Not conformant", (s) => percent(of(s, "conformance", "quarantined_share")), true],
    ["Incomplete", (s) => percent(of(s, "completeness", "quarantined_share")), true],
    ["Day alone", (s) => percent(s.readings ? of(s, "completeness", "date_only") / s.readings : null), true],
    ["Rejected", (s) => percent(of(s, "plausibility", "rejected_share")), true],
    ["Inside 50\u00a0%", (s) => percent(of(s, "plausibility", "coverage_50")), true],
    ["Inside 95\u00a0%", (s) => percent(of(s, "plausibility", "coverage_95")), true],
    ["Bias", (s) => kg(of(s, "plausibility", "bias_kg")), true],
    ["Noise", (s) => `${Words.fixed(of(s, "plausibility", "noise_kg"), 2)}\u00a0kg`, true],
    ["Differs", (s) => kg(of(s, "plausibility", "difference_kg")), true],
    ["Drift", drift, true],
  ];

  const KAHN = [
    ["conformance", "conformance", "reasons", "quarantined"],
    ["completeness", "completeness", "reasons", "quarantined"],
    ["plausibility", "plausibility", "reasons", "quarantined"],
    ["plausibility", "plausibility", "rejected_reasons", "rejected"],
  ];

  function drawReasons() {
    const chosen = data.sources.find((s) => s.source === state.source) || data.total;
    const rows = KAHN.flatMap(([word, part, key, outcome]) =>
      Object.entries(chosen[part][key]).map(([reason, n]) => ({ word, reason, outcome: reason === "repeat" ? "a copy" : outcome, n })),
    );
    const columns = [
      ["What it says of the data", (row) => row.word],
      ["Outcome", (row) => row.outcome],
      ["Reason", (row) => row.reason],
      ["Rows", (row) => count(row.n), true],
      ["Share", (row) => percent(row.n / chosen.rows), true],
    ];
    table(find("reasons"), columns, rows);
  }

  const RUNS = [
    ["Started (UTC)", (run) => run.started_at.slice(0, 16).replace("T", " ")],
    ["Kind", (run) => run.kind],
    ["Ended as", (run) => run.state],
    ...["rows_in", "accepted", "rejected", "duplicates", "quarantined", "excluded", "failed"].map((key) => [
      key === "rows_in" ? "Rows" : key[0].toUpperCase() + key.slice(1),
      (run) => count(run[key]),
      true,
    ]),
    ["Revised", (run) => count(run.revised), true],
    ["to accepted", (run) => count(run.to_accepted), true],
    ["to rejected", (run) => count(run.to_rejected), true],
  ];

  function drawWeeks() {
    const measure = Weeks.MEASURES[state.measure];
    const { x, series } = Weeks.table(data, state.source, state.measure);
    const value = (v) => (v === null ? "–" : measure.percent ? percent(v) : measure.stacked ? count(v) : Words.fixed(v, 2));
    const columns = [["Week of", (k) => x[k]], ...series.map(([name, values]) => [name, (k) => value(values[k]), true])];
    table(find("weeks"), columns, [...x.keys()].reverse());
    if (!window.Plotly) return undefined;
    const { data: traces, layout } = Weeks.figure(data, state.source, state.measure, Figure.THEMES[state.theme]);
    return Plotly.react(find("chart"), traces, layout, { responsive: true, displayModeBar: false });
  }

  function chooseSource(source) {
    state.source = source;
    drawReasons();
    return drawWeeks();
  }

  function start() {
    const option = (value, name) => element("option", { value }, name);
    find("source").append(option(Weeks.ALL, "all"), ...data.sources.map((s) => option(s.source, s.source)));
    find("measure").append(...Object.entries(Weeks.MEASURES).map(([key, { name }]) => option(key, name)));
    find("source").addEventListener("change", (event) => chooseSource(event.target.value));
    find("measure").addEventListener("change", (event) => {
      state.measure = event.target.value;
      drawWeeks();
    });
    Common.about("UTC");
    drawFacts();
    drawLimits();
    table(find("sources"), SOURCES, data.sources);
    drawReasons();
    table(find("runs"), RUNS, data.runs);
    Common.theme((theme) => {
      state.theme = theme;
      drawWeeks();
    });
    const ready = () => (document.documentElement.dataset.ready = "true");
    if (window.Plotly) drawWeeks().then(ready);
    else find("plotly").addEventListener("load", () => drawWeeks().then(ready));
  }

  start();
})();
