// Tables that sort and filter; how they do so stands in the address.

const NUMERIC = /^[-+−]?(\d[\d,]*\.?\d*|\.\d+)(e[-+]?\d+)?(%| %| ±.*| \([-+−\d].*| points?| parameters| nats| share)?$/i;
const FEW = 250; // rows that are drawn before more are asked for

const numeric = (text) => NUMERIC.test(text);
const valueOf = (text) => (numeric(text) ? parseFloat(text.replaceAll(",", "").replace("−", "-")) : NaN);

function compared(a, b) {
  const [x, y] = [valueOf(a), valueOf(b)];
  if (a === "" || b === "") return (a === "") - (b === ""); // empty ones last, in both directions
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a.localeCompare(b, "en", { numeric: true });
}

/**
 * @param id what it is called in the address.
 * @param title its caption.
 * @param about what stands behind the title, above the table.
 * @param columns [{label, text(row), cell(row)}]: text is sorted and filtered by, cell (default: text) is shown.
 * @param rows anything.
 * @param keep which of the rows other filters leave; `redraw` of what comes back applies them again.
 */
function dataTable({ id, title, about = "", columns, rows, tools = [], keep = () => true, quiet = false }) {
  const texts = new Map(rows.map((row) => [row, columns.map((column) => String(column.text(row) ?? ""))]));
  const right = columns.map((_, i) => {
    const filled = rows.map((row) => texts.get(row)[i]).filter(Boolean);
    return filled.length > 0 && filled.filter(numeric).length >= filled.length * 0.6;
  });
  let limit = FEW;
  const body = h("tbody");
  const counted = h("span", { class: "quiet", role: "status" });
  const more = h("button", {
    type: "button",
    class: "small",
    click: () => {
      limit = Infinity;
      draw();
    },
  });
  const input = h("input", {
    type: "search",
    placeholder: "Filter rows",
    "aria-label": `Filter the rows of ${title}`,
    value: param(`f.${id}`),
    input: () => {
      setParams({ [`f.${id}`]: input.value });
      draw();
    },
  });
  const heads = columns.map((column, i) =>
    h(
      "th",
      { scope: "col", class: right[i] ? "r" : null },
      h("button", { type: "button", class: "sort", click: () => sort(i) }, column.label || "name"),
    ),
  );

  function sort(i) {
    const now = param(`s.${id}`);
    setParams({ [`s.${id}`]: now === `${i}` ? `-${i}` : now === `-${i}` ? "" : `${i}` });
    draw();
  }

  function draw() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const by = param(`s.${id}`);
    const [at, down] = [Math.abs(parseInt(by, 10)), by.startsWith("-")];
    let found = rows.filter(
      (row) =>
        keep(row) && (!words.length || words.every((word) => texts.get(row).join("\n").toLowerCase().includes(word))),
    );
    if (by && at < columns.length) {
      found = [...found].sort((a, b) => {
        const [x, y] = [texts.get(a)[at], texts.get(b)[at]];
        return x === "" || y === "" ? compared(x, y) : compared(x, y) * (down ? -1 : 1);
      });
    }
    heads.forEach((head, i) => {
      if (by && i === at) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    body.replaceChildren(
      ...found.slice(0, limit).map((row) =>
        h(
          "tr",
          {},
          columns.map((column, i) => {
            const content = column.cell ? column.cell(row) : texts.get(row)[i];
            const classes = [right[i] ? "r" : "", texts.get(row)[i].length > 40 ? "long" : "", column.class || ""]
              .filter(Boolean)
              .join(" ");
            return h(i ? "td" : "th", { class: classes || null, scope: i ? null : "row" }, content);
          }),
        ),
      ),
    );
    counted.textContent =
      (found.length === rows.length ? "" : `${found.length} of `) + many(rows.length, "row");
    more.textContent = `Show all ${found.length}`;
    more.hidden = found.length <= limit;
  }

  draw();
  const node = h(
    "div",
    { class: "table", id: `t-${id}` },
    h("div", { class: "tools" }, input, counted, more, tools),
    quiet ? null : h("p", { class: "caption" }, h("b", {}, title), about && `. ${about}`),
    h(
      "div",
      { class: "wide", tabindex: "0", role: "region", "aria-label": title },
      h("table", {}, h("caption", { class: "unseen" }, title), h("thead", {}, h("tr", {}, heads)), body),
    ),
  );
  node.redraw = draw;
  return node;
}

/** A table of results/<scale>; its numbers open the drawer. Without a title, its own caption stands above it. */
function resultTable(table, title, quiet = false) {
  if (table.rows === null) return h("p", { class: "quiet" }, `${table.name}: missing`);
  if (!table.rows.length) return null;
  const index = new Map(table.rows.map((row, i) => [row, i]));
  const suffixes = [".csv", ".tex", ".md"].map((suffix) => `${table.id}${suffix}`);
  const node = dataTable({
    id: table.id,
    title: title || table.title || table.name,
    about: title ? "" : (table.caption || "").slice((table.title || "").length + 2),
    rows: table.rows,
    tools: saving(suffixes),
    quiet,
    columns: table.columns.map((name, i) => ({
      label: table.heads[i],
      text: (row) => row[i],
      cell: (row) =>
        i && numeric(row[i]) ? opener("cell", [table.id, table.labels[index.get(row)], name], row[i]) : row[i],
    })),
  });
  node.append(...(table.notes || []).map((note) => h("p", { class: "quiet" }, note)));
  return node;
}

/** What the address says of something that the drawer shows. */
const opening = (kind, parts) => [kind, ...parts].map(encodeURIComponent).join("|");

/** A number, or a name, that opens the drawer. */
function opener(kind, parts, text, label) {
  return h(
    "button",
    { type: "button", class: "open", "aria-label": label, click: () => openDrawer(opening(kind, parts)) },
    text,
  );
}
