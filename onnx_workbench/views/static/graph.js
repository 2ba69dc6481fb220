/**
 * The graph in a notebook cell. Positions, texts and colours come from Python; this module draws them, moves the
 * camera, searches, and reports the selection. Names come from untrusted files: they only ever become textContent.
 *
 * @typedef {{fill: string, border: string, ink: string}} Colours
 * @typedef {{name: string, light: Colours, dark: Colours}} Family
 * @typedef {object} NodeColumns
 * @property {number[]} x  centres
 * @property {number[]} y
 * @property {number[]} width
 * @property {number[]} height
 * @property {string[]} title
 * @property {string[]} line
 * @property {number[]} family  index into families
 * @property {string[]} kind  "node", "input", "output" or "module"
 * @property {string[]} operator
 * @property {string[]} name
 * @property {string[][]} inputs  names of values
 * @property {string[][]} outputs
 * @property {string[][][]} attributes  pairs of name and text
 * @typedef {object} Graph
 * @property {string} name
 * @property {string} notice
 * @property {number} width
 * @property {number} height
 * @property {Family[]} families
 * @property {NodeColumns} nodes
 * @property {{source: number[], target: number[], path: string[]}} edges
 * @property {{x: number[], y: number[], text: string[]}} labels
 * @property {Record<string, string>} values  dtype and shape by value name
 * @typedef {object} Overlay
 * @property {string} label
 * @property {string} scale
 * @property {string} lowest
 * @property {string} highest
 * @property {Colours[]} ramp
 * @property {Colours} notFinite
 * @property {Colours} none
 * @property {(number | null)[]} steps  index into ramp, -1 for NaN and infinity
 * @property {(string | null)[]} texts  each node's number
 * @typedef {object} Weight
 * @property {string} name
 * @property {string[][]} rows
 * @property {{counts: number[], lowest: string, highest: string} | null} histogram
 * @typedef {object} Details
 * @property {number} node
 * @property {string[][]} rows
 * @property {string[][]} attributes
 * @property {string[][]} inputs
 * @property {string[][]} outputs
 * @property {Weight[]} weights
 * @property {string} doc
 * @typedef {{x: number, y: number, scale: number}} Camera  screen = graph * scale + (x, y)
 * @typedef {{camera: Camera, width: number, height: number, selected: number, hovered: number, hits: Set<number>}} Scene
 * @typedef {(scene: Scene) => void} Paint
 * @typedef {{element: Element, draw: Paint, mark: Paint, move: Paint}} Surface  all, what is marked, the camera
 */

const SVG = "http://www.w3.org/2000/svg";
const MOST_SVG_NODES = 2000;
const PANEL_WIDTH = 320;
const READABLE = 0.45; // below this scale the titles are too small to read
const SMALLEST = 0.05; // below it boxes are no more than dots: the strip gives the overview
const LARGEST = 4;
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";
const KERNEL_PATIENCE_MS = 2500;

/**
 * @param {string} tag
 * @param {string} [className]
 * @param {string} [text]
 */
function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
function svgElement(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text) made.textContent = text;
  return made;
}

