// A study while it runs: what `ablate report --serve` says of it, asked for again and again.

const EVERY_MS = 2000;
let latest = null; // what the server last said
let showLive = () => {};

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.round(seconds)} s`;
}

async function poll() {
  try {
    const answer = await fetch("status.json");
    latest = answer.ok ? await answer.json() : { fault: `the server answers ${answer.status}` };
  } catch {
    latest = { ...(latest || {}), fault: "the server is gone" };
  }
  showLive();
  setTimeout(poll, EVERY_MS);
}

function liveView() {
  const place = h("div", { class: "live" });
  const open = new Set();
  showLive = () =>
    fill(
      place,
      latest && latest.total
        ? liveNodes(latest, open)
        : h("p", { role: "alert" }, latest ? latest.fault : "Waiting for the server."),
    );
  showLive();
  return [h("h1", {}, "Live"), place];
}

/** `open` has the runs whose curves are shown, over all the times that this is drawn. */
function liveNodes({ scale, total, rows, running, slots, measured, over, fault }, open) {
  const left = over
    ? "Nothing runs, and nothing is to do. "
    : `About ${duration(total.left_s)} left at ${slots} at once (${measured ? `measured: ${many(measured, "run")}` : "from a prior, as no run was measured yet"}). `;
  const columns = ["study", "done", "running", "to do", "failed", "images/s", "left"];
  return [
    h(
      "p",
      { class: "note" },
      `Scale ${scale}: ${total.done} of ${total.runs} done, ${total.running} running, ${total.to_do} to do, ${total.failed} failed. `,
      left,
      h("b", {}, fault || ""),
    ),
    h("progress", {
      max: 1,
      value: total.runs ? (total.done + total.failed) / total.runs : 1,
      "aria-label": "runs that ended",
    }),
    h("h2", {}, `Running: ${running.length}`),
    running.map((run) => runningNode(run, open)),
    h("h2", {}, "Studies"),
    h(
      "div",
      { class: "wide", tabindex: "0", role: "region", "aria-label": "Studies" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            columns.map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        h(
          "tbody",
          {},
          rows.map((row) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, row.name),
              [
                `${row.done}/${row.runs}`,
                row.running || "",
                row.to_do || "",
                row.failed || "",
                row.images_per_s ? Math.round(row.images_per_s) : "",
                row.to_do || row.running ? duration(row.left_s) : "",
              ].map((text) => h("td", { class: "r" }, String(text))),
            ),
          ),
        ),
      ),
    ),
  ];
}

function runningNode(run, open) {
  const left = run.silent_s === null ? `${duration(run.left_s) || "?"} left` : `silent for ${duration(run.silent_s)}`;
  const measures = [...new Set(run.curve.flatMap((point) => Object.keys(point)))].filter((name) => name !== "epoch");
  const speed = run.images_per_s ? `, ${Math.round(run.images_per_s)} images/s` : "";
  return h(
    "details",
    { open: open.has(run.run), toggle: (event) => open[event.target.open ? "add" : "delete"](run.run) },
    h(
      "summary",
      {},
      `${run.study}: ${run.arm}${run.seed === null ? "" : `, seed ${run.seed}`}: epoch ${run.done} of ${run.epochs}, ${left}${speed}`,
    ),
    lines(
      measures.map((measure, colour) => ({
        name: metric(measure).label,
        colour,
        x: run.curve.map((point) => point.epoch),
        y: run.curve.map((point) => point[measure] ?? null),
      })),
      measures[measures.length - 1] || "val_top1",
    ),
    h("p", { class: "quiet" }, "Since this server began to look."),
  );
}
