// Small charts as SVG. Colours are classes of the style sheet, so that they follow light, dark and print.

const COLOURS = 8;
const CURVES = ["val_top1", "train_top1", "val_loss", "train_loss"]; // of the built-in trainer, in this order

/** What a trainer declares of a metric; of a column of a curve that is none, its name. */
const metric = (name) => CONTENT.metrics[name] || { label: name, factor: 1, unit: "", apart: "", places: 4 };

/** The metrics that runs have, those that arms are chosen by first; losses of the built-in trainer are curves alone. */
const scores = (runs) => {
  const built_in = ["val_top1", "best_val_top1", "test_top1", "train_top1"];
  const own = Object.keys(CONTENT.metrics).filter((name) => CONTENT.metrics[name].own);
  return [...built_in, ...own].filter((name) => runs.some((run) => run[name] !== undefined));
};

/** A run's metric as it is shown. */
const score = (run, name) => {
  const { factor, unit, places } = metric(name);
  if (run[name] === undefined) return "";
  return `${(factor * run[name]).toFixed(unit === "%" ? 2 : places)}${unit && ` ${unit}`}`;
};

/** Round numbers from `low` to `high`, about `count` of them. */
function ticks(low, high, count = 5) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step)
    found.push(Number(value.toPrecision(12)));
  return found;
}

const number = (value) =>
  (Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3)
    ? value.toExponential(1)
    : String(Number(value.toPrecision(4)))
  ).replace("-", "−");

/**
 * Lines over epochs.
 * @param series [{name, colour, x, y}], where y may have nulls; equal names are one entry of the legend.
 */
function lines(series, measure) {
  const { factor, label: named } = metric(measure);
  const shown = series
    .map((one) => ({
      ...one,
      points: one.x
        .map((x, i) => [x, one.y[i]])
        .filter(([, y]) => y !== null && y !== undefined)
        .map(([x, y]) => [x, y * factor]),
    }))
    .filter((one) => one.points.length);
  if (!shown.length) return h("p", { class: "quiet" }, "No curve: no run of these left one.");
  const xs = shown.flatMap((one) => one.points.map(([x]) => x));
  const ys = shown.flatMap((one) => one.points.map(([, y]) => y));
  const [left, right, top, bottom, wide, high] = [44, 10, 8, 34, 560, 240];
  const [x0, x1] = [Math.min(...xs, 1), Math.max(...xs, 2)];
  const [low, top1] = [Math.min(...ys), Math.max(...ys)];
  const [y0, y1] = [low - (top1 - low || 1) * 0.04, top1 + (top1 - low || 1) * 0.04];
  const px = (x) => left + ((x - x0) / (x1 - x0)) * (wide - left - right);
  const py = (y) => high - bottom - ((y - y0) / (y1 - y0)) * (high - top - bottom);
  const names = [...new Map(shown.map((one) => [one.name, one.colour]))];
  const label = `${named} by epoch: ${names.map(([name]) => name).join(", ")}`;
  const drawn = [
    ticks(y0, y1).map((y) => [
      svg("line", { class: "grid", x1: left, x2: wide - right, y1: py(y), y2: py(y) }),
      svg("text", { x: left - 5, y: py(y) + 4, class: "end" }, number(y)),
    ]),
    ticks(x0, x1, 6)
      .filter(Number.isInteger)
      .map((x) => svg("text", { x: px(x), y: high - bottom + 15, class: "mid" }, String(x))),
    svg("text", { x: (left + wide - right) / 2, y: high - 3, class: "mid" }, "epoch"),
    shown.map((one) =>
      one.points.length > 1
        ? svg("polyline", {
            class: `line c${one.colour % COLOURS}`,
            points: one.points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" "),
          })
        : svg("circle", {
            class: `dot c${one.colour % COLOURS}`,
            cx: px(one.points[0][0]),
            cy: py(one.points[0][1]),
            r: 3.5,
          }),
    ),
  ];
  return chart(wide, high, label, drawn, `${named}, a line per seed`, legend(names));
}

/** A choice among measures, and what `draw` makes of the one that is chosen, the first to begin with. */
function chosen(measures, draw, label = (measure) => measure) {
  const place = h("div");
  const show = (measure) => fill(place, draw(measure));
  show(measures[0]);
  return [
    h(
      "label",
      {},
      "measure ",
      h(
        "select",
        { change: (event) => show(event.target.value) },
        measures.map((measure) => h("option", { value: measure }, label(measure))),
      ),
    ),
    place,
  ];
}

