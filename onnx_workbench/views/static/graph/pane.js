/** One graph on its stage: drawing, camera, pointer and the keys that move about. */

/** @import { Fold, Graph, Overlay, Scene, Surface } from "./types.js" */

import { READABLE, describe, neighbour } from "./boxes.js";
import { canvasSurface } from "./canvas_surface.js";
import { element } from "./elements.js";
import { closing, foldAt, moduleAround } from "./modules.js";
import { listenToPointer } from "./pointer.js";
import { makeStrip } from "./strip.js";
import { svgSurface } from "./svg_surface.js";
import { Viewer } from "./viewer.js";

const MOST_SVG_NODES = 2000;

/**
 * @typedef {object} PaneEvents
 * @property {(node: number) => void} selected  by pointer or keys
 * @property {(fold: Fold) => void} fold  a module is to be opened or closed
 * @property {(text: string) => void} say  to screen readers
 * @property {() => Overlay | null} overlayNow
 */

export class Pane {
  /**
   * @param {HTMLElement} root  of the widget; the style sheet's colours are read there
   * @param {Graph} graph
   * @param {number} height  of the widget
   * @param {PaneEvents} events
   */
  constructor(root, graph, height, events) {
    this.root = root;
    this.height = height;
    this.events = events;
    this.element = element("div", "ow-pane");
    this.stage = element("div", "ow-stage");
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "application");
    this.stage.setAttribute("aria-roledescription", "graph");
    this.hint = element("div", "ow-hint", "Click the graph or hold Ctrl to zoom with the wheel");
    this.hint.setAttribute("aria-hidden", "true");
    this.more = element("button", "ow-more", "continues below ↓");
    this.more.setAttribute("type", "button");
    this.more.hidden = true;
    this.more.addEventListener("click", () => this.viewer.pageDown());
    this.element.append(this.stage, this.hint, this.more);
    this.marks = { selected: -1, hovered: -1, hits: /** @type {Set<number>} */ (new Set()) };
    this.pending = 0;
    this.hinting = 0;
    /** @type {Set<"draw" | "mark" | "move">} */
    this.wanted = new Set();
    this.viewer = new Viewer(graph, this.stage, () => this.request("move"));
    /** @type {Record<string, () => void>} */
    this.keys = {
      "+": () => this.viewer.zoom(1.25),
      "=": () => this.viewer.zoom(1.25),
      "-": () => this.viewer.zoom(0.8),
      0: () => this.viewer.toggleFit(),
      Escape: () => this.events.selected(-1),
      Enter: () => this.openModule(this.marks.selected),
      "Shift+Enter": () => this.closeModule(),
    };
    for (const key of ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"])
      this.keys[key] = () => this.walk(key);
    this.stage.addEventListener("keydown", (event) => this.onKey(event));
    listenToPointer(
      this.stage,
      this.viewer,
      (node, x, y) => this.click(node, x, y),
      (node) => this.hover(node),
      () => this.showHint(),
    );
    this.stage.addEventListener("dblclick", () => this.openModule(this.marks.selected));
    this.graph = graph;
    this.show(graph);
  }

  get large() {
    return this.graph.nodes.x.length > MOST_SVG_NODES;
  }

  /** Show a graph; the camera stays as it is. @param {Graph} graph */
  show(graph) {
    this.graph = graph;
    this.viewer.graph = graph;
    const { overlayNow } = this.events;
    /** @type {Surface} */
    this.surface = this.large ? canvasSurface(graph, overlayNow, this.root) : svgSurface(graph, overlayNow);
    this.stage.replaceChildren(this.surface.element);
    this.strip?.box.remove();
    const tall = graph.height * READABLE > this.height;
    this.strip = tall ? makeStrip(graph, overlayNow, (y) => this.viewer.goTo(y)) : null;
    if (this.strip) this.element.append(this.strip.box);
    const size = `${graph.nodes.x.length} boxes, ${graph.edges.path.length} edges`;
    const keys =
      "Arrow keys walk along edges, plus and minus zoom, 0 fits, slash searches, Escape deselects." +
      (graph.foldable ? " Enter opens a module, Shift and Enter close it." : "");
    this.stage.setAttribute("aria-label", `Graph of ${graph.name}: ${size}. ${keys}`);
  }

  /** Draw for the first time, now that the stage has a size. */
  begin() {
    this.viewer.fit(true);
    this.request("draw");
    cancelAnimationFrame(this.pending);
    this.paint();
  }

