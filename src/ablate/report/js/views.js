// A page per paper, study, data set, and of all runs; `whole` has everything, to be printed.

const missing = (what) => [
  h("h1", {}, "Not in this report"),
  h("p", {}, what),
  h("p", {}, h("a", { href: link(["board"]) }, "To the board")),
];

function paperView(id) {
  const paper = PAPERS.get(id);
  if (!paper) return missing(id);
  const claims = CLAIMS.filter((claim) => claim.paper === id);
  return [
    h("h1", {}, paper.title),
    h("p", {}, paper.authors),
    h("p", { class: "quiet" }, paper.reference),
    claims.length
      ? h("p", {}, h("a", { href: link(["board"], { paper: id }) }, `${many(claims.length, "claim")} on the board`))
      : null,
    h("h2", {}, "Studies"),
    h(
      "ul",
      { class: "studies" },
      paper.studies.map((study) =>
        h(
          "li",
          {},
          h("a", { href: link(["study", id, study.id]) }, study.title),
          h("span", { class: "quiet" }, ` ${study.ended} of ${many(study.runs, "run")}`),
        ),
      ),
    ),
    paper.marks.length ? marksOf(paper) : null,
    paper.comparison.rows === null || paper.comparison.rows.length
      ? [
          h("h2", {}, "The paper’s numbers and ours"),
          resultTable(paper.comparison, "The paper’s numbers and ours", true),
        ]
      : null,
  ];
}

/** How far each figure, table, number and claim of a paper has come. */
function marksOf(paper) {
  const totals = Object.entries(paper.totals).filter(([, said]) => said);
  return [
    h("h2", {}, "Built, ran, matches"),
    h(
      "dl",
      { class: "facts" },
      totals.map(([column, said]) => h("div", {}, h("dt", {}, column), h("dd", {}, said))),
    ),
    h("p", { class: "quiet" }, CONTENT.marks),
    dataTable({
      id: `marks-${paper.id}`,
      title: "Built, ran, matches",
      quiet: true,
      rows: paper.marks,
      columns: [
        {
          label: "name",
          text: (row) => row[1],
          cell: (row) => (row[0] === "claim" ? opener("claim", [`${paper.id}/${row[1]}`], row[1]) : row[1]),
        },
        { label: "kind", text: (row) => (row[0] === "item" ? "figure or table" : row[0]) },
        { label: "shows or says", text: (row) => row[2] },
        { label: "where", text: (row) => row[3] },
        { label: "built", text: (row) => row[4] },
        { label: "ran", class: "brief", text: (row) => row[5] },
        { label: "matches", text: (row) => row[6] },
      ],
    }),
  ];
}

function studyView(id, name, level = 1) {
  const paper = PAPERS.get(id);
  const study = paper && paper.studies.find((one) => one.id === name);
  if (!study) return missing(`${id}/${name}`);
  const claims = CLAIMS.filter((claim) => claim.paper === id && claim.claim.study === name);
  const under = `h${level + 1}`;
  return [
    h(`h${level}`, {}, study.title),
    h(
      "p",
      { class: "quiet" },
      h("a", { href: link(["paper", id]) }, paper.title),
      `, scale ${CONTENT.scale}: ${study.ended} of ${many(study.runs, "run")} ended, ${many(study.arms.length, "arm")}. `,
      study.arms.length > 1
        ? h(
            "a",
            { href: link(["compare"], { a: `${id}/${name}/${study.arms[0]}`, b: `${id}/${name}/${study.arms[1]}` }) },
            "Compare two arms",
          )
        : "",
    ),
    study.words ? h("p", {}, study.words) : null,
    claims.length
      ? h(
          "ul",
          { class: "said" },
          claims.map((claim) => h("li", {}, badge(claim), " ", opener("claim", [claimKey(claim)], claim.statement))),
        )
      : null,
    study.tables.length ? h(under, {}, "Tables") : null,
    study.tables.map((table) => resultTable(table)),
    study.figures.length ? h(under, {}, "Figures") : null,
    study.figures.map((each) => figureOf(each, study, id)),
  ];
}

function figureOf(each, study, paper) {
  if (!each.asset) return h("p", { class: "quiet" }, `${each.id}: missing`);
  const caption = each.caption || `${study.title}: ${each.id}.`;
  const { name, blob } = assets.get(each.asset);
  return h(
    "figure",
    { class: "figure", id: `f-${paper}-${each.id}` },
    h(
      "button",
      { type: "button", class: "zoom", "aria-label": `Enlarge ${each.id}`, click: () => zoom(each.asset, caption) },
      picture(each.asset, each.alt || caption),
    ),
    h(
      "figcaption",
      {},
      caption,
      " ",
      (each.notes || []).map((note) => `${note} `),
      h(
        "button",
        { type: "button", class: "small", "aria-label": `Save ${name}`, click: async () => save(name, await blob()) },
        name.split(".").pop(),
      ),
    ),
  );
}

function zoom(id, caption) {
  const image = picture(id, caption);
  const dialog = h(
    "dialog",
    { class: "zoomed", "aria-label": caption, close: () => dialog.remove() },
    h("form", { method: "dialog" }, h("button", { "aria-label": "Close" }, "×")),
    image,
  );
  document.body.append(dialog);
  image.show();
  dialog.showModal();
}

const percent = (value) => (value === undefined ? "" : (100 * value).toFixed(2));

