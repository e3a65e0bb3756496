// The drawer: what is behind a number. Its seeds, curves, settings beside another arm's, and how its runs were made.

let opened = null; // what the focus goes back to

function openDrawer(what) {
  opened = document.activeElement;
  setParams({ open: what }, true);
  showDrawer();
}

function closeDrawer() {
  setParams({ open: "" });
  $("drawer").hidden = true;
  document.body.classList.remove("drawn");
  if (opened && opened.isConnected) opened.focus();
}

async function showDrawer() {
  const [kind, ...parts] = param("open").split("|").map(decoded);
  const drawer = $("drawer");
  if (!kind) {
    drawer.hidden = true;
    document.body.classList.remove("drawn");
    return;
  }
  const found = await detail();
  const made =
    kind === "claim" ? ofClaim(found, parts[0]) : kind === "run" ? ofRun(found, parts[0]) : ofCell(found, ...parts);
  fill(
    drawer,
    h(
      "div",
      { class: "drawer-head" },
      h("h2", { id: "drawer-title" }, made.title),
      h("button", { type: "button", "aria-label": "Close", click: closeDrawer }, "×"),
    ),
    h("div", { class: "drawer-body" }, made.nodes),
  );
  drawer.hidden = false;
  document.body.classList.add("drawn");
  drawer.scrollTop = 0;
  drawer.focus({ preventScroll: true });
}

function ofClaim(found, key) {
  const claim = CLAIMS.find((one) => claimKey(one) === key);
  if (!claim) return { title: "No such claim", nodes: h("p", {}, key) };
  const study = claim.claim.study;
  const groups = Object.entries(claim.arms).map(([arm, one]) => {
    const planned = found.byArm.get(`${claim.paper}/${study}/${arm}`);
    const runs = (planned ? planned.runs : []).map((run) => [run, one.values[found.runs[run].seed] ?? null]);
    return { name: planned ? shownArm(planned) : arm, arm: planned, runs };
  });
  const facts = [
    ["finding", claim.finding],
    ["protocol", claim.protocol || "of networks alone"],
    ["verdict", badge(claim)],
    ["scale", CONTENT.scale],
    ["effect", claim.estimate === null ? "none" : `${amount(claim.estimate, claim.unit)} ${claim.unit}`],
    [
      "interval",
      claim.low === null
        ? "none"
        : `${amount(claim.low, claim.unit)} to ${amount(claim.high, claim.unit)}, 95 % simultaneous`,
    ],
    ["p, adjusted", claim.p === null ? "none" : claim.p < 0.0001 ? "< 0.0001" : claim.p.toPrecision(2)],
    ["n", String(claim.n)],
    ["varies over", claim.varies_over],
  ];
  return {
    title: claim.statement,
    nodes: [
      h("p", {}, claim.sentence),
      factList(facts),
      claim.claim.quote
        ? h("blockquote", {}, claim.claim.quote, h("footer", {}, `${paperName(claim.paper)}, ${claim.claim.where}`))
        : h("p", {}, `A hypothesis of ${paperName(claim.paper)}.`),
      claim.claim.why ? h("p", {}, h("b", {}, "Margin: "), claim.claim.why) : null,
      claim.claim.note ? h("p", {}, claim.claim.note) : null,
      claim.missing.length ? h("p", {}, h("b", {}, "Missing: "), claim.missing.join("; ")) : null,
      claim.health.length ? h("p", {}, h("b", {}, "Health: "), claim.health.join("; ")) : null,
      behind(found, groups, (claim.claim.metric || "").endsWith("_top1") ? "%" : claim.unit), // of arms, not of effects
      h(
        "p",
        {},
        h(
          "button",
          {
            type: "button",
            class: "small",
            click: () =>
              save(`${claim.id}.json`, new Blob([JSON.stringify(claim, null, 1)], { type: "application/json" })),
          },
          "Save as JSON",
        ),
      ),
    ],
  };
}

function factList(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

function tableOf(id) {
  const every = [
    ...Object.values(CONTENT.board.tables),
    ...CONTENT.papers.flatMap((paper) => [paper.comparison, ...paper.studies.flatMap((study) => study.tables)]),
  ];
  return every.find((table) => table.id === id);
}

function ofCell(found, id, label, column) {
  const table = tableOf(id);
  const row = table ? table.rows[table.labels.indexOf(label)] : undefined;
  if (!row) return { title: "No such cell", nodes: h("p", {}, `${id}: ${label}, ${column}`) };
  const value = row[table.columns.indexOf(column)];
  const sources = ((found.sources[id] || {})[label] || {})[column] || {};
  const byArm = new Map();
  for (const [run, number] of Object.entries(sources)) {
    const arms = found.armsOf.get(run) || [];
    const arm = arms.find((one) => id.startsWith(`${one.paper}/`) && studyOf(id, one)) || arms[0];
    const name = arm ? shownArm(arm) : run;
    byArm.set(name, byArm.get(name) || { name, arm, runs: [] });
    byArm.get(name).runs.push([run, number]);
  }
  const printed = id.endsWith("comparison") ? ofNumber(row, table) : null;
  return {
    title: `${column}: ${value}`,
    nodes: [
      factList([
        ["table", id],
        ["row", label || "(no label)"],
        ["column", column],
      ]),
      printed,
      byArm.size
        ? behind(found, [...byArm.values()], column)
        : h(
            "p",
            {},
            printed ? "No run is behind this number." : "No run is behind this number: it is counted or was set.",
            h("br"),
            "The whole row:",
            factList(table.heads.map((name, i) => [name || "name", row[i]]).filter(([, text]) => text)),
          ),
    ],
  };
}

/** Whether the table is of the arm's study, where the same run is in several. */
function studyOf(id, arm) {
  const paper = PAPERS.get(arm.paper);
  return (
    paper && paper.studies.some((study) => study.id === arm.study && study.tables.some((table) => table.id === id))
  );
}

/** What the paper says of a number of the comparison. */
function ofNumber(row, table) {
  const number = row[table.columns.indexOf("number")];
  const paper = table.columns.includes("paper") ? row[table.columns.indexOf("paper")] : table.id.split("/")[0];
  const entry = ((PAPERS.get(paper) || {}).printed || {})[number];
  return entry
    ? h("blockquote", {}, entry.quote, h("footer", {}, [entry.place, entry.note].filter(Boolean).join(". ")))
    : null;
}

function ofRun(found, id) {
  const run = found.runs[id];
  if (!run) return { title: "No such run", nodes: h("p", {}, id) };
  const arm = (found.armsOf.get(id) || [])[0];
  const facts = scores([run]).map((key) => [key, score(run, key)]);
  return {
    title: id,
    nodes: [
      factList([
        ["status", run.status],
        ["health", run.health || "nothing to say"],
        ["seed", String(run.seed)],
        ...facts,
      ]),
      behind(found, [{ name: arm ? shownArm(arm) : id, arm, runs: [[id, null]] }], ""),
    ],
  };
}
