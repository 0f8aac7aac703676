/* What of a source's weeks a chart can show, and that chart for Plotly. */
(function (root) {
  "use strict";

  const ALL = "\u0000all"; // no source is called so: the reader of files takes no such character

  /* The rows of one source, or of all, by week and in its order. Rows without a week are left out. */
  function byWeek(data, source) {
    const weeks = new Map();
    data.weeks.week.forEach((week, i) => {
      if (week === null || (source !== ALL && data.weeks.source[i] !== source)) return;
      weeks.set(week, [...(weeks.get(week) || []), i]);
    });
    return [...weeks].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  const sum = (data, rows, name) => rows.reduce((total, i) => total + (data.weeks[name] ? data.weeks[name][i] : 0), 0);

  const ratio = (part, whole) => (whole ? part / whole : null);

  /* Mean of a column, each row with the readings that it is of. */
  function mean(data, rows, name) {
    const known = rows.filter((i) => data.weeks[name][i] !== null);
    const weighted = known.reduce((total, i) => total + data.weeks[name][i] * data.weeks.compared[i], 0);
    return ratio(weighted, sum(data, known, "compared"));
  }

  const reasons = (data, outcome) =>
    Object.keys(data.weeks)
      .filter((name) => name.startsWith(`${outcome}.`))
      .sort((a, b) => sum(data, [...data.weeks.week.keys()], b) - sum(data, [...data.weeks.week.keys()], a));

  const counts = (data, names) => names.map((name) => [name.split(".")[1], (rows) => sum(data, rows, name)]);

  const MEASURES = {
    rows: {
      name: "rows",
      stacked: true,
      series: (data) => [
        ["accepted", (rows) => sum(data, rows, "readings") - sum(data, rows, "rejected") - sum(data, rows, "copies")],
        ["copies", (rows) => sum(data, rows, "copies")],
        ["rejected", (rows) => sum(data, rows, "rejected")],
        ["quarantined", (rows) => sum(data, rows, "quarantined")],
      ],
    },
    rejected: { name: "rejected, by reason", stacked: true, series: (data) => counts(data, reasons(data, "rejected").filter((name) => name !== "rejected.repeat")) },
    quarantined: {
      name: "quarantined, by reason",
      stacked: true,
      series: (data) => counts(data, reasons(data, "quarantined")),
    },
    rejected_share: {
      name: "share rejected",
      percent: true,
      series: (data) => [["rejected", (rows) => ratio(sum(data, rows, "rejected"), sum(data, rows, "readings") - sum(data, rows, "copies"))]],
    },
    quarantined_share: {
      name: "share quarantined",
      percent: true,
      series: (data) => [
        [
          "quarantined",
          (rows) =>
            ratio(sum(data, rows, "quarantined"), sum(data, rows, "readings") + sum(data, rows, "quarantined")),
        ],
      ],
    },
    coverage: {
      name: "share inside the 50 % and 95 % intervals",
      percent: true,
      goals: [0.5, 0.95],
      series: (data) => [
        ["inside 95 %", (rows) => mean(data, rows, "coverage_95")],
        ["inside 50 %", (rows) => mean(data, rows, "coverage_50")],
      ],
    },
    difference: {
      name: "accepted less expected, kg",
      goals: [0],
      series: (data) => [["difference", (rows) => mean(data, rows, "difference_kg")]],
    },
  };

  /* {x: weeks, series: [name, values]} of a measure. */
  function table(data, source, key) {
    const weeks = byWeek(data, source);
    const series = MEASURES[key].series(data).map(([name, value]) => [name, weeks.map(([, rows]) => value(rows))]);
    const told = (v) => v !== null && !(MEASURES[key].stacked && v === 0);
    return { x: weeks.map(([week]) => week), series: series.filter(([, values]) => values.some(told)) };
  }

  function layout(theme, measure, series) {
    const axis = { gridcolor: theme.grid, zerolinecolor: theme.muted, linecolor: theme.grid, automargin: true };
    Object.assign(axis, { tickfont: { color: theme.muted } });
    const line = { color: theme.muted, width: 1.2, dash: "dot" };
    const goal = (y) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line });
    return {
      paper_bgcolor: theme.paper,
      plot_bgcolor: theme.paper,
      font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", size: 13, color: theme.ink },
      margin: { l: 46, r: 10, t: 10, b: 30 },
      barmode: "stack",
      bargap: 0.1,
      hovermode: "x unified",
      hoverlabel: { bgcolor: theme.paper, bordercolor: theme.muted, font: { color: theme.ink } },
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      showlegend: series.length > 1,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      shapes: (measure.goals || []).map(goal),
      xaxis: { ...axis, type: "date", showgrid: false },
      yaxis: { ...axis, fixedrange: true, rangemode: measure.goals ? "normal" : "tozero", tickformat: measure.percent ? ".0%" : "" },
    };
  }

  /* {data, layout} for Plotly. */
  function figure(data, source, key, theme) {
    const measure = MEASURES[key];
    const { x, series } = table(data, source, key);
    const colors = [...theme.sources, theme.rejected, theme.hint, theme.alert, theme.rate];
    const traces = series.map(([name, y], k) => {
      const color = name === "rejected" ? theme.rejected : colors[k % colors.length];
      if (measure.stacked) return { type: "bar", name, x, y, marker: { color }, xperiod: 604800000, xperiodalignment: "start" };
      const symbol = ["circle", "square"][k];
      return { type: "scatter", mode: "lines+markers", name, x, y, line: { color, width: 1.4 }, marker: { color, symbol, size: 5 } };
    });
    return { data: traces, layout: layout(theme, measure, series) };
  }

  root.Weeks = { ALL, MEASURES, table, figure };
})(window);