/** @returns {boolean} whether the page around the widget is dark */
function isDark() {
  const { jpThemeLight } = document.body.dataset;
  if (jpThemeLight !== undefined) return jpThemeLight === "false";
  if (document.body.classList.contains("vscode-dark")) return true;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** The numbers in a path: x and y in turns. @param {string} path */
function coordinates(path) {
  return (path.match(/-?[\d.]+/g) ?? []).map(Number);
}

/** The triangle at the end of an edge. @param {string} path */
function arrowHead(path) {
  const [x, y] = coordinates(path).slice(-2);
  return `M${x - 3.5} ${y - 6.5}h7l-3.5 6.5z`;
}

/** What a screen reader says of a node. @param {Graph} graph @param {Overlay | null} overlay @param {number} node */
function describe(graph, overlay, node) {
  const { nodes, edges } = graph;
  const kind = nodes.kind[node] === "node" ? "" : `${nodes.kind[node]} `;
  const readers = edges.source.reduce((count, source) => count + Number(source === node), 0);
  const writers = edges.target.reduce((count, target) => count + Number(target === node), 0);
  const number = overlay?.texts[node] ? `, ${overlay.label || "value"} ${overlay.texts[node]}` : "";
  const name = nodes.name[node] && nodes.name[node] !== nodes.title[node] ? `, ${nodes.name[node]}` : "";
  return `${kind}${nodes.title[node]} ${nodes.line[node]}${name}${number}; ${writers} in, ${readers} out`;
}

/** @param {Graph} graph @param {Overlay | null} overlay @param {number} node @returns {Colours} */
function coloursOf(graph, overlay, node) {
  if (overlay) {
    const step = overlay.steps[node];
    if (step === null || step === undefined) return overlay.none;
    return step < 0 ? overlay.notFinite : overlay.ramp[step];
  }
  const family = graph.families[graph.nodes.family[node]];
  return isDark() ? family.dark : family.light;
}

/** @param {NodeColumns} nodes @param {number} node */
function radiusOf(nodes, node) {
  return nodes.kind[node] === "input" || nodes.kind[node] === "output" ? nodes.height[node] / 2 : 8;
}

/** Baselines of title and line, from a box's centre. @param {string} line */
function baselines(line) {
  return line ? [-3.5, 12.5] : [4.6, 0];
}

/** @param {Graph} graph @param {number} node @returns {number[]} numbers of the edges at a node */
function edgesAt(graph, node) {
  if (node < 0) return [];
  const found = [];
  for (let edge = 0; edge < graph.edges.path.length; edge += 1) {
    if (graph.edges.source[edge] === node || graph.edges.target[edge] === node) found.push(edge);
  }
  return found;
}

/**
 * Draws into SVG elements: for graphs of lesson size, sharp at any zoom and open to assistive technology.
 * @param {Graph} graph
 * @param {() => Overlay | null} overlayNow
 * @returns {Surface}
 */
function svgSurface(graph, overlayNow) {
  const { nodes, edges, labels } = graph;
  const svg = svgElement("svg", { class: "ow-surface", "font-family": FONT });
  const world = svgElement("g", {});
  const marks = svgElement("g", { class: "ow-marks", fill: "none" });
  world.append(
    svgElement("path", { class: "ow-lines", d: edges.path.join("") }),
    svgElement("path", {
      class: "ow-heads",
      d: edges.path.map(arrowHead).join(""),
    }),
    marks,
  );
  const texts = svgElement("g", { class: "ow-labels" });
  labels.text.forEach((text, i) =>
    texts.append(svgElement("text", { x: labels.x[i], y: labels.y[i] }, text)),
  );
  world.append(texts);
  const boxes = nodes.title.map((title, i) => {
    const [width, height, line] = [nodes.width[i], nodes.height[i], nodes.line[i]];
    const [upper, lower] = baselines(line);
    const box = svgElement("g", {
      class: "ow-node",
      transform: `translate(${nodes.x[i]} ${nodes.y[i]})`,
      role: "img",
      "aria-label": `${title} ${line}`,
      "data-node": i,
    });
    const size = {
      x: -width / 2,
      y: -height / 2,
      width,
      height,
      rx: radiusOf(nodes, i),
    };
    box.append(svgElement("rect", size), svgElement("text", { class: "ow-title", y: upper }, title));
    if (line) box.append(svgElement("text", { class: "ow-line", y: lower }, line));
    world.append(box);
    return box;
  });
  svg.append(world);

  /** @param {Scene} scene */
  function move(scene) {
    const { x, y, scale } = scene.camera;
    world.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    svg.classList.toggle("ow-far", scale < READABLE);
  }

  /** @param {Scene} scene */
  function mark(scene) {
    marks.replaceChildren(
      ...edgesAt(graph, scene.selected).map((edge) => svgElement("path", { d: edges.path[edge] })),
    );
    boxes.forEach((box, i) => {
      box.classList.toggle("ow-selected", i === scene.selected);
      box.classList.toggle("ow-hovered", i === scene.hovered);
      box.classList.toggle("ow-hit", scene.hits.has(i));
    });
  }

  /** @param {Scene} scene */
  function draw(scene) {
    boxes.forEach((box, i) => {
      const { fill, border, ink } = coloursOf(graph, overlayNow(), i);
      box.style.setProperty("--fill", fill);
      box.style.setProperty("--border", border);
      box.style.setProperty("--ink", ink);
    });
    mark(scene);
    move(scene);
  }
  return { element: svg, draw, mark, move };
}

/**
 * Draws onto a canvas, and only what is in sight: for graphs of thousands of nodes.
 * @param {Graph} graph
 * @param {() => Overlay | null} overlayNow
 * @param {HTMLElement} styled  where the style sheet's colours are read
 * @returns {Surface}
 */
function canvasSurface(graph, overlayNow, styled) {
  const { nodes, edges, labels } = graph;
  const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "ow-surface"));
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const extents = edges.path.map((path) => {
    const numbers = coordinates(path);
    const [xs, ys] = [numbers.filter((_, i) => i % 2 === 0), numbers.filter((_, i) => i % 2 === 1)];
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  });
  /** @type {Map<number, [Path2D, Path2D]>} */
  const strokes = new Map();

  /** @param {number} edge @returns {[Path2D, Path2D]} */
  function strokesOf(edge) {
    let made = strokes.get(edge);
    if (!made) {
      made = [new Path2D(edges.path[edge]), new Path2D(arrowHead(edges.path[edge]))];
      strokes.set(edge, made);
    }
    return made;
  }

  /** All at once: edges of one source share a line, which would darken if drawn again and again. */
  /** @param {number[]} list @param {string} colour @param {number} width */
  function drawEdges(list, colour, width) {
    const [lines, heads] = [new Path2D(), new Path2D()];
    for (const edge of list) {
      const [line, head] = strokesOf(edge);
      lines.addPath(line);
      heads.addPath(head);
    }
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = width;
    pen.stroke(lines);
    pen.fill(heads);
  }

  /** @param {number} i @param {Scene} scene @param {string} accent @param {string} hit */
  function drawNode(i, scene, accent, hit) {
    const { fill, border, ink } = coloursOf(graph, overlayNow(), i);
    const [x, y, width, height] = [nodes.x[i], nodes.y[i], nodes.width[i], nodes.height[i]];
    pen.beginPath();
    pen.roundRect(x - width / 2, y - height / 2, width, height, radiusOf(nodes, i));
    pen.fillStyle = fill;
    pen.fill();
    const strong = i === scene.selected || scene.hits.has(i);
    pen.strokeStyle = i === scene.selected ? accent : scene.hits.has(i) ? hit : border;
    pen.lineWidth = strong ? Math.max(3, 3 / scene.camera.scale) : i === scene.hovered ? 2.4 : 1.3;
    pen.stroke();
    if (scene.camera.scale < READABLE) return;
    const [upper, lower] = baselines(nodes.line[i]);
    pen.fillStyle = ink;
    pen.textAlign = "center";
    pen.font = `600 13px ${FONT}`;
    pen.fillText(nodes.title[i], x, y + upper);
    if (!nodes.line[i]) return;
    pen.globalAlpha = 0.78;
    pen.font = `11px ${FONT}`;
    pen.fillText(nodes.line[i], x, y + lower);
    pen.globalAlpha = 1;
  }

  /** @param {Scene} scene */
  function draw(scene) {
    const { width, height, camera, selected } = scene;
    const sharpness = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * sharpness) || canvas.height !== Math.round(height * sharpness)) {
      canvas.width = Math.round(width * sharpness);
      canvas.height = Math.round(height * sharpness);
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const zoom = camera.scale * sharpness;
    pen.setTransform(zoom, 0, 0, zoom, camera.x * sharpness, camera.y * sharpness);
    const [left, top] = [-camera.x / camera.scale, -camera.y / camera.scale];
    const [right, bottom] = [left + width / camera.scale, top + height / camera.scale];
    const style = getComputedStyle(styled);
    const [line, accent, hit] = ["--ow-edge", "--ow-accent", "--ow-hit"].map((name) =>
      style.getPropertyValue(name),
    );
    const inSight = (/** @type {number[]} */ [x0, y0, x1, y1]) =>
      x1 >= left && x0 <= right && y1 >= top && y0 <= bottom;
    const seen = extents.flatMap((extent, edge) => (inSight(extent) ? [edge] : []));
    drawEdges(seen, line, Math.max(1.4, 0.6 / camera.scale));
    drawEdges(edgesAt(graph, selected), accent, Math.max(2.4, 1.2 / camera.scale));
    if (camera.scale >= READABLE) {
      pen.font = `10px ${FONT}`;
      pen.textAlign = "left";
      pen.fillStyle = style.getPropertyValue("--ow-quiet");
      labels.text.forEach((text, i) => {
        const [x, y] = [labels.x[i], labels.y[i]];
        if (inSight([x, y - 10, x + 120, y])) pen.fillText(text, x, y);
      });
    }
    for (let i = 0; i < nodes.x.length; i += 1) {
      const [x, y, w, h] = [nodes.x[i], nodes.y[i], nodes.width[i] / 2, nodes.height[i] / 2];
      if (inSight([x - w, y - h, x + w, y + h])) drawNode(i, scene, accent, hit);
    }
  }
  return { element: canvas, draw, mark: draw, move: draw };
}

