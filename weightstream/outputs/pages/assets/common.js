/* What all pages share: the theme, the unit, and small helpers. Choices are remembered where the
   browser lets a page from disk do so. */
(function (root) {
  "use strict";

  function remembered(key, fallback, allowed) {
    try {
      const value = localStorage.getItem("weightstream." + key);
      return allowed.includes(value) ? value : fallback;
    } catch (error) {
      return fallback; // storage is forbidden for files in some browsers
    }
  }

  function remember(key, value) {
    try {
      localStorage.setItem("weightstream." + key, value);
    } catch (error) {
      /* the choice then lasts as long as the page */
    }
  }

  function systemTheme() {
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.setAttribute("aria-pressed", String(theme === "dark"));
  }

  /* Calls onChange with the theme's name now and whenever it changes. */
  function theme(onChange) {
    const apply = (name) => {
      setTheme(name);
      onChange(name);
    };
    const current = () => remembered("theme", systemTheme(), ["light", "dark"]);
    document.getElementById("theme").addEventListener("click", () => {
      remember("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
      apply(current());
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(current()));
    apply(current());
  }

  /* A row of buttons of which one is pressed. */
  function choice(container, onChoose) {
    const buttons = [...container.querySelectorAll("button")];
    const press = (value) => buttons.forEach((b) => b.setAttribute("aria-pressed", String(b.value === value)));
    buttons.forEach((b) =>
      b.addEventListener("click", () => {
        press(b.value);
        onChoose(b.value);
      }),
    );
    return press;
  }

  function element(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  /* A decorative drawing of one shape: [tag, attributes]. */
  function svg(attributes, [tag, shape]) {
    const make = (name, all) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(all)) node.setAttribute(key, value);
      return node;
    };
    const node = make("svg", { "aria-hidden": "true", ...attributes });
    node.append(make(tag, shape));
    return node;
  }

  function fact(name, value, more, tone) {
    const label = element("span", { class: "name" }, name);
    const below = element("span", { class: "more" }, more || "");
    return element("div", { class: `fact ${tone || ""}` }, label, element("strong", {}, value), below);
  }

  /* A fact that is also a switch. */
  function tile(name, value, more, onPress) {
    const parts = fact(name, value, more).childNodes;
    const node = element("button", { type: "button", class: "fact tile", "aria-pressed": "false" }, ...parts);
    node.addEventListener("click", onPress);
    return node;
  }

  const unit = () => remembered("unit", "kg", ["kg", "lb", "st"]);

  /* The switch of units; calls onChange with the chosen one. */
  function units(onChange) {
    choice(document.getElementById("units"), (chosen) => {
      remember("unit", chosen);
      onChange(chosen);
    })(unit());
  }

  /* A cell that a spreadsheet would take for a formula stays text. */
  function csvLine(cells) {
    const text = (cell) => {
      const plain = String(cell ?? "");
      const safe = typeof cell === "string" && /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
      return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
    };
    return cells.map(text).join(",");
  }

  /* Offer rows, the first of them names, as a file of comma-separated values. */
  function saveTable(name, rows) {
    const blob = new Blob([rows.map(csvLine).join("\r\n")], { type: "text/csv" });
    const link = element("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  /* What a page was made from: the zone of its times, when it was written, by what, in which folder. */
  function about(zone) {
    const written = new Date(document.lastModified);
    const folders = location.pathname.split("/").map(decodeURIComponent);
    const store = folders[folders.lastIndexOf("dashboards") - 1];
    const program = document.querySelector("meta[name=generator]").content;
    const said = [Texts.say("about.zone", { zone }), Texts.say("about.drawn", { when: MOMENT.format(written), program })];
    document.getElementById("about").textContent = [...said, ...(store ? [Texts.say("about.store", { store })] : [])].join(" · ");
  }

  const MOMENT = new Intl.DateTimeFormat(Texts.locale, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

  const data = () => JSON.parse(document.getElementById("data").textContent);

  setTheme(remembered("theme", systemTheme(), ["light", "dark"])); // before the first paint
  root.Common = { theme, choice, element, svg, fact, tile, unit, units, data, about, csvLine, saveTable };
})(window);
