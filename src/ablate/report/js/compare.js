// Two arms beside each other: settings that differ, curves, seeds in pairs, images that only one of them gets right.

async function compareView() {
  const found = await detail();
  const shown = h("div");
  const choose = (name) =>
    h(
      "label",
      {},
      `arm ${name.toUpperCase()} `,
      h(
        "select",
        {
          change: (event) => {
            setParams({ [name]: event.target.value });
            draw();
          },
        },
        h("option", { value: "" }, "choose"),
        CONTENT.papers.flatMap((paper) =>
          paper.studies.map((study) =>
            h(
              "optgroup",
              { label: `${paper.id}: ${study.title}` },
              study.arms.map((arm) => {
                const key = `${paper.id}/${study.id}/${arm}`;
                return h("option", { value: key, selected: param(name) === key }, study.names[arm] || arm);
              }),
            ),
          ),
        ),
      ),
    );
  const draw = () => {
    const [a, b] = ["a", "b"].map((name) => found.byArm.get(param(name)));
    fill(shown, a && b ? comparison(found, a, b) : h("p", { class: "quiet" }, "Choose two arms."));
  };
  draw();
  return [h("h1", {}, "Compare two arms"), h("div", { class: "tools" }, choose("a"), choose("b")), shown];
}

function comparison(found, a, b) {
  const groups = [a, b].map((arm, colour) => ({
    name: arm.arm === (arm === a ? b : a).arm ? `${arm.study}: ${shownArm(arm)}` : shownArm(arm),
    arm,
    colour,
    runs: arm.runs,
  }));
  const runs = groups.flatMap((group) =>
    group.runs.map((id) => ({ id, group, colour: group.colour, ...found.runs[id] })),
  );
  const measures = scores(runs).filter((key) =>
    groups.every((group) => group.runs.some((id) => found.runs[id][key] !== undefined)),
  );
  return [
    h("h2", {}, "Settings that differ"),
    settingsTable(a, b),
    h("h2", {}, "Seeds"),
    seedsOf(found, groups, measures),
    h("h2", {}, "Curves"),
    curvesOf(runs),
    h("h2", {}, "Images that only one of them gets right"),
    imagesOf(found, groups),
  ];
}

function seedsOf(found, groups, measures) {
  if (!measures.length) return h("p", { class: "quiet" }, "No metric that runs of both arms have.");
  const draw = (measure) => {
    const { factor, unit, apart, places } = metric(measure);
    const digits = unit === "%" ? 2 : places;
    const values = groups.map(
      (group) =>
        new Map(
          group.runs
            .map((id) => found.runs[id])
            .filter((run) => run[measure] !== undefined)
            .map((run) => [run.seed, factor * run[measure]]),
        ),
    );
    const seeds = [...new Set(values.flatMap((map) => [...map.keys()]))].sort((x, y) => x - y);
    const pairs = seeds.filter((seed) => values.every((map) => map.has(seed)));
    const differences = pairs.map((seed) => values[0].get(seed) - values[1].get(seed));
    const mean = differences.reduce((x, y) => x + y, 0) / (differences.length || 1);
    return [
      dots(
        groups.map((group, i) => ({ name: group.name, colour: group.colour, values: [...values[i].values()] })),
        unit,
      ),
      dataTable({
        id: "pairs",
        title: "Seeds in pairs",
        quiet: true,
        rows: seeds,
        columns: [
          { label: "seed", text: String },
          ...groups.map((group, i) => ({
            label: `${group.name} ${unit}`.trim(),
            text: (seed) => (values[i].has(seed) ? values[i].get(seed).toFixed(digits) : ""),
            cell: (seed) =>
              values[i].has(seed)
                ? opener("run", [group.runs.find((id) => found.runs[id].seed === seed)], values[i].get(seed).toFixed(digits))
                : "",
          })),
          {
            label: apart ? `A − B, ${apart}` : "A − B",
            text: (seed) =>
              values.every((map) => map.has(seed)) ? amount(values[0].get(seed) - values[1].get(seed), apart) : "",
          },
        ],
      }),
      h(
        "p",
        {},
        pairs.length
          ? `Over ${many(pairs.length, "pair")}: ${amount(mean, apart)}${apart && ` ${apart}`} on average. The board judges claims; this is what stands behind them.`
          : "No seed that both have.",
      ),
    ];
  };
  return chosen(measures, draw);
}