  /** Draw at the next frame, however many changes come until then. @param {"draw" | "mark" | "move"} what */
  request(what) {
    this.wanted.add(what);
    if (what === "draw") this.wanted.add("move");
    if (!this.pending) this.pending = requestAnimationFrame(() => this.paint());
  }

  /** Say that the graph goes on below, unless a strip says it already. */
  showMore() {
    const needless = !!this.strip || !this.viewer.continues;
    // A hidden button cannot keep the focus: whoever pressed it goes on in the graph.
    if (needless && this.more.matches(":focus")) this.stage.focus({ preventScroll: true });
    this.more.hidden = needless;
  }

  paint() {
    this.pending = 0;
    if (!this.surface) return;
    /** @type {Scene} */
    const scene = {
      ...this.marks,
      camera: this.viewer.camera,
      width: this.stage.clientWidth,
      height: this.stage.clientHeight,
    };
    const order = /** @type {("draw" | "mark" | "move")[]} */ (
      this.large ? ["draw"] : ["draw", "mark", "move"]
    );
    for (const what of order) if (this.large || this.wanted.has(what)) this.surface[what](scene);
    if (this.strip && this.wanted.has("draw")) this.strip.draw();
    this.strip?.move(scene);
    this.showMore();
    this.wanted.clear();
  }

  /** @param {number} node */
  mark(node) {
    this.marks.selected = node;
    this.request("mark");
  }

  /** @param {number[]} nodes */
  markHits(nodes) {
    this.marks.hits = new Set(nodes);
    this.request("mark");
  }

  /** @param {number} node */
  describe(node) {
    return describe(this.graph, this.events.overlayNow(), node);
  }

  /** @param {number} node @param {number} x @param {number} y  on the stage */
  click(node, x, y) {
    const fold = foldAt(this.graph, node, ...this.viewer.toGraph(x, y));
    if (fold) {
      this.events.fold(fold);
      return;
    }
    this.events.selected(node);
    if (node >= 0) this.viewer.show(node, true); // the panel may have covered it
  }

  /** @param {number} node */
  hover(node) {
    this.stage.classList.toggle("ow-over", node >= 0);
    this.stage.title =
      node < 0
        ? ""
        : [this.graph.nodes.name[node], this.events.overlayNow()?.texts[node]].filter(Boolean).join(" · ");
    if (node === this.marks.hovered) return;
    this.marks.hovered = node;
    this.request("mark");
  }

  /** @param {string} key */
  walk(key) {
    const last = this.graph.nodes.x.length - 1;
    const ends = /** @type {Record<string, number>} */ ({ Home: 0, End: last });
    const { selected } = this.marks;
    const next = ends[key] ?? (selected < 0 ? 0 : neighbour(this.graph, selected, key));
    if (next < 0 || last < 0) {
      this.events.say("No node that way");
      return;
    }
    this.events.selected(next);
    this.viewer.show(next);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const key = event.shiftKey && event.key === "Enter" ? "Shift+Enter" : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || !this.keys[key]) return;
    event.preventDefault();
    event.stopPropagation();
    this.keys[key]();
  }

  /** @param {number} node */
  openModule(node) {
    if (this.graph.nodes.kind[node] === "module")
      this.events.fold({ kind: "open", which: node, anchor: node });
  }

  closeModule() {
    const module = moduleAround(this.graph, this.marks.selected);
    if (module >= 0) this.events.fold(closing(this.graph, module));
  }

  /** Show another drawing of the graph; a box stays where another was. @param {Graph} graph @param {[number, number] | null} point */
  replace(graph, point) {
    this.marks = { selected: -1, hovered: -1, hits: new Set() };
    this.show(graph);
    const focus = graph.focus ?? -1;
    if (focus >= 0 && point) this.viewer.put(focus, point);
    else if (focus >= 0) this.viewer.show(focus);
    else this.viewer.fit(true);
    this.request("draw");
  }

  showHint() {
    this.hint.classList.add("ow-shown");
    clearTimeout(this.hinting);
    this.hinting = setTimeout(() => this.hint.classList.remove("ow-shown"), 1400);
  }

  /** Keep what is in sight when the stage changes its size. */
  resize() {
    this.viewer.resize();
    if (this.marks.selected >= 0) this.viewer.show(this.marks.selected, true);
    this.request("draw");
  }

  stop() {
    clearTimeout(this.hinting);
    cancelAnimationFrame(this.pending);
    cancelAnimationFrame(this.viewer.flight);
  }
}