/**
 * The whole graph in a narrow strip, with the part in sight framed: long graphs have no other overview.
 * @param {Graph} graph
 * @param {() => Overlay | null} overlayNow
 * @param {(y: number) => void} goTo  called with a height in the graph
 */
function makeStrip(graph, overlayNow, goTo) {
  const { nodes } = graph;
  const box = element("div", "ow-strip");
  box.setAttribute("aria-hidden", "true"); // the keys Home, End and the arrows lead everywhere
  const canvas = /** @type {HTMLCanvasElement} */ (element("canvas"));
  const frame = element("div", "ow-frame");
  box.append(canvas, frame);
  const jump = (/** @type {PointerEvent} */ event) => {
    if (!(event.buttons & 1)) return;
    const { top, height } = box.getBoundingClientRect();
    goTo(((event.clientY - top) / height) * graph.height);
  };
  box.addEventListener("pointerdown", (event) => {
    box.setPointerCapture(event.pointerId);
    jump(event);
  });
  box.addEventListener("pointermove", jump);

  function draw() {
    const sharpness = window.devicePixelRatio || 1;
    const [width, height] = [box.clientWidth, box.clientHeight];
    canvas.width = width * sharpness;
    canvas.height = height * sharpness;
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.scale(sharpness, sharpness);
    const [across, down] = [width / Math.max(graph.width, 1), height / Math.max(graph.height, 1)];
    for (let i = 0; i < nodes.x.length; i += 1) {
      const { fill, border } = coloursOf(graph, overlayNow(), i);
      pen.fillStyle = overlayNow() ? fill : border;
      const [w, h] = [Math.max(nodes.width[i] * across, 2), Math.max(nodes.height[i] * down, 1)];
      pen.fillRect(nodes.x[i] * across - w / 2, nodes.y[i] * down - h / 2, w, h);
    }
  }

  /** @param {Scene} scene */
  function move({ camera, height }) {
    const share = box.clientHeight / Math.max(graph.height, 1);
    frame.style.top = `${(-camera.y / camera.scale) * share}px`;
    frame.style.height = `${Math.max((height / camera.scale) * share, 3)}px`;
  }
  return { box, draw, move };
}

