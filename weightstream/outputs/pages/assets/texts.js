/* What pages say, in the language that was configured: Wording is one of languages/*.json. */
(function (root) {
  "use strict";

  const wording = root.Wording;
  const plural = new Intl.PluralRules(wording.locale);

  /* The text of a key, with values in the place of their {names}. A page of another version may ask
     for what is not there: it shows the key. */
  const say = (key, values = {}) => (wording[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name]);

  /* The same for a number, as the language counts: keys end in .one and .other. */
  function sayCount(key, number, values = {}) {
    const form = `${key}.${plural.select(number)}`;
    return say(form in wording ? form : `${key}.other`, values);
  }

  /* What Python wrote in English, where the language has words of its own for it. */
  const translated = (key, english) => wording[key] ?? english;

  /* For numbers on axes. */
  const parts = new Intl.NumberFormat(wording.locale).formatToParts(12345.6);
  const separator = (type) => parts.find((p) => p.type === type)?.value || "";
  const separators = separator("decimal") + separator("group");

  /* Plotly's settings for the names of months and days. */
  function localOfPlotly() {
    function names(count, options, at) {
      const { format } = new Intl.DateTimeFormat(wording.locale, { ...options, timeZone: "UTC" }); // takes longer to make than to use
      return Array.from({ length: count }, (_, k) => format(at(k)));
    }
    const [month, day] = [(k) => Date.UTC(2024, k, 15), (k) => Date.UTC(2024, 8, 1 + k)]; // 1 September 2024 is a Sunday
    const named = {
      months: names(12, { month: "long" }, month),
      shortMonths: names(12, { month: "short" }, month),
      days: names(7, { weekday: "long" }, day),
      shortDays: names(7, { weekday: "short" }, day),
      date: "%d.%m.%Y",
    };
    return { locale: wording.locale, locales: { [wording.locale]: { dictionary: {}, format: named } } };
  }

  /* Put texts into elements that name a key: what they hold, their label and their title. */
  function fill(document) {
    document.documentElement.lang = wording.language;
    for (const node of document.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
    for (const node of document.querySelectorAll("[data-say-label]")) node.setAttribute("aria-label", say(node.dataset.sayLabel));
    for (const node of document.querySelectorAll("[data-say-title]")) node.setAttribute("title", say(node.dataset.sayTitle));
    for (const node of document.querySelectorAll("[data-say-hint]")) node.setAttribute("placeholder", say(node.dataset.sayHint));
  }

  root.Texts = { say, sayCount, translated, fill, separators, localOfPlotly, locale: wording.locale };
})(window);
