/** Drawing onto a canvas, and only what is in sight: for graphs of thousands of nodes. */

/** @import { Graph, Overlay, Scene, Surface } from "./types.js" */
import { FONT, READABLE, arrowHead, baselines, coloursOf, coordinates, edgesAt, radiusOf } from "./boxes.js";
import { element } from "./elements.js";
import { SIGN_FROM_RIGHT, TAB_HEIGHT } from "./modules.js";

/**
 * @param {Graph} graph
 * @param {() => Overlay | null} overlayNow
 * @param {HTMLElement} styled  where the style sheet's colours are read
 * @returns {Surface}
 */
export function canvasSurface(graph, overlayNow, styled) {
  const { nodes, edges, labels, frames } = graph;
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
    const odd = graph.marks[i];
    const strong = i === scene.selected || scene.hits.has(i) || odd;
    pen.strokeStyle = i === scene.selected ? accent : scene.hits.has(i) || odd ? hit : border;
    pen.lineWidth = strong ? Math.max(3, 3 / scene.camera.scale) : i === scene.hovered ? 2.4 : 1.3;
    if (odd === "only") pen.setLineDash([6, 4]);
    pen.stroke();
    pen.setLineDash([]);
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
    if (nodes.kind[i] !== "module") return;
    pen.font = `600 16px ${FONT}`;
    pen.fillText("+", x + width / 2 - SIGN_FROM_RIGHT, y + 5.5);
  }

  /** @param {number} i @param {string} line @param {string} back */
  function drawFrame(i, line, back) {
    pen.beginPath();
    pen.roundRect(frames.x[i], frames.y[i], frames.width[i], frames.height[i], 10);
    pen.globalAlpha = 0.06;
    pen.fillStyle = back;
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = line;
    pen.lineWidth = 1;
    pen.stroke();
  }

  /** @param {number} i @param {string} line @param {string} front @param {string} ink */
  function drawTab(i, line, front, ink) {
    pen.beginPath();
    pen.roundRect(frames.tab[i], frames.y[i] - TAB_HEIGHT / 2, frames.tabWidth[i], TAB_HEIGHT, 8);
    pen.fillStyle = front;
    pen.fill();
    pen.strokeStyle = line;
    pen.lineWidth = 1;
    pen.stroke();
    pen.fillStyle = ink;
    pen.font = `11px ${FONT}`;
    pen.textAlign = "left";
    pen.fillText(`− ${frames.title[i]}`, frames.tab[i] + 7, frames.y[i] + 3.5);
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
    const [line, accent, hit, front, quiet] = [
      "--ow-edge",
      "--ow-accent",
      "--ow-hit",
      "--ow-front",
      "--ow-quiet",
    ].map((name) => style.getPropertyValue(name));
    const inSight = (/** @type {number[]} */ [x0, y0, x1, y1]) =>
      x1 >= left && x0 <= right && y1 >= top && y0 <= bottom;
    const framed = frames.title.flatMap((_, i) => {
      const [x, y] = [frames.x[i], frames.y[i]];
      return inSight([x, y - TAB_HEIGHT, x + frames.width[i], y + frames.height[i]]) ? [i] : [];
    });
    for (const i of framed) drawFrame(i, line, accent);
    const seen = extents.flatMap((extent, edge) => (inSight(extent) ? [edge] : []));
    drawEdges(seen, line, Math.max(1.4, 0.6 / camera.scale));
    drawEdges(edgesAt(graph, selected), accent, Math.max(2.4, 1.2 / camera.scale));
    if (camera.scale >= READABLE) {
      pen.font = `10px ${FONT}`;
      pen.textAlign = "left";
      pen.fillStyle = quiet;
      labels.text.forEach((text, i) => {
        const [x, y] = [labels.x[i], labels.y[i]];
        if (inSight([x, y - 10, x + 120, y])) pen.fillText(text, x, y);
      });
    }
    for (let i = 0; i < nodes.x.length; i += 1) {
      const [x, y, w, h] = [nodes.x[i], nodes.y[i], nodes.width[i] / 2, nodes.height[i] / 2];
      if (inSight([x - w, y - h, x + w, y + h])) drawNode(i, scene, accent, hit);
    }
    if (camera.scale >= READABLE) for (const i of framed) drawTab(i, line, front, quiet);
  }
  return { element: canvas, draw, mark: draw, move: draw };
}