/** How many of an arm's runs got each image right: (N,). */
function rights(found, runs, length) {
  const counts = new Uint16Array(length);
  for (const id of runs) {
    const bits = bytes(found.runs[id].right);
    for (let i = 0; i < length; i += 1) counts[i] += (bits[i >> 3] >> (7 - (i & 7))) & 1;
  }
  return counts;
}

const MOST_PICTURES = 60;

function imagesOf(found, groups) {
  const answered = groups.map((group) => group.runs.filter((id) => found.runs[id].right !== undefined));
  if (!answered.every((ids) => ids.length))
    return h("p", { class: "quiet" }, "Runs of both arms must have left their answers.");
  const sets = new Set(answered.flat().map((id) => found.runs[id].images));
  if (sets.size > 1) return h("p", { class: "quiet" }, "They were evaluated on different images.");
  const set = found.images[[...sets][0]];
  const n = set.positions.length;
  const counts = answered.map((ids) => rights(found, ids, n));
  const there = new Set((found.pictures[set.dataset] || { positions: [] }).positions);
  const drawn = (i) => Number(there.has(set.positions[i]));
  const most = (i, of) => counts[of][i] > answered[of].length / 2;
  const all = [...Array(n).keys()];
  const only = [0, 1].map((of) =>
    all
      .filter((i) => most(i, of) && !most(i, 1 - of))
      .sort(
        (x, y) =>
          counts[of][y] - counts[1 - of][y] - (counts[of][x] - counts[1 - of][x]) || drawn(y) - drawn(x) || x - y,
      ),
  );
  const both = all.filter((i) => most(i, 0) && most(i, 1)).length;
  return [
    h(
      "p",
      {},
      `Of ${many(n, `${set.split} image`)}, by most seeds of each arm: both right ${both}, only ${groups[0].name} ${only[0].length}, only ${groups[1].name} ${only[1].length}, neither ${n - both - only[0].length - only[1].length}.`,
    ),
    groups.map((group, of) =>
      h(
        "section",
        {},
        h("h3", {}, `Only ${group.name}: ${only[of].length}`),
        h(
          "ul",
          { class: "pictures" },
          only[of]
            .slice(0, MOST_PICTURES)
            .map((i) =>
              thumbnail(found, set, i, counts.map((c, k) => `${"AB"[k]} ${c[i]}/${answered[k].length}`).join(", ")),
            ),
        ),
        only[of].length > MOST_PICTURES
          ? h("p", { class: "quiet" }, `and ${only[of].length - MOST_PICTURES} more`)
          : null,
      ),
    ),
  ];
}

function thumbnail(found, set, i, scores) {
  const label = set.classes[set.labels[i]] || `class ${set.labels[i]}`;
  const sheet = found.pictures[set.dataset];
  const at = sheet ? sheet.positions.indexOf(set.positions[i]) : -1;
  const box = h(
    "div",
    { class: "thumb", role: "img", "aria-label": `${label}, image ${set.positions[i]}` },
    at < 0 ? "no picture" : "",
  );
  if (at >= 0) {
    const { columns } = sheet;
    assets
      .get(`pictures/${set.dataset}`)
      .url()
      .then((url) => {
        box.style.backgroundImage = `url(${url})`;
        box.style.backgroundSize = `${columns * 64}px auto`;
        box.style.backgroundPosition = `${-(at % columns) * 64}px ${-Math.floor(at / columns) * 64}px`;
      });
  }
  return h("li", {}, box, h("span", {}, label), h("span", { class: "quiet" }, scores));
}