async function runsView() {
  const found = await detail();
  const rows = Object.entries(found.runs).map(([id, run]) => ({ id, arm: (found.armsOf.get(id) || [{}])[0], ...run }));
  const unwell = rows.filter((run) => run.health).length;
  return [
    h("h1", {}, "Runs"),
    h(
      "p",
      { class: "note" },
      `${rows.filter((run) => run.commit).length} of ${many(rows.length, "planned run")} ${rows.length === 1 ? "has" : "have"} been run; of ${unwell} something is to be said. `,
      CONTENT.health,
    ),
    dataTable({
      id: "runs",
      title: "Runs",
      quiet: true,
      rows,
      columns: [
        { label: "run", text: (run) => run.id, cell: (run) => opener("run", [run.id], run.id) },
        {
          label: "study",
          text: (run) => `${run.arm.paper}/${run.arm.study}`,
          cell: (run) =>
            run.arm.paper
              ? h("a", { href: link(["study", run.arm.paper, run.arm.study]) }, `${run.arm.paper}/${run.arm.study}`)
              : "",
        },
        { label: "arm", text: (run) => shownArm(run.arm) },
        { label: "seed", text: (run) => String(run.seed ?? "") },
        { label: "status", text: (run) => run.status },
        { label: "health", text: (run) => run.health || "" },
        ...(scores(rows).includes("val_top1")
          ? [
              {
                label: "val_top1 %",
                text: (run) => percent(run.val_top1),
                cell: (run) => (run.val_top1 === undefined ? "" : opener("run", [run.id], percent(run.val_top1))),
              },
              { label: "best %", text: (run) => percent(run.best_val_top1) },
            ]
          : []),
        ...scores(rows)
          .filter((name) => metric(name).own)
          .map((name) => ({
            label: name,
            text: (run) => score(run, name),
            cell: (run) => (run[name] === undefined ? "" : opener("run", [run.id], score(run, name))),
          })),
        { label: "epochs", text: (run) => String(run.epochs ?? "") },
        { label: "seconds", text: (run) => String(run.wall_s ?? "") },
        { label: "commit", text: (run) => (run.commit || "").slice(0, 8) },
        { label: "machine", text: (run) => run.device || "" },
      ],
    }),
  ];
}

function dataView(id, level = 1) {
  const data = CONTENT.data.find((one) => one.id === id);
  if (!data) return missing(id);
  const grouped = (value) => value.toLocaleString("en");
  const wheres = ["within_train", "within_val", "across", "of_two_classes", "val_images_with_a_twin_in_train"];
  return [
    h(`h${level}`, {}, id),
    h(
      "p",
      {},
      `${grouped(data.train)} training and ${grouped(data.images - data.train)} validation images of ${many(data.classes.length, "class")}, ${data.image_size}×${data.image_size} pixels; ${data.grayscale.train + data.grayscale.val} of them grayscale.`,
    ),
    h("p", {}, `Archive: ${data.archive.digest}, sha256 `, h("code", {}, data.archive.sha256), "."),
    h("p", {}, `${data.accepted} ${CONTENT.checks}`),
    dataTable({
      id: `duplicates-${id}`,
      title: `Duplicate pairs (near: up to ${data.duplicates.near_bits} of 64 bits)`,
      rows: ["exact", "near"],
      columns: [
        { label: "duplicates", text: (kind) => kind },
        ...wheres.map((where) => ({
          label: where.replaceAll("_", " "),
          text: (kind) => String(data.duplicates[kind][where]),
        })),
      ],
    }),
    ["samples", "duplicates"].map((what) =>
      data.sheets[what]
        ? h(
            "figure",
            { class: "figure" },
            picture(data.sheets[what], `${what} of ${id}`),
            h(
              "figcaption",
              {},
              what === "samples"
                ? `Samples of each class of ${id}`
                : "Duplicates: those across train and val before the others",
            ),
          )
        : null,
    ),
    dataTable({
      id: `classes-${id}`,
      title: "Classes",
      rows: data.classes.map((name, i) => [name, data.words[i]]),
      columns: [
        { label: "class", text: (row) => row[0] },
        { label: "words", text: (row) => row[1] },
      ],
    }),
  ];
}

const OTHERS = {
  evidence: ["The runs behind the findings", "", "Runs and hours"],
  comparison: ["The papers’ numbers and ours", "", "Printed and ours"],
  models: [
    "Trained models that claims compare",
    "Statements about two trained models each, not about the recipes that made them; intervals over images.",
    "Trained models",
  ],
  power: [
    "How many seeds would decide these claims",
    "The chance that a claim is shown, or its opposite, by seeds of each arm, where the assumed effect is true and seeds scatter as the runs here do.",
    "Seeds needed",
  ],
};

function otherTable(name) {
  if (!Object.hasOwn(OTHERS, name)) return missing(name);
  const [title, text] = OTHERS[name];
  const table = CONTENT.board.tables[name];
  const figure = name === "power" && CONTENT.board.power;
  return [
    h("h1", {}, title),
    text ? h("p", { class: "note" }, text) : null,
    figure
      ? figureOf(
          { id: "power", asset: figure, caption: "The chance to decide each headline claim, by number of seeds." },
          {},
          "board",
        )
      : null,
    resultTable(table, title, true) || h("p", { class: "quiet" }, "None."),
  ];
}

function wholeView() {
  return [
    h(
      "p",
      { class: "noprint" },
      h("button", { type: "button", class: "button", click: () => window.print() }, "Print all of it"),
    ),
    boardView(),
    CONTENT.papers.map((paper) => [
      h("section", { class: "sheet" }, paperView(paper.id)),
      paper.studies.map((study) => h("section", { class: "sheet" }, studyView(paper.id, study.id, 2))),
    ]),
    CONTENT.data.map((data) => h("section", { class: "sheet" }, dataView(data.id, 2))),
  ];
}
