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
  const made = kind === "claim" ? ofClaim(found, parts[0]) : kind === "run" ? ofRun(found, parts[0]) : ofCell(found, ...parts);
  fill(drawer,
    h("div", { class: "drawer-head" }, h("h2", { id: "drawer-title" }, made.title),
      h("button", { type: "button", "aria-label": "Close", click: closeDrawer }, "×")),
    h("div", { class: "drawer-body" }, made.nodes));
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
    return { name: arm, arm: planned, runs };
  });
  const facts = [["finding", claim.finding], ["protocol", claim.protocol || "of networks alone"], ["verdict", badge(claim)], ["scale", CONTENT.scale],
    ["effect", claim.estimate === null ? "none" : `${amount(claim.estimate, claim.unit)} ${claim.unit}`],
    ["interval", claim.low === null ? "none" : `${amount(claim.low, claim.unit)} to ${amount(claim.high, claim.unit)}, 95 % simultaneous`],
    ["p, adjusted", claim.p === null ? "none" : claim.p < 0.0001 ? "< 0.0001" : claim.p.toPrecision(2)], ["n", String(claim.n)], ["varies over", claim.varies_over]];
  return {
    title: claim.statement,
    nodes: [
      h("p", {}, claim.sentence), factList(facts),
      h("blockquote", {}, claim.claim.quote, h("footer", {}, `${paperName(claim.paper)}, ${claim.claim.where}`)),
      claim.claim.why ? h("p", {}, h("b", {}, "Margin: "), claim.claim.why) : null,
      claim.claim.note ? h("p", {}, claim.claim.note) : null,
      claim.missing.length ? h("p", {}, h("b", {}, "Missing: "), claim.missing.join("; ")) : null,
      claim.health.length ? h("p", {}, h("b", {}, "Health: "), claim.health.join("; ")) : null,
      behind(found, groups, claim.unit),
      h("p", {}, h("button", { type: "button", class: "small", click: () => save(`${claim.id}.json`, new Blob([JSON.stringify(claim, null, 1)], { type: "application/json" })) }, "Save as JSON")),
    ],
  };
}

