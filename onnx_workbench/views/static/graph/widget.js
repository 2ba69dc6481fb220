/** The graph in a notebook cell: what the reader does, what the kernel answers, and what is then shown. */

/** @import { Details, Fold, Graph, Hit, Overlay, Worst } from "./types.js" */
/** @import { Viewer } from "./viewer.js" */

import { makeSearch } from "./boxes.js";
import { element, isDark, svgElement, toolButton } from "./elements.js";
import { Legend, chosenOverlay } from "./legend.js";
import { foldButtons } from "./modules.js";
import { Pane } from "./pane.js";
import { fillPanel, savedDetails } from "./panel.js";

const PANEL_WIDTH = 320;
const KERNEL_PATIENCE_MS = 2500;

/** The widget's elements. @param {string} name */
function makeElements(name) {
  const root = element("div", "ow-graph");
  const bar = element("div", "ow-bar");
  const search = /** @type {HTMLInputElement} */ (element("input", "ow-search"));
  search.type = "search";
  search.placeholder = "Search operators, nodes, values";
  search.setAttribute("aria-label", "Search by operator, node name or value name");
  const count = element("span", "ow-count");
  const live = element("span", "ow-live");
  live.setAttribute("aria-live", "polite");
  live.setAttribute("role", "status");
  const body = element("div", "ow-body");
  const panel = element("aside", "ow-panel");
  panel.setAttribute("aria-label", "Details of the selected node");
  panel.hidden = true;
  body.append(panel);
  bar.append(element("span", "ow-name", name), search, count);
  const notice = element("div", "ow-notice");
  root.append(bar, notice, body, live);
  return { root, bar, search, count, live, notice, body, panel };
}

/** @param {HTMLElement} root */
function fullScreenButton(root) {
  const button = toolButton("Full screen", "", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else root.requestFullscreen();
  });
  const corners = svgElement("svg", { viewBox: "0 0 12 12", width: 11, height: 11, "aria-hidden": "true" });
  const strokes = { fill: "none", stroke: "currentColor", "stroke-width": 1.5 };
  corners.append(svgElement("path", { d: "M1 4V1h3M8 1h3v3M11 8v3H8M4 11H1V8", ...strokes }));
  button.append(corners);
  return button;
}

/** Kept together when the bar is narrow. @param {Viewer} viewer @param {HTMLElement} root */
function zoomButtons(viewer, root) {
  const group = element("span", "ow-tools");
  group.append(
    toolButton("Zoom out", "−", () => viewer.zoom(0.8)),
    toolButton("Zoom in", "+", () => viewer.zoom(1.25)),
    toolButton("Fit the whole graph; again: back to its beginning", "Fit", () => viewer.toggleFit()),
    fullScreenButton(root),
  );
  return group;
}

/** Fill the panel anew; the focus stays on the control that has it, by its label. @param {HTMLElement} panel @param {() => void} fill */
function keepFocus(panel, fill) {
  const label = (/** @type {Element | null} */ item) => item?.getAttribute("aria-label") || item?.textContent;
  const focused = panel.contains(document.activeElement) ? label(document.activeElement) : null;
  fill();
  if (!focused) return;
  const controls = /** @type {HTMLElement[]} */ ([...panel.querySelectorAll("button, input, select")]);
  controls.find((control) => label(control) === focused)?.focus({ preventScroll: true });
}

