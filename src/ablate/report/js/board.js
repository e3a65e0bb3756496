// The board: every claim with its finding and protocol, as a strip of tiles, as cards, and as a forest.

const SIGN = {
  reproduced: "✔",
  "holds here": "✓",
  contradicted: "✘",
  "does not hold here": "✗",
  "no effect of that size": "≈",
  open: "?",
  "not testable": "∅",
  "not comparable": "≠",
  void: "!",
  "no evidence": "–",
  "not run": "·",
  counted: "#",
};
const ORDER = Object.keys(SIGN);
const CLAIMS = CONTENT.board.claims;
const slug = (word) => word.replaceAll(" ", "-");
const claimKey = (claim) => `${claim.paper}/${claim.id}`;
const paperName = (id) => (PAPERS.get(id) ? PAPERS.get(id).title : id);

/** A number of a claim in its unit. */
function amount(value, unit, signed = true) {
  if (value === null || value === undefined) return "";
  const digits = { points: 1, share: 2, parameters: 0, "%": 1 }[unit] ?? 3;
  const text = Math.abs(value).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${value < 0 ? "−" : signed ? "+" : ""}${text}`;
}

function badge(claim) {
  return h(
    "span",
    { class: `badge v-${slug(claim.verdict)}` },
    h("span", { "aria-hidden": "true" }, `${SIGN[claim.verdict] || "·"} `),
    claim.verdict,
    claim.contaminated ? ", contaminated" : "",
  );
}

const FILTERS = ["paper", "finding", "protocol", "verdict"];

function kept(claim) {
  const n = parseInt(param("n"), 10);
  return (
    FILTERS.every((name) => !param(name) || claim[name] === param(name)) &&
    (Number.isNaN(n) || claim.n >= n) &&
    (param("headline") !== "1" || claim.headline)
  );
}

function boardView() {
  const { board } = CONTENT;
  const shown = h("div");
  const redraw = () => {
    const cards = param("view") === "tiles";
    const claims = CLAIMS.filter(kept);
    counted.textContent =
      (claims.length === CLAIMS.length ? "" : `${claims.length} of `) + many(CLAIMS.length, "claim");
    fill(shown, cards ? tiles(claims) : forest(claims));
    for (const tile of strip.querySelectorAll("button")) tile.classList.toggle("off", !kept(tile.claim));
    for (const chip of chips.querySelectorAll("button"))
      chip.setAttribute("aria-pressed", String(chip.dataset.verdict === param("verdict")));
    for (const toggle of views.querySelectorAll("button"))
      toggle.setAttribute("aria-pressed", String(toggle.dataset.view === (cards ? "tiles" : "forest")));
  };
  const change = (changes) => {
    setParams(changes);
    redraw();
  };
  const counted = h("span", { class: "quiet", role: "status" });
  const strip = h(
    "div",
    { class: "strip" },
    [...new Set(CLAIMS.map((claim) => claim.paper))].map((paper) =>
      h(
        "div",
        { role: "group", "aria-label": paper },
        h("a", { href: link(["paper", paper]) }, paper),
        CLAIMS.filter((claim) => claim.paper === paper).map((claim) => {
          const tile = opener(
            "claim",
            [claimKey(claim)],
            SIGN[claim.verdict] || "·",
            `${claim.statement}: ${claim.verdict}; finding ${claim.finding}; protocol ${claim.protocol || "of networks alone"}`,
          );
          tile.className = `tile v-${slug(claim.verdict)}`;
          tile.title = tile.getAttribute("aria-label");
          tile.claim = claim;
          return tile;
        }),
      ),
    ),
  );
  const words = ORDER.filter((word) => CLAIMS.some((claim) => claim.verdict === word));
  const chips = h(
    "div",
    { class: "chips", role: "group", "aria-label": "Verdicts" },
    words.map((word) =>
      h(
        "button",
        {
          type: "button",
          class: `chip v-${slug(word)}`,
          "data-verdict": word,
          click: () => change({ verdict: param("verdict") === word ? "" : word }),
        },
        h("span", { "aria-hidden": "true" }, `${SIGN[word]} `),
        `${CLAIMS.filter((claim) => claim.verdict === word).length} ${word}`,
      ),
    ),
  );
  const select = (name, label) =>
    h(
      "label",
      {},
      label,
      h(
        "select",
        { change: (event) => change({ [name]: event.target.value }) },
        h("option", { value: "" }, "all"),
        [...new Set(CLAIMS.map((claim) => claim[name]).filter(Boolean))].map((value) =>
          h("option", { value, selected: param(name) === value }, value),
        ),
      ),
    );
  const views = h(
    "div",
    { class: "chips", role: "group", "aria-label": "View" },
    ["forest", "tiles"].map((view) =>
      h(
        "button",
        {
          type: "button",
          class: "chip",
          "data-view": view,
          click: () => change({ view: view === "tiles" ? view : "" }),
        },
        view,
      ),
    ),
  );
  const controls = h(
    "div",
    { class: "tools" },
    select("paper", "paper"),
    select("finding", "finding"),
    select("protocol", "protocol"),
    h(
      "label",
      {},
      "n from",
      h("input", {
        type: "number",
        min: 0,
        value: param("n"),
        class: "short",
        input: (event) => change({ n: event.target.value }),
      }),
    ),
    h(
      "label",
      {},
      h("input", {
        type: "checkbox",
        checked: param("headline") === "1",
        change: (event) => change({ headline: event.target.checked ? "1" : "" }),
      }),
      "headlines only",
    ),
    h(
      "button",
      {
        type: "button",
        class: "small",
        click: () => {
          setParams(Object.fromEntries([...FILTERS, "n", "headline", "f.board", "s.board"].map((name) => [name, ""])));
          show();
        },
      },
      "Clear",
    ),
    views,
    counted,
    saving(["claims.json", "claims.csv", "claims.tex", "claims.md"]),
  );
  if (CLAIMS.length) redraw();
  return [
    h("h1", {}, CLAIMS.length && CLAIMS.every((c) => !c.claim.quote) ? "Hypotheses and verdicts" : "Claims and verdicts"),
    h(
      "p",
      { class: "note" },
      `Scale ${[CONTENT.scale, CONTENT.note].filter(Boolean).join(": ")}; ${many(CONTENT.runs, "planned run")}. `,
      board.tally,
      " ",
      board.frozen.sentence || "",
      " ",
      board.looked || "",
    ),
    CLAIMS.length ? [strip, chips, controls, shown] : h("p", { class: "quiet" }, "claims: missing"),
    controlsOf(board.controls),
  ];
}

function forest(claims) {
  const units = new Map();
  for (const claim of CLAIMS) {
    const margin = claim.parts.reduce((most, part) => Math.max(most, Math.abs(part.margin)), 0);
    units.set(claim.unit, [
      ...(units.get(claim.unit) || []),
      Math.max(Math.abs(claim.estimate ?? 0) * 1.3, margin * 1.6),
    ]);
  }
  // Where an axis ends: at nine tenths of the claims of its unit. What lies beyond has an arrow.
  const reach = (unit) => {
    const sorted = units
      .get(unit)
      .filter(Boolean)
      .sort((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) * 0.9)] || 1;
  };
  const ends = new Map([...units.keys()].map((unit) => [unit, reach(unit)]));
  const axisOf = (unit, end) => `${unit ? `${unit}: ` : ""}−${number(end)} to ${number(end)}`;
  const legends = [...ends].map(([unit, end]) => axisOf(unit, end)).join("; ");
  return h(
    "div",
    {},
    dataTable({
      id: "board",
      title: "Effects with simultaneous 95 % intervals",
      rows: claims,
      quiet: true,
      columns: [
        {
          label: "claim",
          class: "claim",
          text: (c) => `${c.statement} ${claimKey(c)}`,
          cell: (c) => [
            opener("claim", [claimKey(c)], c.statement),
            c.headline ? h("span", { class: "mark" }, "headline") : null,
            h(
              "div",
              { class: "of" },
              h(
                "a",
                { href: link(c.claim.study ? ["study", c.paper, c.claim.study] : ["paper", c.paper]) },
                c.claim.study ? `${c.paper}: ${c.claim.study}` : c.paper,
              ),
            ),
          ],
        },
        { label: "finding", text: (c) => c.finding },
        { label: "protocol", text: (c) => c.protocol },
        { label: "verdict", text: (c) => c.verdict, cell: (c) => badge(c) },
        {
          label: "n",
          text: (c) => String(c.n),
          cell: (c) => opener("claim", [claimKey(c)], String(c.n), `${many(c.n, "seed")}: ${c.statement}`),
        },
        {
          label: "effect",
          text: (c) => amount(c.estimate, c.unit),
          cell: (c) =>
            c.estimate === null ? "" : opener("claim", [claimKey(c)], `${amount(c.estimate, c.unit)} ${c.unit}`),
        },
        {
          label: "interval",
          class: "interval",
          text: (c) => (c.low === null ? "" : `${amount(c.low, c.unit)} to ${amount(c.high, c.unit)}`),
          cell: (c) =>
            c.estimate === null
              ? ""
              : [
                  interval(c, ends.get(c.unit), slug(c.verdict)),
                  h(
                    "span",
                    { class: "unseen" },
                    c.low === null ? "no interval" : `${amount(c.low, c.unit)} to ${amount(c.high, c.unit)} ${c.unit}`,
                  ),
                ],
        },
      ],
    }),
    h(
      "p",
      { class: "quiet" },
      `Solid line: zero; dashed: the margin; an arrow: it goes on beyond the axis. Axes: ${legends}.`,
    ),
  );
}

function tiles(claims) {
  return h(
    "div",
    { class: "cards" },
    claims.map((claim) =>
      h(
        "article",
        { class: `card v-${slug(claim.verdict)}` },
        h("p", { class: "head" }, badge(claim), h("span", { class: "quiet" }, ` n = ${claim.n}`)),
        h("h2", {}, opener("claim", [claimKey(claim)], claim.statement)),
        h(
          "dl",
          {},
          h("div", {}, h("dt", {}, "finding"), h("dd", {}, claim.finding)),
          h("div", {}, h("dt", {}, "protocol"), h("dd", {}, claim.protocol || "of networks alone")),
          h("div", {}, h("dt", {}, "paper"), h("dd", {}, claim.paper)),
          h("div", {}, h("dt", {}, "scale"), h("dd", {}, CONTENT.scale)),
        ),
      ),
    ),
  );
}

function controlsOf(controls) {
  if (!controls.length) return null;
  return h(
    "section",
    {},
    h("h2", {}, "Controls"),
    dataTable({
      id: "controls",
      title: "Runs whose outcome is known beforehand",
      rows: controls,
      columns: [
        { label: "data set", text: (c) => c.dataset },
        { label: "control", text: (c) => c.control },
        {
          label: "seed",
          text: (c) => String(c.seed),
          cell: (c) => opener("run", [c.run], String(c.seed), `Seed ${c.seed}: ${c.control}, ${c.dataset}`),
        },
        { label: "outcome", text: (c) => c.outcome },
        { label: "what was found", text: (c) => c.said },
      ],
    }),
  );
}