/** @param {string} title @param {string[][]} rows @param {string[]} [header] */
function tableSection(title, rows, header = []) {
  const section = element("section");
  if (title) section.append(element("h4", "", title));
  const table = element("table");
  for (const [row, tag] of [
    ...(header.length ? [[header, "th"]] : []),
    ...rows.map((cells) => [cells, "td"]),
  ]) {
    const line = element("tr");
    for (const cell of row) line.append(element(/** @type {string} */ (tag), "", cell || "–"));
    table.append(line);
  }
  section.append(table);
  return section;
}

/** @param {Weight} weight */
function weightSection(weight) {
  const section = tableSection(weight.name, weight.rows);
  if (!weight.histogram) return section;
  const { counts, lowest, highest } = weight.histogram;
  const most = Math.max(...counts, 1);
  const label = `Histogram of ${weight.name} from ${lowest} to ${highest}`;
  const chart = svgElement("svg", {
    viewBox: `0 0 ${counts.length * 8} 60`,
    role: "img",
    "aria-label": label,
  });
  chart.setAttribute("class", "ow-histogram");
  chart.setAttribute("preserveAspectRatio", "none");
  counts.forEach((count, i) => {
    const height = count ? Math.max((count / most) * 58, 1) : 0;
    chart.append(svgElement("rect", { x: i * 8 + 0.5, y: 60 - height, width: 7, height }));
  });
  const axis = element("div", "ow-axis");
  axis.append(element("span", "", lowest), element("span", "", highest));
  section.append(chart, axis);
  return section;
}

/** What the saved state knows of a node. @param {Graph} graph @param {number} node @returns {Details} */
function savedDetails(graph, node) {
  const { nodes, values } = graph;
  const withType = (/** @type {string} */ name) => [name, values[name] ?? ""];
  const rows = [
    ["name", nodes.name[node]],
    ["operator", nodes.operator[node]],
  ].filter(([, text]) => text);
  return {
    node,
    rows,
    attributes: nodes.attributes[node] ?? [],
    inputs: nodes.inputs[node].map(withType),
    outputs: nodes.outputs[node].map(withType),
    weights: [],
    doc: "",
  };
}

/** @param {HTMLElement} panel @param {Graph} graph @param {Details} details @param {string} note @param {() => void} close */
function fillPanel(panel, graph, details, note, close) {
  const heading = element("h3", "", graph.nodes.title[details.node]);
  const button = element("button", "ow-close", "×");
  button.setAttribute("aria-label", "Close details");
  button.addEventListener("click", close);
  const parts = [button, heading];
  if (graph.nodes.line[details.node]) parts.push(element("p", "ow-subtitle", graph.nodes.line[details.node]));
  if (details.rows.length) parts.push(tableSection("", details.rows));
  if (details.attributes.length) parts.push(tableSection("Attributes", details.attributes));
  if (details.inputs.length) parts.push(tableSection("Inputs", details.inputs));
  if (details.outputs.length) parts.push(tableSection("Outputs", details.outputs));
  if (details.weights.length) parts.push(element("h4", "ow-weights", "Weights"));
  parts.push(...details.weights.map(weightSection));
  if (details.doc) parts.push(element("h4", "", "Documentation"), element("p", "ow-doc", details.doc));
  if (note) parts.push(element("p", "ow-note", note));
  panel.replaceChildren(...parts);
}

