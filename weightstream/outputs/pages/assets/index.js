/* The list of all persons. Only the rows in sight exist in the document, so ten thousand persons
   scroll like ten. */
(function () {
  "use strict";

  const { element } = Common;
  const find = (id) => document.getElementById(id);
  const data = Common.data();
  const total = data.user_id.length;
  const lower = data.user_id.map((id) => id.toLowerCase());
  const newest = data.last.reduce((a, b) => (b && b > a ? b : a), "");
  const SPARK = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
  const OVERSCAN = 8; // rows kept ready above and below what is in sight
  const list = find("list");
  const space = find("space");
  const state = { search: "", filter: "all", limit: 0, sort: "user_id", up: true };
  let unit = Common.unit();
  let rows = [];
  let drawn = "";

  const share = (i) => (data.readings[i] ? data.rejected[i] / data.readings[i] : 0);
  const unseen = (i) => (data.last[i] ? (Date.parse(newest) - Date.parse(data.last[i])) / 86400000 : Infinity);
  const changed = (i) => {
    const kg = data.change_30d_kg[i];
    return kg === null ? null : kg / (data.level_kg[i] - kg);
  };
  const count = (number) => number.toLocaleString("en-US");

  const FILTERS = {
    all: { keep: () => true },
    alert: { label: "from, probability", limit: 0.5, keep: (i, n) => data.alert[i] !== null && data.alert[i][3] >= n },
    rapid: { label: "from, % of weight in 30 days", limit: 5, keep: (i, n) => Math.abs(changed(i) || 0) * 100 >= n },
    rejected: { label: "from, % of readings", limit: 5, keep: (i, n) => data.rejected[i] > 0 && share(i) * 100 >= n },
    uncertain: { label: "from, readings", limit: 1, keep: (i, n) => data.uncertain[i] >= n },
    unseen: { label: "days before the newest reading", limit: 30, keep: (i, n) => unseen(i) >= n },
  };

  const delta = (kg, digits) => Words.change(kg, unit, digits).replace(/ .*/, ""); // the head names the unit

  function badge([kind, days, kg, p]) {
    const unconfirmed = kind === "unconfirmed";
    const title = `${unconfirmed ? "unconfirmed reading" : "unusual change"}, probability ${Words.probability(p)}`;
    const moved = `${delta(kg, 1)} in ${Math.max(1, days)} d${unconfirmed ? "?" : ""}`;
    return element("span", { class: "badge", title }, moved, element("span", { class: "p" }, ` · p ${Words.probability(p)}`));
  }

  function personCell(i) {
    const href = `persons/${encodeURIComponent(data.page[i])}`;
    const link = element("a", { href }, data.user_id[i].trim() || "(empty id)");
    return element("span", {}, link, data.alert[i] ? badge(data.alert[i]) : "");
  }

  function changeCell(i) {
    if (changed(i) === null) return "–";
    return `${delta(data.change_30d_kg[i], 1)} (${Math.abs(changed(i) * 100).toFixed(1)} %)`;
  }

  function sparkline(text) {
    const points = [...text].map((c, i) => `${i * 4},${(25 - (SPARK.indexOf(c) / 63) * 24).toFixed(1)}`).join(" ");
    const box = { viewBox: `0 0 ${Math.max(1, text.length - 1) * 4} 26`, preserveAspectRatio: "none" };
    return Common.svg(box, ["polyline", { points }]);
  }

  const COLUMNS = [
    { key: "user_id", name: "Person", cell: personCell },
    { key: "spark", name: "Last year", unsorted: true, cell: (i) => sparkline(data.spark[i]) },
    { key: "level_kg", name: "Level", number: true, cell: (i) => Words.weight(data.level_kg[i], unit) },
    { key: "rate_kg_per_week", name: "Per week", number: true, cell: (i) => delta(data.rate_kg_per_week[i], 2) },
    { key: "change_30d_kg", name: "30 days", number: true, value: changed, cell: changeCell },
    { key: "last", name: "Last reading", cell: (i) => data.last[i] || "–" },
    { key: "readings", name: "Readings", number: true, cell: (i) => count(data.readings[i]) },
    {
      key: "rejected",
      name: "Rejected",
      number: true,
      value: share,
      cell: (i) => (data.rejected[i] ? `${data.rejected[i]} (${(share(i) * 100).toFixed(0)} %)` : "0"),
    },
  ];

  const cellClass = (column) => column.key + (column.number ? " number" : "");

  /* Those without a value stay last, whichever way the list is sorted. */
  function order(column, up) {
    const value = column.value || ((i) => data[column.key][i]);
    return (a, b) => {
      const x = value(a);
      const y = value(b);
      if (x === y) return a - b;
      if (x === null) return 1;
      if (y === null) return -1;
      return x < y === up ? -1 : 1;
    };
  }

  function arrange() {
    const { keep } = FILTERS[state.filter];
    const all = Array.from({ length: total }, (_, i) => i);
    rows = all.filter((i) => lower[i].includes(state.search) && keep(i, state.limit));
    rows.sort(
      order(
        COLUMNS.find((column) => column.key === state.sort),
        state.up,
      ),
    );
    find("count").textContent =
      rows.length === total ? `${count(total)} persons` : `${count(rows.length)} of ${count(total)} persons`;
    list.scrollTop = 0;
    show(true);
  }

  function row(k, height) {
    const attributes = { role: "row", class: "person", "aria-rowindex": k + 2, style: `top:${k * height}px` };
    const cells = COLUMNS.map((column) =>
      element("div", { role: "cell", class: cellClass(column) }, column.cell(rows[k])),
    );
    return element("div", attributes, ...cells);
  }

  /* Draw the rows in sight; the focus stays on the person that has it. */
  function show(anew) {
    const height = parseInt(getComputedStyle(list).getPropertyValue("--row"), 10);
    const first = Math.max(0, Math.floor(list.scrollTop / height) - OVERSCAN);
    const end = Math.min(rows.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + OVERSCAN);
    if (!anew && drawn === `${first}-${end}`) return;
    drawn = `${first}-${end}`;
    const focused = space.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    space.style.height = `${rows.length * height}px`;
    space.replaceChildren(...Array.from({ length: end - first }, (_, k) => row(first + k, height)));
    const again = focused && space.querySelector(`a[href="${CSS.escape(focused)}"]`);
    if (again) again.focus({ preventScroll: true });
  }

  function sortBy(key, up) {
    Object.assign(state, { sort: key, up });
    find("sort").value = key;
    drawHead();
    arrange();
  }

  function headCell(column) {
    const cell = element("div", { role: "columnheader", class: cellClass(column) });
    if (column.unsorted) {
      cell.append(column.name);
      return cell;
    }
    const active = state.sort === column.key;
    const arrow = state.up ? " ▲" : " ▼";
    const button = element("button", { type: "button" }, column.name + (active ? arrow : ""));
    cell.setAttribute("aria-sort", active ? (state.up ? "ascending" : "descending") : "none");
    cell.append(button);
    button.addEventListener("click", () => {
      sortBy(column.key, active ? !state.up : !column.number);
      find("head").querySelector(`.${column.key} button`).focus();
    });
    return cell;
  }

  const drawHead = () => find("head").replaceChildren(...COLUMNS.map(headCell));

  function drawFacts() {
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const readings = sum(data.readings);
    const rejected = sum(data.rejected);
    const among = (filter) => count(rows.filter((i) => filter.keep(i, filter.limit)).length);
    find("facts").replaceChildren(
      Common.fact("Persons", count(total), newest ? `newest reading ${newest}` : ""),
      Common.fact("Readings", count(readings), total ? `${count(Math.round(readings / total))} a person` : ""),
      Common.fact("Rejected", readings ? Words.percent(rejected / readings) : "–", `${count(rejected)} readings`),
      Common.fact("Unusual change", among(FILTERS.alert), "alerts of the last 30 days"),
      Common.fact("Rapid change", among(FILTERS.rapid), "5 % of weight or more in 30 days"),
    );
  }

  function chooseFilter(name) {
    const { label, limit } = FILTERS[name];
    Object.assign(state, { filter: name, limit: limit || 0 });
    find("limit-label").hidden = !label;
    document.querySelector("#limit-label span").textContent = label || "";
    find("limit").value = state.limit;
    arrange();
  }

  function listen() {
    find("search").addEventListener("input", (event) => {
      state.search = event.target.value.trim().toLowerCase();
      arrange();
    });
    find("filter").addEventListener("change", (event) => chooseFilter(event.target.value));
    find("limit").addEventListener("input", (event) => {
      state.limit = Number(event.target.value) || 0;
      arrange();
    });
    find("sort").addEventListener("change", (event) => {
      const column = COLUMNS.find((c) => c.key === event.target.value);
      sortBy(column.key, !column.number);
    });
    list.addEventListener("scroll", () => show(false), { passive: true });
    addEventListener("resize", () => show(true));
  }

  function start() {
    find("persons").setAttribute("aria-rowcount", total + 1);
    const sortable = COLUMNS.filter((column) => !column.unsorted);
    find("sort").append(...sortable.map((c) => element("option", { value: c.key }, c.name.toLowerCase())));
    Common.theme(() => {});
    Common.units((chosen) => {
      unit = chosen;
      show(true);
    });
    listen();
    drawHead();
    arrange();
    drawFacts();
    document.documentElement.dataset.ready = "true";
  }

  start();
})();
