// Which page the address asks for, the navigation beside it, keys and colours.

const VIEWS = {
  board: boardView,
  live: liveView,
  runs: runsView,
  compare: compareView,
  whole: wholeView,
  paper: paperView,
  study: (paper, name) => studyView(paper, name),
  data: (name) => dataView(name),
  table: otherTable,
};

let shownPath = null;
let asked = 0; // pages that take a moment: only the one that was asked for last is shown

async function show() {
  const { path, params } = address();
  const mine = (asked += 1);
  const [name, ...rest] = path.length ? path : ["board"];
  showLive = () => {};
  const nodes = Object.hasOwn(VIEWS, name) ? await VIEWS[name](...rest) : missing(path.join("/"));
  if (mine !== asked) return;
  const main = fill($("main"), nodes);
  const heading = main.querySelector("h1");
  document.title = `${heading ? heading.textContent : "Report"} – ablation report: ${CONTENT.scale}`;
  for (const entry of $("nav").querySelectorAll("a")) {
    if (entry.getAttribute("href") === link([name, ...rest])) entry.setAttribute("aria-current", "page");
    else entry.removeAttribute("aria-current");
  }
  const here = path.join("/");
  if (shownPath !== null && shownPath !== here) {
    scrollTo(0, 0);
    menu(false);
    if (heading && !params.get("open")) {
      heading.setAttribute("tabindex", "-1");
      heading.focus({ preventScroll: true });
    }
  }
  shownPath = here;
  const at = params.get("at") && $(params.get("at"));
  if (at) at.scrollIntoView();
  await showDrawer();
}

function navigation() {
  const entry = (path, text, count) =>
    h(
      "li",
      {},
      h(
        "a",
        { href: link(path) },
        h("span", {}, text),
        count === undefined ? null : h("span", { class: "count" }, String(count)),
      ),
    );
  const rows = (table) => (table.rows === null ? "–" : table.rows.length);
  const claims = (paper) => CLAIMS.filter((claim) => claim.paper === paper.id).length;
  return [
    h(
      "ul",
      {},
      CONTENT.live ? entry(["live"], "Live") : null,
      entry(["board"], "Claims", CLAIMS.length),
      Object.entries(OTHERS).map(([name, [, , short]]) =>
        entry(["table", name], short, rows(CONTENT.board.tables[name])),
      ),
      entry(["runs"], "Runs", CONTENT.runs),
      entry(["compare"], "Compare two arms"),
    ),
    CONTENT.papers.map((paper) => [
      h(
        "h2",
        {},
        h(
          "a",
          { href: link(["paper", paper.id]) },
          h("span", {}, paper.id),
          h("span", { class: "count" }, claims(paper) ? many(claims(paper), "claim") : ""),
        ),
      ),
      h(
        "ul",
        {},
        paper.studies.map((study) => entry(["study", paper.id, study.id], study.title, `${study.ended}/${study.runs}`)),
      ),
    ]),
    h("h2", {}, h("span", {}, "Data")),
    h(
      "ul",
      {},
      CONTENT.data.map((data) => entry(["data", data.id], data.id, many(data.classes.length, "class"))),
      entry(["whole"], "All on one page"),
    ),
  ];
}

function menu(open) {
  document.body.classList.toggle("menu", open);
  $("menu").setAttribute("aria-expanded", String(open));
}

const THEMES = ["auto", "light", "dark"];
const KEPT = "ablate-theme";

/** Where the browser keeps it; some keep nothing for a file. */
function keptTheme(set) {
  try {
    if (set) localStorage.setItem(KEPT, set);
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = `Colours: ${name}`;
}

function start() {
  theme(THEMES.includes(keptTheme()) ? keptTheme() : "auto");
  $("theme").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    theme(next);
    keptTheme(next);
  });
  $("scale").textContent = [CONTENT.scale, CONTENT.note].filter(Boolean).join(": ");
  make($("nav"), {}, navigation());
  $("menu").addEventListener("click", () => menu(!document.body.classList.contains("menu")));
  startSearch();
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      $("search").focus();
    } else if (event.key === "Escape" && !typing && !document.querySelector("dialog[open]")) {
      if (!$("drawer").hidden) closeDrawer();
      menu(false);
    }
  });
  addEventListener("popstate", show); // a link that was followed, and going back
  // Pictures that nobody has scrolled to are unpacked before they are printed.
  addEventListener("beforeprint", () => {
    for (const image of document.querySelectorAll("img.waiting")) image.show();
  });
  if (CONTENT.live) poll();
  show().then(() => {
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
    (window.requestIdleCallback || setTimeout)(detail); // while nobody waits for it
  });
}

start();
