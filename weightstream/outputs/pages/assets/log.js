/* The list of decisions, newest first. */
(function (root) {
  "use strict";

  const { element } = Common;
  const { cell } = Columns;
  const { say } = Texts;
  const STEP = 500;

  function record(data, i) {
    const path = String(data.files[cell(data.file, i)] || "");
    const made = `${data.stages[cell(data.stage, i)]} v${cell(data.version, i)}`;
    const command = `weightstream override ${data.id[i]} ${opposite(data, i)} --by NAME`;
    const title = say("log.record.title", { path, line: data.line[i], model: data.models[cell(data.model, i)] });
    const id = element("code", {}, data.id[i]);
    const where = element("span", { class: "where", title }, id, element("bdi", {}, `${path.split(/[\\/]/).pop()}:${data.line[i]}`), ` · ${made}`);
    return element("div", {}, where, correction(command));
  }

  const opposite = (data, i) => (Columns.decision(data, i).verdict === "accepted" ? "reject" : "accept");

  /* The command that decides otherwise, to be copied. */
  function correction(command) {
    const code = element("code", {}, command);
    const copy = element("button", { type: "button", class: "link" }, say("log.copy"));
    copy.addEventListener("click", () => {
      navigator.clipboard?.writeText(command);
      getSelection().selectAllChildren(code);
    });
    const box = element("details", { class: "correct" }, element("summary", {}, say("log.correct")), code, " ", copy);
    box.addEventListener("click", (event) => event.stopPropagation());
    return box;
  }

  function received(data, i) {
    return [data.raw[i], data.units[cell(data.unit, i)]].filter((text) => text !== null && text !== "").join(" ");
  }

  /* A button, so that the keyboard reaches the reading in the chart, too. */
  function time(data, i, unit, onChoose) {
    const received = Words.receivedTime(data, i);
    const button = element("button", { type: "button", class: "link", title: say("log.show") }, Words.time(data, i));
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      onChoose(i);
    });
    return element("span", {}, button, received ? element("span", { class: "where" }, received) : "");
  }

  const kind = (data, i) => (Columns.copy(data, i) ? "copy" : Columns.decision(data, i).verdict);

  const COLUMNS = [
    { name: say("log.time"), text: time },
    { name: say("log.weight"), number: true, text: (data, i, unit) => Words.weight(data.kg[i], unit) },
    { name: say("log.received"), text: received },
    { name: say("log.source"), text: (data, i) => element("bdi", {}, data.sources[cell(data.source, i)]) },
    { name: say("log.verdict"), text: (data, i) => element("span", { class: "verdict" }, Words.verdict(kind(data, i))) },
    { name: say("log.why"), text: Words.explain },
    {
      name: say("log.expected"),
      number: true,
      text: (data, i, unit) =>
        data.expected[i] === null ? "–" : Words.between(data.expected_lo[i], data.expected_hi[i], unit),
    },
    { name: say("log.p"), number: true, text: (data, i) => (data.p[i] === null ? "–" : Words.probability(data.p[i])) },
    { name: say("log.record"), text: record },
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
      return element("th", attributes, column === COLUMNS[0] ? `${column.name} (${data.zone})` : column.name);
    });
    return element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...cells));
  }

  /* Fill `box` with the first `shown` of the rows, and a button for more. onChoose(row): a click. */
  function draw(box, data, rows, unit, onChoose, shown = 100) {
    const body = rows.slice(0, shown).map((i, k) => row(data, i, k, unit, onChoose));
    const attributes = { role: "table", "aria-rowcount": rows.length + 1 };
    box.replaceChildren(element("table", attributes, head(data), element("tbody", { role: "rowgroup" }, ...body)));
    if (!rows.length) box.append(element("p", { class: "empty" }, say(data.ms.length ? "log.none" : "undecided")));
    if (rows.length <= shown) return;
    const count = Math.min(STEP, rows.length - shown);
    const more = element("button", { type: "button", class: "more" }, say("log.more", { count, all: Words.count(rows.length) }));
    more.addEventListener("click", () => draw(box, data, rows, unit, onChoose, shown + STEP));
    box.append(more);
  }

  root.Log = { draw };
})(window);
