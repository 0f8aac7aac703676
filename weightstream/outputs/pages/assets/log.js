/* The list of decisions, newest first. */
(function (root) {
  "use strict";

  const { element } = Common;
  const { cell } = Columns;
  const STEP = 500;

  function record(data, i) {
    const path = String(data.files[cell(data.file, i)] || "");
    const made = `${data.stages[cell(data.stage, i)]} v${cell(data.version, i)}`;
    const title = `${path}, line ${data.line[i]}; parameters ${data.models[cell(data.model, i)]}`;
    const id = element("code", {}, data.id[i]);
    return element("span", { class: "where", title }, id, `${path.split(/[\\/]/).pop()}:${data.line[i]} · ${made}`);
  }

  function received(data, i) {
    return [data.raw[i], data.units[cell(data.unit, i)]].filter((text) => text !== null && text !== "").join(" ");
  }

  const COLUMNS = [
    { name: "Time", text: (data, i) => Words.time(data, i) },
    { name: "Weight", number: true, text: (data, i, unit) => Words.weight(data.kg[i], unit) },
    { name: "As received", text: received },
    { name: "Source", text: (data, i) => data.sources[cell(data.source, i)] },
    { name: "Verdict", text: (data, i) => element("span", { class: "verdict" }, Columns.decision(data, i).verdict) },
    { name: "Why", text: Words.explain },
    {
      name: "Expected (95 %)",
      number: true,
      text: (data, i, unit) =>
        data.expected[i] === null ? "–" : Words.between(data.expected_lo[i], data.expected_hi[i], unit),
    },
    { name: "P(right)", number: true, text: (data, i) => (data.p[i] === null ? "–" : Words.probability(data.p[i])) },
    { name: "Record", text: record },
  ];

  /* Roles are spelled out, since a phone shows the rows as cards and that would drop them. */
  function row(data, i, unit, onChoose) {
    const cells = COLUMNS.map((column) => {
      const attributes = { role: "cell", "data-label": column.name, class: column.number ? "number" : "" };
      return element("td", attributes, column.text(data, i, unit));
    });
    const node = element("tr", { class: Columns.decision(data, i).verdict, role: "row" }, ...cells);
    node.addEventListener("click", () => onChoose(i));
    return node;
  }

  function head() {
    const cells = COLUMNS.map((column) => {
      const attributes = { scope: "col", role: "columnheader", class: column.number ? "number" : "" };
      return element("th", attributes, column.name);
    });
    return element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...cells));
  }

  /* Fill `box` with the first `shown` of the rows, and a button for more. onChoose(row): a click. */
  function draw(box, data, rows, unit, onChoose, shown = 100) {
    const body = rows.slice(0, shown).map((i) => row(data, i, unit, onChoose));
    const attributes = { role: "table", "aria-rowcount": rows.length + 1 };
    box.replaceChildren(element("table", attributes, head(), element("tbody", { role: "rowgroup" }, ...body)));
    if (!rows.length) box.append(element("p", { class: "empty" }, "No reading was rejected."));
    if (rows.length <= shown) return;
    const count = Math.min(STEP, rows.length - shown);
    const more = element("button", { type: "button", class: "more" }, `Show ${count} more of ${rows.length}`);
    more.addEventListener("click", () => draw(box, data, rows, unit, onChoose, shown + STEP));
    box.append(more);
  }

  root.Log = { draw };
})(window);
