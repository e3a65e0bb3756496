// Elements are made here and nowhere else: text goes in as text nodes, so that no name can become markup.

const $ = (id) => document.getElementById(id);

function make(node, attrs, children) {
  for (const [name, value] of Object.entries(attrs || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** Other children for a node; lists of them are taken as they come. */
function fill(node, ...children) {
  node.replaceChildren();
  return make(node, {}, children);
}

const h = (tag, attrs, ...children) => make(document.createElement(tag), attrs, children);
const svg = (tag, attrs, ...children) =>
  make(document.createElementNS("http://www.w3.org/2000/svg", tag), attrs, children);

/** Base64 as bytes. */
function bytes(text) {
  const raw = atob(text);
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

async function unpacked(text) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

/** A function that works once; what it gives is kept. */
function once(work) {
  let kept;
  return () => (kept ??= work());
}

const blocks = new Map([...document.querySelectorAll("script[data-id]")].map((block) => [block.dataset.id, block]));
const json = async (name) => JSON.parse(await unpacked(blocks.get(name).textContent));

const CONTENT = await json("content");
const PAPERS = new Map(CONTENT.papers.map((paper) => [paper.id, paper]));

// Runs, arms, curves and the runs behind each cell; files to be saved. Each is unpacked when it is first asked for.
const detail = once(async () => {
  const found = await json("detail");
  found.byArm = new Map(found.arms.map((arm) => [armKey(arm), arm]));
  found.armsOf = new Map();
  for (const arm of found.arms) {
    for (const run of arm.runs) found.armsOf.set(run, [...(found.armsOf.get(run) || []), arm]);
  }
  return found;
});

/** 1 run, 2,000 runs, 1 class, 2 classes. */
function many(n, noun) {
  return `${n.toLocaleString("en")} ${n === 1 ? noun : noun + (noun.endsWith("s") ? "es" : "s")}`;
}

const files = once(() => json("files"));
const armKey = (arm) => `${arm.paper}/${arm.study}/${arm.arm}`;

/** What readers see of an arm: its own name, unless the paper's file shows it otherwise. */
function shownArm(arm) {
  const study = (PAPERS.get(arm.paper)?.studies || []).find((one) => one.id === arm.study);
  return study?.names[arm.arm] || arm.arm;
}

const assets = new Map(
  Object.entries(await json("assets")).map(([id, [kind, name]]) => {
    const text = () => blocks.get(id).textContent;
    const blob = once(
      async () => new Blob([kind === "image/svg+xml" ? await unpacked(text()) : bytes(text())], { type: kind }),
    );
    return [id, { name, blob, url: once(async () => URL.createObjectURL(await blob())) }];
  }),
);

/** An image that is unpacked when it comes near the screen, or when the page is printed. */
function picture(id, alt) {
  const image = h("img", { alt, loading: "lazy", class: "waiting" });
  image.show = once(async () => {
    image.src = await assets.get(id).url();
    image.classList.remove("waiting");
    await image.decode().catch(() => {});
  });
  near.observe(image);
  return image;
}

const near = new IntersectionObserver(
  (entries) =>
    entries
      .filter((entry) => entry.isIntersecting)
      .forEach((entry) => {
        near.unobserve(entry.target);
        entry.target.show();
      }),
  { rootMargin: "800px" },
);

function save(name, blob) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Buttons that save files of results/<scale> as they are. */
function saving(places) {
  return places.map((place) =>
    h(
      "button",
      {
        type: "button",
        class: "small",
        "aria-label": `Save ${place}`,
        click: async () => save(place.split("/").pop(), new Blob([(await files())[place]], { type: "text/plain" })),
      },
      place.split(".").pop(),
    ),
  );
}

function say(text) {
  $("said").textContent = text;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", {}, text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say("Copied");
}
