/* The list of decisions, newest first. */
(function (root) {
  "use strict";

  const { element } = Common;
  const { cell } = Columns;
  const STEP = 500;

  function record(data, i) {
    const path = String(data.files[cell(data.file, i)] || "");
    const made = `${data.stages[cell(data.stage, i)]} v${cell(data.version, i)}`;
    const command = `weightstream override ${data.id[i]} ${opposite(data, i)} --by NAME`;
    const title = `${path}, line ${data.line[i]}; parameters ${data.models[cell(data.model, i)]}`;
    const id = element("code", {}, data.id[i]);
    const where = element("span", { class: "where", title }, id, element("bdi", {}, `${path.split(/[\\/]/).pop()}:${data.line[i]}`), ` · ${made}`);
    return element("div", {}, where, correction(command));
  }

  const opposite = (data, i) => (Columns.decision(data, i).verdict === "accepted" ? "reject" : "accept");

  /* The command that decides otherwise, to be copied. */
  function correction(command) {
    const code = element("code", {}, command);
    const copy = element("button", { type: "button", class: "link" }, "Copy");
    copy.addEventListener("click", () => {
      navigator.clipboard?.writeText(command);
      getSelection().selectAllChildren(code);
    });
    const box = element("details", { class: "correct" }, element("summary", {}, "Correct"), code, " ", copy);
    box.addEventListener("click", (event) => event.stopPropagation());
    return box;
  }

  function received(data, i) {
    return [data.raw[i], data.units[cell(data.unit, i)]].filter((text) => text !== null && text !== "").join(" ");
  }

  /* A button, so that the keyboard reaches the reading in the chart, too. */
  function time(data, i, unit, onChoose) {
    const received = Words.receivedTime(data, i);
    const button = element("button", { type: "button", class: "link", title: "show in the chart" }, Words.time(data, i));
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      onChoose(i);
    });
    return element("span", {}, button, received ? element("span", { class: "where" }, received) : "");
  }

  const kind = (data, i) => (Columns.copy(data, i) ? "copy" : Columns.decision(data, i).verdict);

  const COLUMNS = [
    { name: "Time", text: time },
    { name: "Weight", number: true, text: (data, i, unit) => Words.weight(data.kg[i], unit) },
    { name: "As received", text: received },
    { name: "Source", text: (data, i) => element("bdi", {}, data.sources[cell(data.source, i)]) },
    { name: "Verdict", text: (data, i) => element("span", { class: "verdict" }, kind(data, i)) },
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
  function row(data, i, place, unit, onChoose) {
    const cells = COLUMNS.map((column) => {
      const attributes = { role: "cell", "data-label": column.name, class: column.number ? "number" : "" };
      return element("td", attributes, column.text(data, i, unit, onChoose));
    });
    const attributes = { class: kind(data, i), role: "row", "aria-rowindex": place + 2, id: `row-${i}` };
    const node = element("tr", attributes, ...cells);
    node.addEventListener("click", () => onChoose(i));
    return node;
  }

  function head(data) {
    const cells = COLUMNS.map((column) => {
      const attributes = { scope: "col", role: "columnheader", class: column.number ? "number" : "" };
      return element("th", attributes, column.name === "Time" ? `Time (${data.zone})` : column.name);
    });
    return element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...cells));
  }

  /* Fill `box` with the first `shown` of the rows, and a button for more. onChoose(row): a click. */
  function draw(box, data, rows, unit, onChoose, shown = 100) {
    const body = rows.slice(0, shown).map((i, k) => row(data, i, k, unit, onChoose));
    const attributes = { role: "table", "aria-rowcount": rows.length + 1 };
    box.replaceChildren(element("table", attributes, head(data), element("tbody", { role: "rowgroup" }, ...body)));
    if (!rows.length) box.append(element("p", { class: "empty" }, data.ms.length ? "No such reading." : "No reading is decided yet."));
    if (rows.length <= shown) return;
    const count = Math.min(STEP, rows.length - shown);
    const more = element("button", { type: "button", class: "more" }, `Show ${count} more of ${rows.length}`);
    more.addEventListener("click", () => draw(box, data, rows, unit, onChoose, shown + STEP));
    box.append(more);
  }

  root.Log = { draw };
})(window);
