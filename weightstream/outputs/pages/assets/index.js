/* The list of all persons. Only the rows in sight exist in the document, so ten thousand persons
   scroll like ten. What is searched, filtered and sorted stands in the address. */
(function () {
  "use strict";

  const { element } = Common;
  const { say, sayCount } = Texts;
  const find = (id) => document.getElementById(id);
  const data = Common.data();
  const total = data.user_id.length;
  const lower = data.user_id.map((id) => id.toLowerCase());
  const newest = data.last.reduce((a, b) => (b && b > a ? b : a), "");
  const SPARK = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
  const OVERSCAN = 8; // rows kept ready above and below what is in sight
  const RECENT = 30; // days before the newest reading of all in which an alert is recent
  const list = find("list");
  const space = find("space");
  const START = { search: "", filter: "all", limit: 0, sort: "user_id", up: true };
  const state = { ...START };
  let unit = Common.unit();
  let rows = [];
  let drawn = "";

  /* "P2" comes before "P10". */
  const natural = new Intl.Collator("en", { numeric: true });
  const rank = Array.from({ length: total }, (_, i) => i)
    .sort((a, b) => natural.compare(data.user_id[a], data.user_id[b]) || a - b)
    .reduce((ranks, i, k) => ((ranks[i] = k), ranks), new Array(total));

  const daysBefore = (day) => (day ? (Date.parse(newest) - Date.parse(day)) / 86400000 : Infinity);
  const errors = (i) => data.readings[i] - data.copies[i];
  const share = (i) => (errors(i) ? data.rejected[i] / errors(i) : 0);
  const recent = (i) => (data.alert[i] && daysBefore(data.alert[i][4]) <= RECENT ? data.alert[i] : null);
  const changed = (i) => {
    const kg = data.change_28d_kg[i];
    return kg === null ? null : kg / (data.level_kg[i] - kg);
  };
  const { count } = Words;

  const FILTERS = {
    all: { name: say("filter.all"), keep: () => true },
    alert: { name: say("filter.alert"), label: say("filter.alert.limit"), limit: 0, keep: (i, n) => recent(i) !== null && recent(i)[3] >= n },
    rapid: { name: say("filter.rapid"), label: say("filter.rapid.limit"), limit: 5, keep: (i, n) => Math.abs(changed(i) || 0) * 100 >= n },
    losing: { name: say("filter.losing"), keep: (i) => data.direction[i] === "losing" },
    gaining: { name: say("filter.gaining"), keep: (i) => data.direction[i] === "gaining" },
    rejected: { name: say("filter.rejected"), label: say("filter.rejected.limit"), limit: 5, keep: (i, n) => data.rejected[i] > 0 && share(i) * 100 >= n },
    uncertain: { name: say("filter.uncertain"), label: say("filter.uncertain.limit"), limit: 1, keep: (i, n) => data.uncertain[i] >= n },
    shared: { name: say("filter.shared"), keep: (i) => data.shared[i] !== null },
    unseen: { name: say("filter.unseen"), label: say("filter.unseen.limit"), limit: 30, keep: (i, n) => daysBefore(data.last[i]) >= n },
  };

  const changeUnit = () => Words.changeUnit(unit);
  const delta = (kg, digits) => Words.signed(kg * Words.UNITS[changeUnit()], digits); // the head names the unit

  function sharedBadge(i) {
    if (!data.shared[i]) return "";
    const [first, second, own, others] = data.shared[i];
    const share = (count) => Words.wholePercent(count / (own + others));
    const [a, b] = [first, second].map((kg) => Words.weight(kg, unit));
    const title = say("list.shared.title", { a, b, own: share(own), others: share(others) });
    return element("span", { class: "badge shared", title }, say("list.shared", { a, b }));
  }

  function alertCell(i) {
    const alert = recent(i);
    if (!alert) return sharedBadge(i);
    const [kind, days, kg, p, , status] = alert;
    const moved = say("list.moved", { kg: Words.change(kg, unit), days: Math.max(1, days) });
    const told = { kind: say(`alert.${kind}`), moved, until: Words.date(Date.parse(alert[4])), p: Words.probability(p) };
    const title = say("list.alert.title", told);
    return element("span", { class: `badge ${status}`, title: status === "new" ? title : `${title}; ${say(`list.${status}`)}` }, `${say(`list.${kind}`)} ${moved}`, element("span", { class: "p" }, ` · p ${Words.probability(p)}`));
  }

  function personCell(i) {
    const href = `persons/${encodeURIComponent(data.page[i])}`;
    return element("a", { href }, element("bdi", {}, data.user_id[i].trim() || say("list.empty")));
  }

  function changeCell(i) {
    if (changed(i) === null) return "–";
    const clear = data.change_28d_lo_kg[i] > 0 || data.change_28d_hi_kg[i] < 0;
    const title = `95 %: ${Words.changeBetween(data.change_28d_lo_kg[i], data.change_28d_hi_kg[i], unit)}`;
    const text = `${delta(data.change_28d_kg[i], 1)} (${Words.signedPercent(changed(i))})`;
    return element("span", { title, class: clear ? "" : "unclear" }, text);
  }

  function sparkline(text) {
    const points = [...text].map((c, i) => `${i * 4},${(25 - (SPARK.indexOf(c) / 63) * 24).toFixed(1)}`).join(" ");
    const box = { viewBox: `0 0 ${Math.max(1, text.length - 1) * 4} 26`, preserveAspectRatio: "none" };
    return Common.svg(box, ["polyline", { points }]);
  }

  const COLUMNS = [
    { key: "user_id", name: () => say("list.person"), value: (i) => rank[i], cell: personCell },
    { key: "alert", name: () => say("list.alert"), down: true, value: (i) => (recent(i) ? recent(i)[3] : null), cell: alertCell },
    { key: "spark", name: () => say("list.year"), unsorted: true, cell: (i) => sparkline(data.spark[i]) },
    { key: "level_kg", name: () => say("level"), number: true, cell: (i) => Words.weight(data.level_kg[i], unit) },
    { key: "change_28d_kg", name: () => say("list.weeks", { unit: changeUnit() }), number: true, value: changed, cell: changeCell },
    { key: "last", name: () => say("fact.last"), cell: (i) => (data.last[i] ? Words.date(Date.parse(data.last[i])) : "–") },
    { key: "readings", name: () => say("fact.readings"), number: true, cell: (i) => count(data.readings[i]) },
    {
      key: "rejected",
      name: () => say("list.rejected"),
      number: true,
      value: share,
      cell: (i) => (data.rejected[i] ? `${data.rejected[i]} (${Words.fixed(share(i) * 100, 0)} %)` : "0"),
    },
  ];

  const cellClass = (column) => column.key + (column.number ? " number" : "");

  /* Those without a value stay last, whichever way the list is sorted. */
  function order(column, up) {
    const value = column.value || ((i) => data[column.key][i]);
    return (a, b) => {
      const x = value(a);
      const y = value(b);
      if (x === y) return rank[a] - rank[b];
      if (x === null) return 1;
      if (y === null) return -1;
      return x < y === up ? -1 : 1;
    };
  }

  /* Show what state says; all who see the state say it. */
  function arrange() {
    const { keep } = FILTERS[state.filter];
    const all = Array.from({ length: total }, (_, i) => i);
    rows = all.filter((i) => lower[i].includes(state.search.trim().toLowerCase()) && keep(i, state.limit));
    const column = COLUMNS.find(({ key }) => key === state.sort);
    rows.sort(order(column, state.up));
    const whole = rows.length === total;
    find("count").textContent = whole ? sayCount("list.count", total, { total: count(total) }) : sayCount("list.some", total, { some: count(rows.length), total: count(total) });
    find("persons").setAttribute("aria-rowcount", String(rows.length + 1));
    find("empty").textContent = rows.length ? "" : say(total ? "list.none" : "list.nobody");
    list.scrollTop = 0;
    show(true);
    remember();
  }

  function remember() {
    const changedState = Object.entries(state).filter(([key, value]) => value !== START[key]);
    const text = new URLSearchParams(changedState.map(([key, value]) => [key, String(value)])).toString();
    if (text !== location.hash.slice(1)) history.replaceState(null, "", text ? `#${text}` : location.pathname);
  }

  /* What the address says; anything else in it counts for nothing. */
  function recall() {
    const said = new URLSearchParams(location.hash.slice(1));
    const one = (key, allowed) => (allowed.includes(said.get(key)) ? said.get(key) : START[key]);
    const filter = one("filter", Object.keys(FILTERS));
    const given = said.has("limit") ? Number(said.get("limit")) : NaN;
    const limit = isFinite(given) ? given : FILTERS[filter].limit || 0;
    const sort = one("sort", COLUMNS.filter((column) => !column.unsorted).map(({ key }) => key));
    Object.assign(state, { search: said.get("search") || "", filter, limit, sort, up: said.get("up") !== "false" });
  }

  /* Every control shows the state. */
  function drawControls() {
    const { label } = FILTERS[state.filter];
    find("search").value = state.search;
    find("filter").value = state.filter;
    find("sort").value = state.sort;
    find("limit-label").hidden = !label;
    document.querySelector("#limit-label span").textContent = label || "";
    find("limit").value = String(state.limit);
    for (const tile of find("facts").querySelectorAll("[data-filter]"))
      tile.setAttribute("aria-pressed", String(tile.dataset.filter === state.filter));
    drawHead();
  }

  function drawState() {
    drawControls();
    arrange();
  }

  function row(k, height) {
    const attributes = { role: "row", class: "person", "aria-rowindex": k + 2, style: `top:${k * height}px` };
    const cells = COLUMNS.map((column) =>
      element("div", { role: "cell", class: cellClass(column) }, column.cell(rows[k])),
    );
    return element("div", attributes, ...cells);
  }

  /* Draw the rows in sight, or on paper all; the focus stays on the person that has it. */
  function show(anew, all) {
    const height = parseInt(getComputedStyle(list).getPropertyValue("--row"), 10);
    const first = all ? 0 : Math.max(0, Math.floor(list.scrollTop / height) - OVERSCAN);
    const last = Math.ceil((list.scrollTop + list.clientHeight) / height) + OVERSCAN;
    const end = all ? rows.length : Math.min(rows.length, last);
    if (!anew && drawn === `${first}-${end}`) return;
    drawn = `${first}-${end}`;
    const focused = space.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    space.style.height = `${rows.length * height}px`;
    space.replaceChildren(...Array.from({ length: end - first }, (_, k) => row(first + k, height)));
    const again = focused && space.querySelector(`a[href="${CSS.escape(focused)}"]`);
    if (again) again.focus({ preventScroll: true });
  }

  function headCell(column) {
    const cell = element("div", { role: "columnheader", class: cellClass(column) });
    if (column.unsorted) {
      cell.append(column.name());
      return cell;
    }
    const active = state.sort === column.key;
    const arrow = state.up ? " ▲" : " ▼";
    const button = element("button", { type: "button" }, column.name() + (active ? arrow : ""));
    cell.setAttribute("aria-sort", active ? (state.up ? "ascending" : "descending") : "none");
    cell.append(button);
    button.addEventListener("click", () => {
      Object.assign(state, { sort: column.key, up: active ? !state.up : firstUp(column) });
      drawState();
      find("head").querySelector(`.${column.key} button`).focus();
    });
    return cell;
  }

  const firstUp = (column) => !column.number && !column.down;

  const drawHead = () => find("head").replaceChildren(...COLUMNS.map(headCell));

  /* How many a filter keeps, as a switch of it. */
  function filterTile(name, title, more) {
    const { keep, limit } = FILTERS[name];
    const among = data.user_id.filter((_, i) => keep(i, limit || 0)).length;
    const tile = Common.tile(title, count(among), more, () => chooseFilter(state.filter === name ? "all" : name));
    tile.dataset.filter = name;
    return tile;
  }

  function drawFacts() {
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const [readings, rejected, copies] = [data.readings, data.rejected, data.copies].map(sum);
    const among = readings - copies ? Words.percent(rejected / (readings - copies)) : "–";
    const of = say(copies ? "tile.readings.copies" : "tile.readings", { readings: count(readings), copies: count(copies) });
    const day = newest ? say("tile.newest", { day: Words.date(Date.parse(newest)) }) : "";
    find("facts").replaceChildren(
      filterTile("all", say("tile.all"), of + day),
      filterTile("alert", say("tile.alert"), say("tile.alert.more", { days: RECENT })),
      filterTile("rapid", say("tile.rapid"), say("tile.rapid.more")),
      filterTile("losing", say("direction.losing"), say("tile.clearly")),
      filterTile("gaining", say("direction.gaining"), say("tile.clearly")),
      filterTile("unseen", say("tile.unseen"), say("tile.unseen.more")),
      filterTile("shared", say("tile.shared"), say("tile.shared.more")),
      filterTile("rejected", say("tile.rejected"), say("tile.rejected.more", { share: among })),
    );
  }

  function chooseFilter(name) {
    Object.assign(state, { filter: name, limit: FILTERS[name].limit || 0 });
    drawState();
  }

  function saveTable() {
    const names = ["user_id", "last", "level_kg", "change_28d_kg", "change_28d_lo_kg", "change_28d_hi_kg", "direction", "readings", "rejected", "copies"];
    const alert = ["alert", "alert_days", "alert_kg", "alert_probability", "alert_until", "alert_status"];
    const lines = rows.map((i) => [...names.map((name) => data[name][i]), ...(recent(i) || alert.map(() => "")).slice(0, alert.length)]);
    Common.saveTable("persons.csv", [[...names, ...alert], ...lines]);
  }

  function listen() {
    find("search").addEventListener("input", (event) => {
      state.search = event.target.value;
      arrange();
    });
    find("filter").addEventListener("change", (event) => chooseFilter(event.target.value));
    find("limit").addEventListener("input", (event) => {
      state.limit = Number(event.target.value) || 0;
      arrange();
    });
    find("sort").addEventListener("change", (event) => {
      const column = COLUMNS.find((c) => c.key === event.target.value);
      Object.assign(state, { sort: column.key, up: firstUp(column) });
      drawState();
    });
    find("csv").addEventListener("click", saveTable);
    list.addEventListener("scroll", () => show(false), { passive: true });
    addEventListener("resize", () => show(true));
    addEventListener("beforeprint", () => show(true, true));
    addEventListener("afterprint", () => show(true));
    const again = () => (recall(), drawState());
    addEventListener("hashchange", again);
    addEventListener("pageshow", drawControls); // a browser that goes back fills in what it remembers
  }

  function start() {
    const sortable = COLUMNS.filter((column) => !column.unsorted);
    find("sort").append(...sortable.map((c) => element("option", { value: c.key }, c.name())));
    find("filter").append(...Object.entries(FILTERS).map(([value, { name }]) => element("option", { value }, name)));
    Texts.fill(document);
    Common.about("UTC");
    drawFacts();
    recall();
    Common.theme(() => {});
    Common.units((chosen) => {
      unit = chosen;
      drawState();
    });
    drawState();
    listen();
    document.documentElement.dataset.ready = "true";
  }

  start();
})();
