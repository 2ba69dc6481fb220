/** Drawing into SVG elements: for graphs of lesson size, sharp at any zoom and open to assistive technology. */

/** @import { Graph, Overlay, Scene, Surface } from "./types.js" */
import { FONT, READABLE, arrowHead, baselines, coloursOf, edgesAt, radiusOf } from "./boxes.js";
import { svgElement } from "./elements.js";
import { SIGN_FROM_RIGHT, TAB_HEIGHT } from "./modules.js";

/**
 * @param {Graph} graph
 * @param {() => Overlay | null} overlayNow
 * @returns {Surface}
 */
export function svgSurface(graph, overlayNow) {
  const { nodes, edges, labels, frames } = graph;
  const svg = svgElement("svg", { class: "ow-surface", "font-family": FONT });
  const world = svgElement("g", {});
  const marks = svgElement("g", { class: "ow-marks", fill: "none" });
  frames.title.forEach((title, i) => {
    const frame = {
      x: frames.x[i],
      y: frames.y[i],
      width: frames.width[i],
      height: frames.height[i],
      rx: 10,
    };
    world.append(svgElement("rect", { class: "ow-module", ...frame }));
  });
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
    if (graph.marks[i]) box.classList.add(`ow-${graph.marks[i]}`);
    if (nodes.kind[i] === "module") {
      box.setAttribute("aria-expanded", "false");
      box.append(svgElement("text", { class: "ow-sign", x: width / 2 - SIGN_FROM_RIGHT, y: 5.5 }, "+"));
    }
    world.append(box);
    return box;
  });
  frames.title.forEach((title, i) => {
    const tab = svgElement("g", {
      class: "ow-tab",
      transform: `translate(${frames.tab[i]} ${frames.y[i] - TAB_HEIGHT / 2})`,
      role: "img",
      "aria-label": `open module ${title}`,
      "data-module": frames.module[i],
    });
    tab.append(
      svgElement("rect", { width: frames.tabWidth[i], height: TAB_HEIGHT, rx: 8 }),
      svgElement("text", { x: 7, y: 11.5 }, `− ${title}`),
    );
    world.append(tab);
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