/** @param {HTMLElement} legend @param {Overlay | null} overlay */
function fillLegend(legend, overlay) {
  legend.hidden = !overlay;
  legend.replaceChildren();
  if (!overlay) return;
  const scale = overlay.scale === "log" ? " (log)" : "";
  legend.append(element("span", "ow-legend-label", `${overlay.label || "value"}${scale}`));
  const bar = element("span", "ow-ramp");
  for (const { fill } of overlay.ramp) {
    const field = element("span");
    field.style.background = fill;
    bar.append(field);
  }
  legend.append(element("span", "", overlay.lowest), bar, element("span", "", overlay.highest));
  if (overlay.steps.includes(-1)) {
    const swatch = element("span", "ow-swatch");
    swatch.style.background = overlay.notFinite.fill;
    legend.append(swatch, element("span", "", "NaN or infinite"));
  }
}

/** Finds nodes by operator, name and values. @param {Graph} graph */
function makeSearch(graph) {
  const { nodes } = graph;
  /** @type {string[]} */
  let texts = [];
  return (/** @type {string} */ wanted) => {
    if (!texts.length) {
      texts = nodes.title.map((title, i) =>
        [title, nodes.operator[i], nodes.name[i], ...nodes.outputs[i], ...nodes.inputs[i]]
          .join("\n")
          .toLowerCase(),
      );
    }
    const needle = wanted.trim().toLowerCase();
    return needle ? texts.flatMap((text, i) => (text.includes(needle) ? [i] : [])) : [];
  };
}

/** The node one arrives at with an arrow key. @param {Graph} graph @param {number} node @param {string} key */
function neighbour(graph, node, key) {
  const { nodes, edges } = graph;
  const vertical = key === "ArrowDown" || key === "ArrowUp";
  const [from, to] = key === "ArrowDown" ? [edges.source, edges.target] : [edges.target, edges.source];
  const direction = key === "ArrowLeft" ? -1 : 1;
  const candidates = vertical
    ? from.flatMap((end, edge) => (end === node ? [to[edge]] : []))
    : nodes.x.flatMap((x, i) => {
        const inRow = Math.abs(nodes.y[i] - nodes.y[node]) < 30;
        return i !== node && inRow && Math.sign(x - nodes.x[node]) === direction ? [i] : [];
      });
  const distance = (/** @type {number} */ i) => Math.abs(nodes.x[i] - nodes.x[node]);
  return candidates.reduce((best, i) => (best < 0 || distance(i) < distance(best) ? i : best), -1);
}

/** Moves the camera: pan, zoom about a point, fit, centre. */
class Viewer {
  /** @param {Graph} graph @param {HTMLElement} stage @param {() => void} changed */
  constructor(graph, stage, changed) {
    this.graph = graph;
    this.stage = stage;
    this.changed = changed;
    /** @type {Camera} */
    this.camera = { x: 0, y: 0, scale: 1 };
    this.covered = 0; // width of the stage that lies under the panel
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
    this.set({
      x: this.width / 2 - (wide ? first : this.graph.width / 2) * scale,
      y: tall ? 24 : (this.height - this.graph.height * scale) / 2,
      scale,
    });
    this.fitted = readable ? "readable" : "whole";
  }

  /** The whole graph; from there back to where it can be read. */
  toggleFit() {
    this.fit(this.fitted === "whole");
  }