/** @param {{model: import("@anywidget/types").AnyModel, el: HTMLElement}} context */
export function render({ model, el }) {
  let graph = /** @type {Graph} */ (model.get("graph"));
  const parts = makeElements(graph.name);
  const { root, bar, search, panel, live } = parts;
  /** @type {Overlay | null} */
  let overlay = null;
  const overlayNow = () => overlay;
  const say = (/** @type {string} */ text) => {
    live.textContent = text;
  };
  const pane = new Pane(root, graph, model.get("height"), {
    selected: (node) => select(node),
    fold,
    say,
    overlayNow,
  });
  const { stage, viewer } = pane;
  const legend = new Legend(
    (shown) => set("overlay_shown", shown),
    (scale) => set("overlay_scale", scale),
    jump,
  );
  legend.toggled = () => {
    onOverlay();
    viewer.refit();
  };
  const oddButton = toolButton(
    "Next difference (n): a solid border differs from its counterpart, a dashed one has none",
    "",
    nextOdd,
  );
  let find = makeSearch(graph);
  let [selected, reporting, waiting, folding] = [-1, 0, 0, 0];
  let revealing = false; // a node in a closed module is to be drawn and shown
  /** @type {{found: Hit[], at: number}} */
  const hits = { found: [], at: -1 };
  /** @type {[number, number] | null} where the box was that is to stay */
  let kept = null;
  const folds = foldButtons(
    () => graph,
    fold,
    () => (selected >= 0 ? selected : viewer.central),
  );

  /** @param {number} node @param {boolean} report  tell the kernel */
  function select(node, report = true) {
    if (node === selected) return;
    selected = node;
    root.dataset.selected = String(node);
    pane.mark(node);
    panel.scrollTop = 0;
    showDetails();
    say(node < 0 ? "Nothing selected" : pane.describe(node));
    clearTimeout(reporting);
    if (!report) return;
    // Walking with the keys passes many nodes: only where one rests is the kernel asked.
    reporting = setTimeout(() => {
      model.set("selected", node);
      model.save_changes();
    }, 60);
  }

  /** Ask the kernel to open or close modules. @param {Fold} wanted */
  function fold(wanted) {
    kept = wanted.anchor >= 0 ? viewer.toStage(wanted.anchor) : null;
    revealing = wanted.kind === "reveal";
    clearTimeout(reporting); // what is selected travels with the wish: boxes will have other numbers
    model.send({ ...wanted, selected });
    clearTimeout(folding);
    folding = setTimeout(() => {
      const note = "The kernel opens and closes modules: run this cell in Jupyter.";
      showNotice(note);
      say(note);
    }, KERNEL_PATIENCE_MS);
  }

  /** The kernel has drawn the graph anew: other modules are open. */
  function onGraph() {
    for (const timer of [folding, reporting]) clearTimeout(timer);
    graph = /** @type {Graph} */ (model.get("graph"));
    find = makeSearch(graph);
    selected = -1;
    pane.replace(graph, kept);
    const follow = revealing || !kept; // nobody who opens a module by hand wants to be led elsewhere
    kept = null;
    describeGraph();
    onOverlay();
    searchAnew();
    onSelected(follow);
    revealing = false;
    if (selected < 0) showDetails();
    root.dataset.selected = String(selected);
    say(`${graph.nodes.x.length} boxes are drawn`);
  }

  /** @param {string} text */
  function showNotice(text) {
    parts.notice.textContent = text;
    parts.notice.hidden = !text;
  }

  /** Go to the next box that is marked, from the one that is selected. */
  function nextOdd() {
    const odd = graph.marks.flatMap((mark, i) => (mark ? [i] : []));
    if (!odd.length) return;
    goTo(odd.find((place) => place > selected) ?? odd[0], -1);
  }

  function describeGraph() {
    const count = graph.marks.filter(Boolean).length;
    oddButton.hidden = !count;
    oddButton.textContent = `≠ ${count}`;
    const hint = graph.hidden.place.length ? " The + on a box, or Enter, opens it." : "";
    showNotice(graph.notice + hint);
    folds.update();
    root.dataset.surface = pane.large ? "canvas" : "svg";
    root.dataset.nodes = String(graph.nodes.x.length);
  }

  /** Ask the kernel for another look at the value. @param {Record<string, unknown>} look */
  function ask(look) {
    model.send({ kind: "look", ...look });
  }

  function close() {
    select(-1);
    stage.focus({ preventScroll: true });
  }

  /** Note what lies over the graph: a node that is shown must not lie there. */
  function cover() {
    viewer.covered = selected < 0 ? 0 : Math.min(PANEL_WIDTH, stage.clientWidth / 2);
    parts.body.style.setProperty("--ow-covered", `${viewer.covered}px`);
    const { hidden, offsetLeft, offsetTop, offsetWidth } = legend.element;
    viewer.legend = hidden ? [0, 0] : [offsetLeft + offsetWidth, stage.clientHeight - offsetTop];
  }

  function showDetails() {
    clearTimeout(waiting);
    panel.hidden = selected < 0;
    cover();
    if (selected < 0) return;
    const details = /** @type {Details} */ (model.get("details"));
    const answered = details?.node === selected;
    root.dataset.answered = String(answered);
    const text = overlay?.texts[selected];
    const number = text ? [[overlay?.label || "overlay", text]] : [];
    const saved = savedDetails(graph, selected);
    const fill = (/** @type {Details} */ shown, note = "") =>
      keepFocus(panel, () =>
        fillPanel(panel, graph, { ...shown, rows: [...number, ...shown.rows] }, note, close, ask, fold),
      );
    fill(answered ? details : saved);
    if (answered || graph.nodes.kind[selected] !== "node") return;
    const note = "Weights and statistics come from the kernel: run this cell in Jupyter to see them.";
    waiting = setTimeout(() => fill(saved, note), KERNEL_PATIENCE_MS);
  }

  /** @param {number} step */
  function goToHit(step) {
    const { found } = hits;
    if (!found.length) return;
    hits.at = hits.at < 0 && step < 0 ? found.length - 1 : (hits.at + step + found.length) % found.length;
    const { place, node } = found[hits.at];
    showCount();
    goTo(place, node);
    if (node < 0) say(`${parts.count.textContent}: ${pane.describe(place)}`);
  }

  /** Select a box and bring it into sight; a node in a closed module is drawn first. @param {number} place @param {number} node */
  function goTo(place, node) {
    const hidden = graph.nodes.kind[place] === "module" && node >= 0;
    select(place, !hidden);
    viewer.show(place);
    if (hidden) fold({ kind: "reveal", which: node, anchor: place });
  }

  function showCount() {
    const count = hits.found.length;
    const text = hits.at < 0 ? `${count} found` : `${hits.at + 1} of ${count}`;
    parts.count.textContent = search.value.trim() ? text : "";
  }

  function searchAnew() {
    hits.found = find(search.value);
    hits.at = Math.min(hits.at, hits.found.length - 1);
    showCount();
    say(parts.count.textContent);
    pane.markHits(hits.found.map(({ place }) => place));
  }

  /** @param {KeyboardEvent} event */
  function onSearchKey(event) {
    event.stopPropagation(); // JupyterLab has shortcuts on single letters
    if (event.key === "Enter") goToHit(event.shiftKey ? -1 : 1);
    if (event.key !== "Escape") return;
    search.value = "";
    searchAnew();
    stage.focus({ preventScroll: true });
  }

  function onTheme() {
    root.dataset.theme = isDark() ? "dark" : "light";
    pane.request("draw");
  }

  function onOverlay() {
    const [all, shown] = [model.get("overlays") ?? {}, model.get("overlay_shown") ?? -1];
    overlay = chosenOverlay(all, shown, model.get("overlay_scale"));
    const appears = legend.element.hidden;
    legend.fill(all, overlay, shown);
    cover();
    if (appears !== legend.element.hidden && root.dataset.ready) viewer.refit();
    pane.request("draw");
    if (!panel.hidden) showDetails();
  }

  /** @param {string} name @param {unknown} value */
  function set(name, value) {
    model.set(name, value);
    model.save_changes();
  }

  /** @param {Worst} worst */
  function jump(worst) {
    goTo(worst.place, worst.node);
  }

  function onSelected(follow = true) {
    const node = model.get("selected");
    if (node === selected || node >= graph.nodes.x.length) return;
    select(node, false);
    if (node >= 0 && follow) viewer.show(node);
  }

  function begin() {
    cover();
    pane.begin();
    onSelected();
    requestAnimationFrame(() => {
      root.dataset.ready = "true";
    });
  }

  pane.keys["/"] = () => search.focus();
  pane.keys.n = nextOdd;
  root.style.height = `${model.get("height")}px`;
  bar.append(oddButton, folds.group, zoomButtons(viewer, root));
  describeGraph();
  parts.body.prepend(pane.element);
  parts.body.append(legend.element);
  el.append(root);
  onOverlay();
  root.dataset.theme = isDark() ? "dark" : "light";

  search.addEventListener("input", () => {
    hits.at = -1;
    searchAnew();
  });
  search.addEventListener("keydown", onSearchKey);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  /** @type {[string, () => void][]} */
  const listeners = [
    ["change:details", showDetails],
    ["change:selected", () => onSelected()],
    ["change:graph", onGraph],
    ["change:overlays", onOverlay],
    ["change:overlay_shown", onOverlay],
    ["change:overlay_scale", onOverlay],
  ];
  for (const [event, listener] of listeners) model.on(event, listener);

  // The cell has no size yet, and none while it is hidden: the first drawing waits for one.
  const resizing = new ResizeObserver(() => {
    if (!stage.clientHeight) return;
    if (!root.dataset.ready) {
      begin();
      return;
    }
    cover();
    pane.resize();
  });
  resizing.observe(stage);
  const theming = new MutationObserver(onTheme);
  theming.observe(document.body, { attributeFilter: ["data-jp-theme-light", "class"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", onTheme);

  return () => {
    for (const [event, listener] of listeners) model.off(event, listener);
    system.removeEventListener("change", onTheme);
    resizing.disconnect();
    theming.disconnect();
    for (const timer of [reporting, waiting, folding]) clearTimeout(timer);
    pane.stop();
  };
}

export default { render };
