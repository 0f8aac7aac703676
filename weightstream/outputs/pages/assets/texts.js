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

  /* Put texts into elements that name a key: what they hold, their label and their title. */
  function fill(document) {
    document.documentElement.lang = wording.language;
    for (const node of document.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
    for (const node of document.querySelectorAll("[data-say-label]")) node.setAttribute("aria-label", say(node.dataset.sayLabel));
    for (const node of document.querySelectorAll("[data-say-title]")) node.setAttribute("title", say(node.dataset.sayTitle));
    for (const node of document.querySelectorAll("[data-say-hint]")) node.setAttribute("placeholder", say(node.dataset.sayHint));
  }

  root.Texts = { say, sayCount, translated, fill, locale: wording.locale };
})(window);