/** A figure: `drawn` on wide x high units, told as `label` to who does not see it, and `caption` below. */
function chart(wide, high, label, drawn, ...caption) {
  const frame = { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": label };
  return h("figure", { class: "chart" }, svg("svg", frame, drawn), h("figcaption", {}, caption));
}

function legend(names) {
  return h(
    "ul",
    { class: "legend" },
    names.map(([name, colour]) => h("li", { class: `key c${colour % COLOURS}` }, name)),
  );
}

/** Values of groups as dots, their means as bars: [{name, colour, values: [number]}]. */
function dots(groups, unit) {
  const shown = groups.filter((group) => group.values.length);
  const all = shown.flatMap((group) => group.values);
  if (!all.length) return null;
  const [left, wide, row] = [190, 560, 26];
  const [low, top] = [Math.min(...all), Math.max(...all)];
  const pad = (top - low || Math.abs(top) || 1) * 0.08;
  const px = (value) => left + 8 + ((value - low + pad) / (top - low + 2 * pad)) * (wide - left - 20);
  const high = shown.length * row + 32;
  const values = shown.map((group) => `${group.name}: ${group.values.map(number).join(", ")}`);
  const drawn = [
    ticks(low - pad, top + pad, 4).map((x) => [
      svg("line", { class: "grid", x1: px(x), x2: px(x), y1: 2, y2: high - 30 }),
      svg("text", { x: px(x), y: high - 16, class: "mid" }, number(x)),
    ]),
    svg("text", { x: (left + wide) / 2, y: high - 2, class: "mid" }, unit),
    shown.map((group, n) => {
      const [y, mean] = [n * row + row / 2 + 2, group.values.reduce((a, b) => a + b, 0) / group.values.length];
      return [
        svg(
          "text",
          { x: left - 4, y: y + 4, class: "end" },
          group.name.length > 30 ? `${group.name.slice(0, 29)}…` : group.name,
        ),
        svg("line", { class: `mean c${group.colour % COLOURS}`, x1: px(mean), x2: px(mean), y1: y - 9, y2: y + 9 }),
        group.values.map((value) =>
          svg("circle", { class: `dot c${group.colour % COLOURS}`, cx: px(value), cy: y, r: 4 }),
        ),
      ];
    }),
  ];
  return chart(wide, high, `Each seed as a dot: ${values.join("; ")}`, drawn, "A dot per seed, a bar at their mean");
}

/** A claim's effect with its interval, zero and the margin; `reach` is where the axis ends on both sides. */
function interval(claim, reach, word) {
  const [wide, high, edge] = [180, 26, 8];
  const px = (value) => wide / 2 + (Math.max(-reach, Math.min(reach, value)) / reach) * (wide / 2 - edge);
  const part = claim.parts.find((one) => one.name === claim.part) || claim.parts[0];
  const margins = part
    ? { less: [-part.margin], greater: [part.margin] }[part.direction] || [-part.margin, part.margin]
    : [];
  const y = high / 2;
  const end = (value, side) =>
    Math.abs(value) > reach
      ? svg("path", {
          class: "arrow",
          d:
            side < 0
              ? `M ${edge} ${y - 4} L 1 ${y} L ${edge} ${y + 4} Z`
              : `M ${wide - edge} ${y - 4} L ${wide - 1} ${y} L ${wide - edge} ${y + 4} Z`,
        })
      : svg("line", { class: "bar", x1: px(value), x2: px(value), y1: y - 4, y2: y + 4 });
  const drawn = claim.low !== null && claim.high !== null;
  return svg(
    "svg",
    { class: `interval v-${word}`, viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, "aria-hidden": "true" },
    svg("line", { class: "zero", x1: wide / 2, x2: wide / 2, y1: 0, y2: high }),
    margins
      .filter((value) => Math.abs(value) <= reach)
      .map((value) => svg("line", { class: "margin", x1: px(value), x2: px(value), y1: 0, y2: high })),
    drawn
      ? [
          svg("line", { class: "bar", x1: px(claim.low), x2: px(claim.high), y1: y, y2: y }),
          end(claim.low, -1),
          end(claim.high, 1),
        ]
      : null,
    claim.estimate !== null && Math.abs(claim.estimate) <= reach
      ? svg("circle", { class: drawn ? "point" : "point hollow", cx: px(claim.estimate), cy: y, r: 4.5 })
      : null,
  );
}
