/** Where one looks: the camera over a graph. */

/** @import { Camera, Graph } from "./types.js" */
import { READABLE } from "./boxes.js";

const SMALLEST = 0.05; // below it boxes are no more than dots: the strip gives the overview
const LARGEST = 4;

/** Moves the camera: pan, zoom about a point, fit, centre. */
export class Viewer {
  /** @param {Graph} graph @param {HTMLElement} stage @param {() => void} changed */
  constructor(graph, stage, changed) {
    this.graph = graph;
    this.stage = stage;
    this.changed = changed;
    /** @type {Camera} */
    this.camera = { x: 0, y: 0, scale: 1 };
    this.covered = 0; // width of the stage that lies under the panel
    /** @type {[number, number]} how far the legend reaches from the left, and from below */
    this.legend = [0, 0];
    this.flight = 0;
    /** @type {"whole" | "readable" | null} how the graph was fitted; null once it was moved */
    this.fitted = null;
    this.lastWidth = 0;
  }

  get width() {
    return Math.max(this.stage.clientWidth - this.covered, 100);
  }

  get height() {
    return this.stage.clientHeight;
  }

  get fittingScale() {
    const { width, height } = this.graph;
    return Math.min((this.width - 32) / Math.max(width, 1), (this.height - 32) / Math.max(height, 1), 1.25);
  }

  /** How far the end of the graph lies below the stage, in pixels; negative when it is in sight. */
  get below() {
    return this.camera.y + this.graph.height * this.camera.scale - this.height;
  }

  /** Whether whoever sees the stage would miss the end of the graph; a hair below it is no loss. */
  get continues() {
    return this.below > 4;
  }

  /** Look at what comes next; something of what was seen stays, and the end is not passed. */
  pageDown() {
    const down = Math.min(this.height * 0.8, this.below + 24);
    this.set({ ...this.camera, y: this.camera.y - down });
  }

  /** @param {Camera} camera */
  set(camera) {
    cancelAnimationFrame(this.flight);
    this.camera = camera;
    this.fitted = null;
    this.lastWidth = this.stage.clientWidth;
    this.changed();
  }

  /** The whole graph; at first only if it can then be read, else its beginning. @param {boolean} readable */
  fit(readable = false) {
    const fitting = this.fittingScale;
    const legible = Math.min(1, Math.max(0.7, this.width / this.graph.width));
    const scale = readable && fitting < READABLE * 1.3 ? legible : Math.max(fitting, SMALLEST);
    const tall = this.graph.height * scale > this.height;
    const first = this.graph.nodes.x[0] ?? 0;
    const wide = this.graph.width * scale > this.width;
    const y = tall ? 24 : (this.height - this.graph.height * scale) / 2;
    const left = this.besideLegend(scale, y);
    this.set({
      x: (left + this.width) / 2 - (wide ? first : this.graph.width / 2) * scale,
      y,
      scale,
    });
    this.fitted = readable ? "readable" : "whole";
  }

  /** Where the graph's room begins: behind a legend that would cover it, if it has room there. @param {number} scale @param {number} y */
  besideLegend(scale, y) {
    const [wide, tall] = this.legend;
    const drawn = this.graph.width * scale;
    const covered = (this.width - drawn) / 2 < wide && y + this.graph.height * scale > this.height - tall;
    return covered && wide + drawn + 16 <= this.width ? wide : 0;
  }

  /** The whole graph; from there back to where it can be read. */
  toggleFit() {
    this.fit(this.fitted === "whole");
  }

  /** Fit again what was fitted, and was not moved since: what lies over the stage has changed. */
  refit() {
    if (this.fitted) this.fit(this.fitted === "readable");
  }

  /** The stage has another size: fit again what was fitted, else keep the middle in the middle. */
  resize() {
    if (this.fitted) this.refit();
    else this.pan((this.stage.clientWidth - this.lastWidth) / 2, 0);
  }

