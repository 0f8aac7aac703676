/* Loaded into kaleido's page: draws persons' columns with figure.js, so that a picture shows what
   the page shows. Several persons travel as layout.weightstream of one figure and come back as one
   text, since kaleido loads its page anew after each figure, which takes longer than drawing. */
(function () {
  "use strict";
  const toImage = Plotly.toImage;
  const local = Texts.localOfPlotly();

  function draw(person, size, config) {
    const { data, layout } = Figure.build(Columns.prepare(person), { ...Figure.defaultView(), allHints: true });
    const name = person.user.length > 60 ? person.user.slice(0, 59) + "…" : person.user;
    layout.title = { text: Words.escape(Words.isolate(name)), font: { size: 17 }, x: 0.01, xanchor: "left" };
    layout.margin = { ...layout.margin, t: 62, b: 70 };
    layout.showlegend = true;
    layout.legend = { orientation: "h", x: 0, y: -0.1, yanchor: "top", font: { size: 12 } };
    return toImage({ data, layout, config: { ...config, ...local } }, { ...size, format: "png", imageDataOnly: true });
  }

  /* Resolves to the JSON of one {png} or {error} a person. */
  Plotly.toImage = async (figure, options) => {
    const asked = figure.layout && figure.layout.weightstream;
    if (!asked) return toImage(figure, options);
    const size = { width: options.width, height: options.height, scale: options.scale };
    const drawn = [];
    for (const person of asked) {
      try {
        drawn.push({ png: await draw(person, size, figure.config) });
      } catch (error) {
        drawn.push({ error: String((error && error.message) || error) });
      }
    }
    return JSON.stringify(drawn);
  };
})();
