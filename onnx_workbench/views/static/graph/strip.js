/** The whole graph in a narrow strip, with the part in sight framed: long graphs have no other overview. */

/** @import { Graph, Overlay, Scene } from "./types.js" */
import { coloursOf } from "./boxes.js";
import { element } from "./elements.js";

/**
 * @param {Graph} graph
 * @param {() => Overlay | null} overlayNow
 * @param {(y: number) => void} goTo  called with a height in the graph
 */
export function makeStrip(graph, overlayNow, goTo) {
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