  /** @param {number} factor @param {number} [x] @param {number} [y] the point that stays */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(Math.max(this.camera.scale * factor, SMALLEST), LARGEST);
    const ratio = scale / this.camera.scale;
    this.set({
      x: x - (x - this.camera.x) * ratio,
      y: y - (y - this.camera.y) * ratio,
      scale,
    });
  }

  /** @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.set({ ...this.camera, x: this.camera.x + dx, y: this.camera.y + dy });
  }

  /** Put a height of the graph into the middle. @param {number} y */
  goTo(y) {
    this.set({ ...this.camera, y: this.height / 2 - y * this.camera.scale });
  }

  /** Bring a node into sight; large enough to read, unless the scale is to stay. @param {number} node @param {boolean} [keepScale] */
  show(node, keepScale = false) {
    const { nodes } = this.graph;
    const scale = keepScale ? this.camera.scale : Math.max(this.camera.scale, READABLE * 1.6);
    const [x, y] = this.toStage(node);
    const [aside, above] = [
      (nodes.width[node] / 2) * this.camera.scale + 8,
      (nodes.height[node] / 2) * this.camera.scale + 8,
    ];
    const [left, bottom] = this.free;
    const inside = x > aside && x < this.width - aside && y > above && y < this.height - above;
    const [wide, tall] = this.legend;
    const hidden = x - aside < wide && y + above > this.height - tall;
    if (inside && !(tall && hidden) && scale === this.camera.scale) {
      cancelAnimationFrame(this.flight); // to a node that was to be shown before
      return;
    }
    this.glide({
      x: (left + this.width) / 2 - nodes.x[node] * scale,
      y: bottom / 2 - nodes.y[node] * scale,
      scale,
    });
  }

  /** Where the free part of the stage begins at the left and ends below: beside the legend, or above a wide one. */
  get free() {
    const [wide, tall] = this.legend;
    if (wide < this.width * 0.6) return [tall > this.height / 2 ? wide : 0, this.height];
    return [0, Math.max(this.height - tall, this.height / 4)];
  }

  /** @param {Camera} target */
  glide(target) {
    const start = this.camera;
    const far = Math.hypot(target.x - start.x, target.y - start.y) > 4 * this.height;
    if (far || matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.set(target);
      return;
    }
    const began = performance.now();
    const step = (/** @type {number} */ now) => {
      const time = Math.min(Math.max((now - began) / 180, 0), 1);
      const share = 1 - (1 - time) ** 3;
      const between = (/** @type {keyof Camera} */ name) =>
        start[name] + (target[name] - start[name]) * share;
      this.set({ x: between("x"), y: between("y"), scale: between("scale") });
      if (time < 1) this.flight = requestAnimationFrame(step);
    };
    this.set(start);
    this.flight = requestAnimationFrame(step);
  }

  /** Where a point of the stage lies in the graph. @param {number} x @param {number} y @returns {[number, number]} */
  toGraph(x, y) {
    return [(x - this.camera.x) / this.camera.scale, (y - this.camera.y) / this.camera.scale];
  }

  /** Where a node lies on the stage. @param {number} node @returns {[number, number]} */
  toStage(node) {
    const { nodes } = this.graph;
    const { x, y, scale } = this.camera;
    return [nodes.x[node] * scale + x, nodes.y[node] * scale + y];
  }

  /** Keep the scale and put a node at a point of the stage. @param {number} node @param {[number, number]} point */
  put(node, [x, y]) {
    const { nodes } = this.graph;
    const { scale } = this.camera;
    this.set({ x: x - nodes.x[node] * scale, y: y - nodes.y[node] * scale, scale });
  }

  /** The node nearest to the middle of the stage; -1 for none. */
  get central() {
    const [gx, gy] = this.toGraph(this.width / 2, this.height / 2);
    const { x, y } = this.graph.nodes;
    const far = (/** @type {number} */ i) => Math.hypot(x[i] - gx, y[i] - gy);
    return x.reduce((best, _, i) => (best < 0 || far(i) < far(best) ? i : best), -1);
  }

  /** The node at a point of the stage; -1 if there is none. @param {number} x @param {number} y */
  hit(x, y) {
    const { nodes } = this.graph;
    const [gx, gy] = this.toGraph(x, y);
    return nodes.x.findIndex(
      (cx, i) => Math.abs(gx - cx) <= nodes.width[i] / 2 && Math.abs(gy - nodes.y[i]) <= nodes.height[i] / 2,
    );
  }
}