function factList(pairs) {
  return h("dl", { class: "facts" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function tableOf(id) {
  const every = [...Object.values(CONTENT.board.tables), ...CONTENT.papers.flatMap((paper) => [paper.comparison, ...paper.studies.flatMap((study) => study.tables)])];
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
    const name = arm ? arm.arm : run;
    byArm.set(name, byArm.get(name) || { name, arm, runs: [] });
    byArm.get(name).runs.push([run, number]);
  }
  const printed = id.endsWith("comparison") ? ofNumber(row, table) : null;
  return {
    title: `${column}: ${value}`,
    nodes: [
      factList([["table", id], ["row", label || "(no label)"], ["column", column]]),
      printed,
      byArm.size ? behind(found, [...byArm.values()], column) : h("p", {}, printed ? "No run is behind this number." : "No run is behind this number: it is counted or was set.", h("br"),
        "The whole row:", factList(table.columns.map((name, i) => [name || "name", row[i]]).filter(([, text]) => text))),
    ],
  };
}

/** Whether the table is of the arm's study, where the same run is in several. */
function studyOf(id, arm) {
  const paper = PAPERS.get(arm.paper);
  return paper && paper.studies.some((study) => study.id === arm.study && study.tables.some((table) => table.id === id));
}

/** What the paper says of a number of the comparison. */
function ofNumber(row, table) {
  const number = row[table.columns.indexOf("number")];
  const paper = table.columns.includes("paper") ? row[table.columns.indexOf("paper")] : table.id.split("/")[0];
  const entry = ((PAPERS.get(paper) || {}).printed || {})[number];
  return entry ? h("blockquote", {}, entry.quote, h("footer", {}, `${paperName(paper)}, ${entry.where}. ${entry.note}`)) : null;
}

function ofRun(found, id) {
  const run = found.runs[id];
  if (!run) return { title: "No such run", nodes: h("p", {}, id) };
  const arm = (found.armsOf.get(id) || [])[0];
  const scores = ["train_top1", "val_top1", "best_val_top1", "test_top1"].filter((key) => run[key] !== undefined).map((key) => [key, `${(100 * run[key]).toFixed(2)} %`]);
  return { title: id, nodes: [factList([["status", run.status], ["health", run.health || "nothing to say"], ["seed", String(run.seed)], ...scores]),
    behind(found, [{ name: arm ? arm.arm : id, arm, runs: [[id, null]] }], "")] };
}

/** Seeds, curves, settings and provenance of groups of runs: [{name, arm, runs: [[run, value]]}]. */
function behind(found, groups, unit) {
  const runs = groups.flatMap((group, colour) => group.runs.map(([run, value]) => ({ id: run, value, group, colour, ...found.runs[run] })));
  if (!runs.length) return h("p", { class: "quiet" }, "No run is behind it.");
  const there = runs.filter((run) => run.commit);
  return [
    groups.length === 2 && groups.every((group) => group.arm)
      ? h("p", {}, h("a", { class: "button", href: link(["compare"], { a: armKey(groups[0].arm), b: armKey(groups[1].arm) }) }, "Compare these two arms")) : null,
    h("h3", {}, "Seeds"),
    dots(groups.map((group, colour) => ({ name: group.name, colour, values: group.runs.map(([, value]) => value).filter((value) => value !== null) })), unit),
    dataTable({
      id: "seeds", title: "Seeds", quiet: true, rows: runs,
      columns: [
        { label: "arm", text: (run) => run.group.name }, { label: "seed", text: (run) => String(run.seed ?? "") },
        { label: "value", text: (run) => (run.value === null ? "" : number(run.value)) },
        { label: "status", text: (run) => run.status }, { label: "health", text: (run) => run.health || "" },
        { label: "best epoch", text: (run) => String(run.best_val_epoch ?? "") },
      ],
    }),
    h("h3", {}, "Curves"), curvesOf(there),
    groups.some((group) => group.arm) ? [h("h3", {}, "Settings"), settingsOf(found, groups)] : null,
    h("h3", {}, "How the runs were made"),
    there.length ? there.map((run, i) => provenance(run, i === 0)) : h("p", { class: "quiet" }, "None of them was run."),
  ];
}

function curvesOf(runs) {
  const measures = Object.keys(LABEL).filter((measure) => runs.some((run) => run.curve && run.curve[measure]));
  if (!measures.length) return h("p", { class: "quiet" }, "No run of these left a curve.");
  const place = h("div");
  const draw = (measure) => fill(place, lines(runs.filter((run) => run.curve && run.curve[measure]).map((run) => ({
    name: run.group.name, colour: run.colour, x: run.curve.epoch, y: run.curve[measure],
  })), measure));
  draw(measures[0]);
  return [h("label", {}, "measure ", h("select", { change: (event) => draw(event.target.value) }, measures.map((measure) => h("option", { value: measure }, LABEL[measure])))), place];
}

const said = (value) => (value === null || value === undefined ? "none" : Array.isArray(value) ? value.join(", ") : String(value));

/** The settings of an arm beside another's; what differs comes first and is marked. */
function settingsOf(found, groups) {
  const first = groups.find((group) => group.arm).arm;
  const others = found.arms.filter((arm) => arm !== first && arm.paper === first.paper && arm.study === first.study);
  const named = groups.map((group) => group.arm).find((arm) => arm && arm !== first) || others[0];
  const place = h("div");
  const draw = (other) => fill(place, settingsTable(first, other));
  draw(named);
  const choice = [...new Set([named, ...others].filter(Boolean))];
  return [
    choice.length ? h("label", {}, `${first.arm} beside `, h("select", { change: (event) => draw(found.byArm.get(event.target.value)) },
      choice.map((arm) => h("option", { value: armKey(arm), selected: arm === named }, arm.study === first.study ? arm.arm : `${arm.study}: ${arm.arm}`)))) : null,
    place,
  ];
}

function settingsTable(first, other) {
  const keys = [...new Set([...Object.keys(first.settings), ...Object.keys(other ? other.settings : {})])];
  const differs = (key) => other && said(first.settings[key]) !== said(other.settings[key]);
  const ordered = [...keys.filter(differs), ...keys.filter((key) => !differs(key))];
  const rows = ordered.map((key) => h("tr", { class: differs(key) ? "differs" : null }, h("th", { scope: "row" }, key, differs(key) ? h("span", { class: "unseen" }, " (differs)") : null),
    h("td", {}, said(first.settings[key]), first.deviations[key] ? h("span", { class: "quiet" }, ` (the scale paper: ${said(first.deviations[key][1])})`) : null), other ? h("td", {}, said(other.settings[key])) : null));
  const head = h("thead", {}, h("tr", {}, ["setting", first.arm, other ? other.arm : null].filter((text) => text !== null).map((text) => h("th", { scope: "col" }, text))));
  const different = keys.filter(differs).length;
  const table = (some) => h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Settings" }, h("table", { class: "settings" }, head.cloneNode(true), h("tbody", {}, some)));
  return [
    h("p", { class: "quiet" }, other ? `${different} settings differ.` : ""),
    different ? table(rows.slice(0, different)) : null,
    h("details", {}, h("summary", {}, `${rows.length - different} settings ${other ? "that are the same" : ""}`), table(rows.slice(different))),
  ];
}

function provenance(run, open) {
  const facts = [["run", h("button", { type: "button", class: "open", click: () => openDrawer(opening("run", [run.id])) }, run.id)],
    ["commit", run.commit], ["data digest", said(run.digest)], ["archive", said(run.data)], ["pack", said(run.pack)],
    ["machine", `${said(run.device)}, ${said(run.threads)} thread${run.threads === 1 ? "" : "s"}, ${said(run.precision)}`],
    ["health", run.health || "nothing to say"], ["took", run.wall_s === undefined ? "not known" : `${number(run.wall_s)} s, ${said(run.images_per_s)} images/s`], ["versions", said(run.versions)]];
  return h("details", { open }, h("summary", {}, `seed ${run.seed}, ${run.group.name}`), factList(facts.filter(([, value]) => value)),
    h("div", { class: "command" }, h("pre", { tabindex: "0", role: "region", "aria-label": "Command" }, h("code", {}, run.command || "none")),
      h("button", { type: "button", class: "small", click: () => copy(run.command) }, "Copy the command")));
}
