/* The list of all persons. Only the rows in sight exist in the document, so ten thousand persons
   scroll like ten. */
(function () {
  "use strict";
  const { element } = Common;
  const data = Common.data();
  const total = data.user_id.length;
  const lower = data.user_id.map((id) => id.toLowerCase());
  const newest = data.last.reduce((a, b) => (b && b > a ? b : a), "");
  const LB = 2.2046226218487757;
  const SPARK = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
  const list = document.getElementById("list");
  const space = document.getElementById("space");
  const state = { search: "", filter: "all", limit: 0, sort: "user_id", up: true, unit: Common.remembered("unit", "kg", ["kg", "lb", "st"]), rows: [], first: -1, end: -1 };

  const share = (i) => (data.readings[i] ? data.rejected[i] / data.readings[i] : 0);
  const daysUnseen = (i) => (data.last[i] ? (Date.parse(newest) - Date.parse(data.last[i])) / 86400000 : Infinity);
  /* Percent of the level in 30 days. */
  const change = (i) => (data.change_30d_kg[i] === null ? null : (data.change_30d_kg[i] / (data.level_kg[i] - data.change_30d_kg[i])) * 100);

  const FILTERS = {
    all: { keep: () => true },
    alert: { label: "from, probability", limit: 0.5, keep: (i, n) => data.alert[i] !== null && data.alert[i][3] >= n },
    rapid: { label: "from, % of weight in 30 days", limit: 5, keep: (i, n) => change(i) !== null && Math.abs(change(i)) >= n },
    rejected: { label: "from, % of readings", limit: 5, keep: (i, n) => share(i) * 100 >= n && data.rejected[i] > 0 },
    uncertain: { label: "from, readings", limit: 1, keep: (i, n) => data.uncertain[i] >= n },
    unseen: { label: "days before the newest reading", limit: 30, keep: (i, n) => daysUnseen(i) >= n },
  };

  function weight(kg) {
    if (kg === null) return "–";
    if (state.unit === "kg") return kg.toFixed(1) + " kg";
    if (state.unit === "lb") return (kg * LB).toFixed(1) + " lb";
    const tenths = Math.round(kg * LB * 10);
    return Math.floor(tenths / 140) + " st " + ((tenths % 140) / 10).toFixed(1);
  }

  function delta(kg, digits) {
    if (kg === null) return "–";
    const text = Math.abs(kg * (state.unit === "kg" ? 1 : LB)).toFixed(digits);
    return (Number(text) === 0 ? "±" : kg > 0 ? "+" : "−") + text;
  }

  const COLUMNS = [
    { key: "user_id", name: "Person", cell: personCell },
    { key: "spark", name: "Last year", sort: null, cell: (i) => sparkline(data.spark[i]) },
    { key: "level_kg", name: "Level", number: true, cell: (i) => weight(data.level_kg[i]) },
    { key: "rate_kg_per_week", name: "Per week", number: true, cell: (i) => delta(data.rate_kg_per_week[i], 2) },
    { key: "change_30d_kg", name: "30 days", number: true, value: change, cell: (i) => (change(i) === null ? "–" : delta(data.change_30d_kg[i], 1) + " (" + Math.abs(change(i)).toFixed(1) + " %)") },
    { key: "last", name: "Last reading", cell: (i) => data.last[i] || "–" },
    { key: "readings", name: "Readings", number: true, cell: (i) => String(data.readings[i]) },
    { key: "rejected", name: "Rejected", number: true, value: share, cell: (i) => (data.rejected[i] ? data.rejected[i] + " (" + (share(i) * 100).toFixed(0) + " %)" : "0") },
  ];

  function personCell(i) {
    const box = element("span", {}, element("a", { href: "persons/" + encodeURIComponent(data.page[i]) }, data.user_id[i].trim() || "(empty id)"));
    const alert = data.alert[i];
    if (alert) {
      const text = delta(alert[2], 1) + " in " + Math.max(1, alert[1]) + " d" + (alert[0] === "unconfirmed" ? "?" : "");
      box.append(" ", element("span", { class: "badge", title: (alert[0] === "unconfirmed" ? "unconfirmed reading" : "unusual change") + ", probability " + alert[3].toFixed(2) }, text));
    }
    return box;
  }

  function sparkline(text) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 " + (text.length - 1) * 4 + " 26");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("preserveAspectRatio", "none");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("points", [...text].map((c, i) => i * 4 + "," + (25 - (SPARK.indexOf(c) / 63) * 24).toFixed(1)).join(" "));
    svg.append(line);
    return svg;
  }

  function arrange() {
    const filter = FILTERS[state.filter];
    const column = COLUMNS.find((c) => c.key === state.sort);
    const value = column.value || ((i) => data[column.key][i]);
    const rows = [];
    for (let i = 0; i < total; i++) if (lower[i].includes(state.search) && filter.keep(i, state.limit)) rows.push(i);
    const sign = state.up ? 1 : -1;
    rows.sort((a, b) => {
      const x = value(a), y = value(b);
      if (x === y) return a - b;
      if (x === null) return 1; // those without a value stay last, whichever way
      if (y === null) return -1;
      return x < y ? -sign : sign;
    });
    state.rows = rows;
    state.first = -1;
    document.getElementById("count").textContent = rows.length === total ? total.toLocaleString("en-US") + " persons" : rows.length.toLocaleString("en-US") + " of " + total.toLocaleString("en-US") + " persons";
    list.scrollTop = 0;
    show();
  }

  const rowHeight = () => parseInt(getComputedStyle(list).getPropertyValue("--row"), 10);

  function show() {
    const height = rowHeight();
    const first = Math.max(0, Math.floor(list.scrollTop / height) - 8);
    const end = Math.min(state.rows.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + 8);
    if (first === state.first && end === state.end) return;
    Object.assign(state, { first, end });
    space.style.height = state.rows.length * height + "px";
    const nodes = [];
    for (let k = first; k < end; k++) {
      const row = element("div", { role: "row", class: "person", "aria-rowindex": k + 2, style: "top:" + k * height + "px" });
      for (const column of COLUMNS) row.append(element("div", { role: "cell", class: column.key + (column.number ? " number" : "") }, column.cell(state.rows[k])));
      nodes.push(row);
    }
    const focused = document.activeElement && document.activeElement.getAttribute("href");
    space.replaceChildren(...nodes);
    if (focused && focused.startsWith("persons/")) {
      const again = space.querySelector('a[href="' + CSS.escape(focused) + '"]');
      if (again) again.focus({ preventScroll: true });
    }
  }

  function sortBy(key, up) {
    Object.assign(state, { sort: key, up });
    document.getElementById("sort").value = key;
    drawHead();
    arrange();
  }

  function drawHead() {
    const head = document.getElementById("head");
    head.replaceChildren();
    for (const column of COLUMNS) {
      const cell = element("div", { role: "columnheader", class: column.key + (column.number ? " number" : "") });
      if (column.sort === null) cell.append(column.name);
      else {
        const active = state.sort === column.key;
        cell.setAttribute("aria-sort", active ? (state.up ? "ascending" : "descending") : "none");
        const button = element("button", { type: "button" }, column.name + (active ? (state.up ? " ▲" : " ▼") : ""));
        button.addEventListener("click", () => {
          sortBy(column.key, active ? !state.up : !column.number);
          head.children[COLUMNS.indexOf(column)].querySelector("button").focus();
        });
        cell.append(button);
      }
      head.append(cell);
    }
  }

  function drawFacts() {
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const readings = sum(data.readings), rejected = sum(data.rejected);
    const rapid = data.user_id.filter((_, i) => FILTERS.rapid.keep(i, 5)).length;
    const alerts = data.user_id.filter((_, i) => FILTERS.alert.keep(i, 0.5)).length;
    const fact = (name, value, more) => element("div", { class: "fact" }, element("span", { class: "name" }, name), element("strong", {}, value), element("span", { class: "more" }, more));
    const text = (n) => n.toLocaleString("en-US");
    document.getElementById("facts").replaceChildren(
      fact("Persons", text(total), newest ? "newest reading " + newest : ""),
      fact("Readings", text(readings), total ? text(Math.round(readings / total)) + " a person" : ""),
      fact("Rejected", readings ? ((rejected / readings) * 100).toFixed(2) + " %" : "–", text(rejected) + " readings"),
      fact("Unusual change", text(alerts), "alerts of the last 30 days"),
      fact("Rapid change", text(rapid), "5 % of weight or more in 30 days"));
  }

  function start() {
    document.getElementById("persons").setAttribute("aria-rowcount", String(total + 1));
    Common.theme(() => {});
    Common.choice(document.getElementById("units"), (unit) => {
      state.unit = unit;
      Common.remember("unit", unit);
      state.first = -1;
      show();
    })(state.unit);
    document.getElementById("search").addEventListener("input", (event) => {
      state.search = event.target.value.trim().toLowerCase();
      arrange();
    });
    const sort = document.getElementById("sort");
    for (const column of COLUMNS) if (column.sort !== null) sort.append(element("option", { value: column.key }, column.name.toLowerCase()));
    sort.addEventListener("change", () => sortBy(sort.value, !COLUMNS.find((c) => c.key === sort.value).number));
    const limit = document.getElementById("limit");
    document.getElementById("filter").addEventListener("change", (event) => {
      state.filter = event.target.value;
      const { label, limit: usual } = FILTERS[state.filter];
      document.getElementById("limit-label").hidden = !label;
      document.querySelector("#limit-label span").textContent = label || "";
      limit.value = state.limit = usual || 0;
      arrange();
    });
    limit.addEventListener("input", () => {
      state.limit = Number(limit.value) || 0;
      arrange();
    });
    list.addEventListener("scroll", show, { passive: true });
    addEventListener("resize", () => {
      state.first = -1;
      show();
    });
    drawFacts();
    drawHead();
    arrange();
    document.documentElement.dataset.ready = "true";
  }

  start();
})();
