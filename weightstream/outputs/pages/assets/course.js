/* Lines of a person's chart with their intervals: the level, swelling between readings by what is not
   known there, and the change over four weeks as a weekly rate. */
(function (root) {
  "use strict";

  const { DAY } = Columns;
  const LINE = { type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false };
  const WEEKS = 4; // over which the rate is taken
  const CROWD = 1500; // so many points at once cover each other
  const PIXELS = 1000; // about a chart's width

  /* Stretches of readings that no level shift parts; in each, what is drawn: {ms, mid, lo, hi, gap}.
     fill(a, b): what is known between two readings, or nothing where a line says it. */
  function stretches(data, { start, end }, { mid, lo, hi, fill, parted }) {
    const [steps, gaps] = [new Set(data.steps), new Set(data.gaps)];
    const found = [];
    let before = -1;
    for (let i = start; i <= end; i++) {
      if (mid[i] === null) continue;
      const gap = gaps.has(i);
      if (before < 0 || steps.has(i) || (gap && parted)) found.push([]);
      else found.at(-1).push(...fill(before, i).map((point) => ({ ...point, gap })));
      found.at(-1).push({ ms: data.ms[i], mid: mid[i], lo: lo[i], hi: hi[i], gap });
      before = i;
    }
    return found;
  }

  /* A line with its interval as a ground, dotted over gaps. Returns [ground, dots, line]. */
  function course(parts, scale, { axis, fill, color, width, name }) {
    const line = { x: [], y: [] };
    const ground = { x: [], y: [] };
    const dots = { x: [], y: [] };
    const add = (to, points, key) => {
      for (const point of points) {
        to.x.push(point.ms);
        to.y.push(point[key] * scale);
      }
    };
    const lift = (to) => (to.x.push(null), to.y.push(null));
    for (const part of parts) {
      part.forEach((point, k) => {
        if (k && point.gap) {
          add(dots, part.slice(k - 1, k + 1), "mid");
          lift(dots);
          lift(line);
        }
        if (!point.gap || k + 1 === part.length || !part[k + 1].gap) add(line, [point], "mid");
      });
      lift(line);
      const known = part.filter((point) => point.lo !== null);
      add(ground, known, "hi");
      add(ground, known.reverse(), "lo");
      lift(ground);
    }
    return [
      { ...LINE, ...ground, yaxis: axis, fill: "toself", fillcolor: fill, line: { width: 0 } },
      { ...LINE, ...dots, yaxis: axis, line: { color, width: 1.2, dash: "dot" } },
      { ...LINE, ...line, yaxis: axis, line: { color, width }, name, showlegend: Boolean(name) },
    ];
  }

  /* Close to the readings, where what is known falls off most. */
  const HALF = [0.002, 0.01, 0.03, 0.08, 0.2, 0.35];
  const SHARES = [...HALF, 0.5, ...HALF.map((share) => 1 - share).reverse()];

  /* Points between two readings where the level is notably less known than at them. */
  function filled(data, a, b) {
    if (!data.moved || data.ms[b] - data.ms[a] < 2 * DAY || Columns.between(data, a, b, 0.5).wider < 1.1) return [];
    return SHARES.map((share) => Columns.between(data, a, b, share));
  }

  function levelTraces(data, sight) {
    const { theme, scale } = sight;
    const estimates = { mid: data.level, lo: data.level_lo, hi: data.level_hi, parted: false };
    const parts = stretches(data, sight, { ...estimates, fill: (i, k) => filled(data, i, k) });
    const style = { axis: "y", fill: theme.band, color: theme.ink, width: 2.4, name: Texts.say("legend.level.interval") };
    return course(thinned(parts, sight), scale, style);
  }

  /* The change over four weeks, as a weekly rate. */
  function rateTraces(data, sight) {
    const { theme, rateScale } = sight;
    const estimates = { mid: data.change, lo: data.change_lo, hi: data.change_hi };
    const parts = stretches(data, sight, { ...estimates, fill: () => [], parted: true });
    const style = { axis: "y2", fill: theme.rateBand, color: theme.rate, width: 1.8, name: "" };
    return course(thinned(parts, sight), rateScale / WEEKS, style);
  }

  /* Of many points on one line, the outermost of each part of a pixel. */
  function thinned(parts, { from, to }) {
    const total = parts.reduce((sum, part) => sum + part.length, 0);
    if (total < CROWD) return parts;
    const width = (to - from) / (PIXELS / 2);
    return parts.map((part) => {
      const cells = new Map();
      part.forEach((point, k) => {
        const cell = Math.floor(point.ms / width);
        const seen = cells.get(cell) || { low: k, high: k, first: k };
        if (point.mid < part[seen.low].mid) seen.low = k;
        if (point.mid > part[seen.high].mid) seen.high = k;
        cells.set(cell, { ...seen, last: k });
      });
      const kept = new Set([...cells.values()].flatMap(({ low, high, first, last }) => [low, high, first, last]));
      return part.filter((point, k) => kept.has(k) || point.gap);
    });
  }

  root.Course = { LINE, WEEKS, CROWD, PIXELS, levelTraces, rateTraces };
})(window);
