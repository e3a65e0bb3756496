// What is behind numbers: seeds, curves, settings beside another arm's, and how the runs were made.

/** Seeds, curves, settings and provenance of groups of runs: [{name, arm, runs: [[run, value]]}]. */
function behind(found, groups, unit) {
  const runs = groups.flatMap((group, colour) =>
    group.runs.map(([run, value]) => ({ id: run, value, group, colour, ...found.runs[run] })),
  );
  if (!runs.length) return h("p", { class: "quiet" }, "No run is behind it.");
  const there = runs.filter((run) => run.commit);
  return [
    groups.length === 2 && groups.every((group) => group.arm)
      ? h(
          "p",
          {},
          h(
            "a",
            { class: "button", href: link(["compare"], { a: armKey(groups[0].arm), b: armKey(groups[1].arm) }) },
            "Compare these two arms",
          ),
        )
      : null,
    h("h3", {}, "Seeds"),
    dots(
      groups.map((group, colour) => ({
        name: group.name,
        colour,
        values: group.runs.map(([, value]) => value).filter((value) => value !== null),
      })),
      unit,
    ),
    dataTable({
      id: "seeds",
      title: "Seeds",
      quiet: true,
      rows: runs,
      columns: [
        { label: "arm", text: (run) => run.group.name },
        { label: "seed", text: (run) => String(run.seed ?? "") },
        { label: "value", text: (run) => (run.value === null ? "" : number(run.value)) },
        { label: "status", text: (run) => run.status },
        { label: "health", text: (run) => run.health || "" },
        { label: "best epoch", text: (run) => String(run.best_val_epoch ?? "") },
      ],
    }),
    h("h3", {}, "Curves"),
    curvesOf(there),
    groups.some((group) => group.arm) ? [h("h3", {}, "Settings"), settingsOf(found, groups)] : null,
    h("h3", {}, "How the runs were made"),
    there.length
      ? there.map((run, i) => provenance(run, i === 0))
      : h("p", { class: "quiet" }, "None of them was run."),
  ];
}

function curvesOf(runs) {
  const there = runs.flatMap((run) => Object.keys(run.curve || {})).filter((name) => name !== "epoch");
  const measures = [...new Set([...CURVES.filter((name) => there.includes(name)), ...there])];
  if (!measures.length) return h("p", { class: "quiet" }, "No run of these left a curve.");
  const draw = (measure) =>
    lines(
      runs
        .filter((run) => run.curve && run.curve[measure])
        .map((run) => ({ name: run.group.name, colour: run.colour, x: run.curve.epoch, y: run.curve[measure] })),
      measure,
    );
  return chosen(measures, draw, (measure) => metric(measure).label);
}

const said = (value) =>
  value === null || value === undefined ? "none" : Array.isArray(value) ? value.join(", ") : String(value);

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
    choice.length
      ? h(
          "label",
          {},
          `${shownArm(first)} beside `,
          h(
            "select",
            { change: (event) => draw(found.byArm.get(event.target.value)) },
            choice.map((arm) =>
              h(
                "option",
                { value: armKey(arm), selected: arm === named },
                arm.study === first.study ? shownArm(arm) : `${arm.study}: ${shownArm(arm)}`,
              ),
            ),
          ),
        )
      : null,
    place,
  ];
}

function settingsTable(first, other) {
  const keys = [...new Set([...Object.keys(first.settings), ...Object.keys(other ? other.settings : {})])];
  const differs = (key) => other && said(first.settings[key]) !== said(other.settings[key]);
  const ordered = [...keys.filter(differs), ...keys.filter((key) => !differs(key))];
  const rows = ordered.map((key) =>
    h(
      "tr",
      { class: differs(key) ? "differs" : null },
      h("th", { scope: "row" }, key, differs(key) ? h("span", { class: "unseen" }, " (differs)") : null),
      h(
        "td",
        {},
        said(first.settings[key]),
        first.deviations[key]
          ? h("span", { class: "quiet" }, ` (the scale paper: ${said(first.deviations[key][1])})`)
          : null,
      ),
      other ? h("td", {}, said(other.settings[key])) : null,
    ),
  );
  const head = h(
    "thead",
    {},
    h(
      "tr",
      {},
      ["setting", shownArm(first), other ? shownArm(other) : null]
        .filter((text) => text !== null)
        .map((text) => h("th", { scope: "col" }, text)),
    ),
  );
  const different = keys.filter(differs).length;
  const table = (some) =>
    h(
      "div",
      { class: "wide", tabindex: "0", role: "region", "aria-label": "Settings" },
      h("table", { class: "settings" }, head.cloneNode(true), h("tbody", {}, some)),
    );
  return [
    h("p", { class: "quiet" }, other ? `${many(different, "setting")} ${different === 1 ? "differs" : "differ"}.` : ""),
    different ? table(rows.slice(0, different)) : null,
    h(
      "details",
      {},
      h("summary", {}, `${many(rows.length - different, "setting")}${other ? ", the same in both" : ""}`),
      table(rows.slice(different)),
    ),
  ];
}

function provenance(run, open) {
  const facts = [
    ["run", h("button", { type: "button", class: "open", click: () => openDrawer(opening("run", [run.id])) }, run.id)],
    ["commit", run.commit],
    ["data digest", said(run.digest)],
    ["archive", said(run.data)],
    ["pack", said(run.pack)],
    [
      "machine",
      `${said(run.device)}, ${run.threads === undefined ? "threads not known" : many(run.threads, "thread")}, ${said(run.precision)}`,
    ],
    ["health", run.health || "nothing to say"],
    ["took", run.wall_s === undefined ? "not known" : `${number(run.wall_s)} s, ${said(run.images_per_s)} images/s`],
    ["ended", run.ended],
    ["versions", said(run.versions)],
  ];
  return h(
    "details",
    { open },
    h("summary", {}, `seed ${run.seed}, ${run.group.name}`),
    factList(facts.filter(([, value]) => value)),
    h(
      "div",
      { class: "command" },
      h("pre", { tabindex: "0", role: "region", "aria-label": "Command" }, h("code", {}, run.command || "none")),
      h("button", { type: "button", class: "small", click: () => copy(run.command) }, "Copy the command"),
    ),
  );
}