  /** The stage has another size: fit again what was fitted, else keep the middle in the middle. */
  resize() {
    if (this.fitted) this.fit(this.fitted === "readable");
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
    const [x, y] = [
      nodes.x[node] * this.camera.scale + this.camera.x,
      nodes.y[node] * this.camera.scale + this.camera.y,
    ];
    const [aside, above] = [
      (nodes.width[node] / 2) * this.camera.scale + 8,
      (nodes.height[node] / 2) * this.camera.scale + 8,
    ];
    const seen = x > aside && x < this.width - aside && y > above && y < this.height - above;
    if (seen && scale === this.camera.scale) return;
    this.glide({
      x: this.width / 2 - nodes.x[node] * scale,
      y: this.height / 2 - nodes.y[node] * scale,
      scale,
    });
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

  /** The node at a point of the stage; -1 if there is none. @param {number} x @param {number} y */
  hit(x, y) {
    const { nodes } = this.graph;
    const [gx, gy] = [(x - this.camera.x) / this.camera.scale, (y - this.camera.y) / this.camera.scale];
    return nodes.x.findIndex(
      (cx, i) => Math.abs(gx - cx) <= nodes.width[i] / 2 && Math.abs(gy - nodes.y[i]) <= nodes.height[i] / 2,
    );
  }
}

/** Pointer and wheel. @param {HTMLElement} stage @param {Viewer} viewer @param {(node: number) => void} select @param {(node: number) => void} hover @param {() => void} hint */
function listenToPointer(stage, viewer, select, hover, hint) {
  /** @type {Map<number, {x: number, y: number}>} */
  const pressed = new Map();
  let travelled = 0;
  const place = (/** @type {PointerEvent | WheelEvent} */ event) => {
    const frame = stage.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pressed.set(event.pointerId, place(event));
    travelled = 0;
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const here = place(event);
    const before = pressed.get(event.pointerId);
    if (!before) {
      hover(viewer.hit(here.x, here.y));
      return;
    }
    pressed.set(event.pointerId, here);
    travelled += Math.hypot(here.x - before.x, here.y - before.y);
    if (pressed.size === 2) {
      const other = [...pressed].find(([id]) => id !== event.pointerId)?.[1] ?? here;
      const spread = (/** @type {{x: number, y: number}} */ p) =>
        Math.hypot(p.x - other.x, p.y - other.y) || 1;
      viewer.zoom(spread(here) / spread(before), other.x, other.y);
    } else if (travelled > 3) {
      stage.classList.add("ow-dragging");
      viewer.pan(here.x - before.x, here.y - before.y);
    }
  });
  const release = (/** @type {PointerEvent} */ event) => {
    const known = pressed.delete(event.pointerId);
    stage.classList.remove("ow-dragging");
    if (!known || event.type === "pointercancel" || travelled > 3) return;
    const { x, y } = place(event);
    select(viewer.hit(x, y));
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => hover(-1));
  // Only with Ctrl, or once the graph was clicked into: the wheel belongs to the notebook until then.
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== stage) {
        hint();
        return;
      }
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      const { x, y } = place(event);
      if (event.shiftKey) viewer.pan(-event.deltaY * lines, 0);
      else viewer.zoom(Math.exp(-event.deltaY * lines * 0.0016), x, y);
    },
    { passive: false },
  );
}

/** @param {string} label @param {string} sign @param {() => void} act */
function toolButton(label, sign, act) {
  const button = element("button", "ow-tool", sign);
  button.setAttribute("aria-label", label);
  button.title = label;
  button.addEventListener("click", act);
  return button;
}

/** The widget's elements. @param {Graph} graph */
function makeElements(graph) {
  const root = element("div", "ow-graph");
  const bar = element("div", "ow-bar");
  const name = element("span", "ow-name", graph.name);
  const search = /** @type {HTMLInputElement} */ (element("input", "ow-search"));
  search.type = "search";
  search.placeholder = "Search operators, nodes, values";
  search.setAttribute("aria-label", "Search by operator, node name or value name");
  const count = element("span", "ow-count");
  const live = element("span", "ow-live");
  live.setAttribute("aria-live", "polite");
  live.setAttribute("role", "status");
  const body = element("div", "ow-body");
  const stage = element("div", "ow-stage");
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-roledescription", "graph");
  const size = `${graph.nodes.x.length} boxes, ${graph.edges.path.length} edges`;
  const keys = "Arrow keys walk along edges, plus and minus zoom, 0 fits, slash searches, Escape deselects.";
  stage.setAttribute("aria-label", `Graph of ${graph.name}: ${size}. ${keys}`);
  const panel = element("aside", "ow-panel");
  panel.setAttribute("aria-label", "Details of the selected node");
  panel.hidden = true;
  const legend = element("div", "ow-legend");
  const hint = element("div", "ow-hint", "Click the graph or hold Ctrl to zoom with the wheel");
  hint.setAttribute("aria-hidden", "true");
  body.append(stage, panel, legend, hint);
  root.append(bar, body, live);
  return {
    root,
    bar,
    name,
    search,
    count,
    live,
    body,
    stage,
    panel,
    legend,
    hint,
  };
}

/** @param {{model: import("@anywidget/types").AnyModel, el: HTMLElement}} context */
function render({ model, el }) {
  const began = performance.now();
  const graph = /** @type {Graph} */ (model.get("graph"));
  const parts = makeElements(graph);
  const { root, bar, search, stage, panel, legend, live } = parts;
  const overlayNow = () =>
    /** @type {Overlay | null} */ (model.get("overlay")?.ramp ? model.get("overlay") : null);
  const large = graph.nodes.x.length > MOST_SVG_NODES;
  const surface = large ? canvasSurface(graph, overlayNow, root) : svgSurface(graph, overlayNow);
  const find = makeSearch(graph);
  const marks = {
    selected: -1,
    hovered: -1,
    hits: /** @type {number[]} */ ([]),
    hit: -1,
  };
  let [pending, reporting, waiting, hinting] = [0, 0, 0, 0];
  /** @type {Set<"draw" | "mark" | "move">} */
  const wanted = new Set();

  const viewer = new Viewer(graph, stage, () => request("move"));
  const tall = graph.height * READABLE > model.get("height");
  const strip = tall ? makeStrip(graph, overlayNow, (y) => viewer.goTo(y)) : null;

  /** Draw at the next frame, however many changes come until then. @param {"draw" | "mark" | "move"} what */
  function request(what) {
    wanted.add(what);
    if (what === "draw") wanted.add("move");
    if (!pending) pending = requestAnimationFrame(paint);
  }

  function paint() {
    pending = 0;
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    const scene = {
      ...marks,
      hits: new Set(marks.hits),
      camera: viewer.camera,
      width,
      height,
    };
    const order = /** @type {("draw" | "mark" | "move")[]} */ (large ? ["draw"] : ["draw", "mark", "move"]);
    for (const what of order) if (large || wanted.has(what)) surface[what](scene);
    if (strip && wanted.has("draw")) strip.draw();
    strip?.move(scene);
    wanted.clear();
  }

  /** @param {number} node @param {boolean} report  tell the kernel */
  function select(node, report = true) {
    if (node === marks.selected) return;
    marks.selected = node;
    root.dataset.selected = String(node);
    showDetails();
    request("mark");
    live.textContent = node < 0 ? "Nothing selected" : describe(graph, overlayNow(), node);
    clearTimeout(reporting);
    if (!report) return;
    // Walking with the keys passes many nodes: only where one rests is the kernel asked.
    reporting = setTimeout(() => {
      model.set("selected", node);
      model.save_changes();
    }, 60);
  }

  function cover() {
    viewer.covered = marks.selected < 0 ? 0 : Math.min(PANEL_WIDTH, stage.clientWidth / 2);
  }

  function showDetails() {
    const node = marks.selected;
    clearTimeout(waiting);
    panel.hidden = node < 0;
    cover();
    if (node < 0) return;
    const close = () => {
      select(-1);
      stage.focus({ preventScroll: true });
    };
    const details = /** @type {Details} */ (model.get("details"));
    const answered = details?.node === node;
    root.dataset.answered = String(answered);
    const overlay = overlayNow();
    const number = overlay?.texts[node] ? [[overlay.label || "overlay", overlay.texts[node]]] : [];
    const fill = (/** @type {Details} */ shown, note = "") =>
      fillPanel(panel, graph, { ...shown, rows: [...number, ...shown.rows] }, note, close);
    fill(answered ? details : savedDetails(graph, node));
    if (answered || graph.nodes.kind[node] !== "node") return;
    const note = "Weights and statistics come from the kernel: run this cell in Jupyter to see them.";
    waiting = setTimeout(() => fill(savedDetails(graph, node), note), KERNEL_PATIENCE_MS);
  }

  /** @param {number} step */
  function goToHit(step) {
    const { hits } = marks;
    if (!hits.length) return;
    marks.hit = marks.hit < 0 && step < 0 ? hits.length - 1 : (marks.hit + step + hits.length) % hits.length;
    select(hits[marks.hit]);
    viewer.show(hits[marks.hit]);
    parts.count.textContent = `${marks.hit + 1} of ${hits.length}`;
    live.textContent = `${parts.count.textContent}: ${describe(graph, overlayNow(), hits[marks.hit])}`;
  }

  function searchAnew() {
    marks.hits = find(search.value);
    marks.hit = -1;
    const { length } = marks.hits;
    parts.count.textContent = search.value.trim() ? `${length} found` : "";
    live.textContent = parts.count.textContent;
    request("mark");
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

  /** @param {string} key */
  function walk(key) {
    const last = graph.nodes.x.length - 1;
    const ends = /** @type {Record<string, number>} */ ({ Home: 0, End: last });
    const start = marks.selected < 0 ? 0 : neighbour(graph, marks.selected, key);
    const next = ends[key] ?? start;
    if (next < 0 || last < 0) {
      live.textContent = "No node that way";
      return;
    }
    select(next);
    viewer.show(next);
  }

  /** @type {Record<string, () => void>} */
  const keys = {
    "+": () => viewer.zoom(1.25),
    "=": () => viewer.zoom(1.25),
    "-": () => viewer.zoom(0.8),
    0: () => viewer.toggleFit(),
    "/": () => search.focus(),
    Escape: () => select(-1),
  };
  for (const key of ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"])
    keys[key] = () => walk(key);

  /** @param {KeyboardEvent} event */
  function onStageKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }

  function showHint() {
    parts.hint.classList.add("ow-shown");
    clearTimeout(hinting);
    hinting = setTimeout(() => parts.hint.classList.remove("ow-shown"), 1400);
  }

  /** @param {number} node */
  function hover(node) {
    stage.classList.toggle("ow-over", node >= 0);
    stage.title =
      node < 0 ? "" : [graph.nodes.name[node], overlayNow()?.texts[node]].filter(Boolean).join(" · ");
    if (node === marks.hovered) return;
    marks.hovered = node;
    request("mark");
  }

  function onTheme() {
    root.dataset.theme = isDark() ? "dark" : "light";
    request("draw");
  }

  function onOverlay() {
    fillLegend(legend, overlayNow());
    request("draw");
  }

  function begin() {
    viewer.fit(true);
    request("draw");
    cancelAnimationFrame(pending);
    paint();
    requestAnimationFrame(() => {
      root.dataset.drawMs = (performance.now() - began).toFixed(1);
      root.dataset.ready = "true";
    });
  }

  const fullScreen = toolButton("Full screen", "", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else root.requestFullscreen();
  });
  const corners = svgElement("svg", {
    viewBox: "0 0 12 12",
    width: 11,
    height: 11,
    "aria-hidden": "true",
  });
  const strokes = {
    d: "M1 4V1h3M8 1h3v3M11 8v3H8M4 11H1V8",
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 1.5,
  };
  corners.append(svgElement("path", strokes));
  fullScreen.append(corners);
  root.style.height = `${model.get("height")}px`;
  root.dataset.surface = large ? "canvas" : "svg";
  root.dataset.nodes = String(graph.nodes.x.length);
  bar.append(
    parts.name,
    search,
    parts.count,
    toolButton("Zoom out", "−", () => viewer.zoom(0.8)),
    toolButton("Zoom in", "+", () => viewer.zoom(1.25)),
    toolButton("Fit the whole graph; again: back to its beginning", "Fit", () => viewer.toggleFit()),
    fullScreen,
  );
  if (graph.notice) root.insertBefore(element("div", "ow-notice", graph.notice), parts.body);
  stage.append(surface.element);
  if (strip) parts.body.insertBefore(strip.box, panel);
  el.append(root);
  fillLegend(legend, overlayNow());
  root.dataset.theme = isDark() ? "dark" : "light";

  search.addEventListener("input", searchAnew);
  search.addEventListener("keydown", onSearchKey);
  stage.addEventListener("keydown", onStageKey);
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    select(-1);
    stage.focus({ preventScroll: true });
  });
  const click = (/** @type {number} */ node) => {
    select(node);
    if (node >= 0) viewer.show(node, true); // the panel may have covered it
  };
  listenToPointer(stage, viewer, click, hover, showHint);
  const onDetails = () => showDetails();
  const onSelected = () => {
    const node = model.get("selected");
    if (node === marks.selected || node >= graph.nodes.x.length) return;
    select(node, false);
    if (node >= 0) viewer.show(node);
  };
  model.on("change:details", onDetails);
  model.on("change:selected", onSelected);
  model.on("change:overlay", onOverlay);

  // The cell has no size yet, and none while it is hidden: the first drawing waits for one.
  const resizing = new ResizeObserver(() => {
    if (!stage.clientHeight) return;
    if (!root.dataset.ready) {
      begin();
      return;
    }
    cover();
    viewer.resize();
    if (marks.selected >= 0) viewer.show(marks.selected, true);
    request("draw");
  });
  resizing.observe(stage);
  const theming = new MutationObserver(onTheme);
  theming.observe(document.body, {
    attributeFilter: ["data-jp-theme-light", "class"],
  });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", onTheme);

  return () => {
    model.off("change:details", onDetails);
    model.off("change:selected", onSelected);
    model.off("change:overlay", onOverlay);
    system.removeEventListener("change", onTheme);
    resizing.disconnect();
    theming.disconnect();
    for (const timer of [reporting, waiting, hinting]) clearTimeout(timer);
    cancelAnimationFrame(pending);
    cancelAnimationFrame(viewer.flight);
  };
}

export default { render };
