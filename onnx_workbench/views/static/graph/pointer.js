/** Pointer and wheel become clicks, hovering, and moves of the camera. */

/** @import { Viewer } from "./viewer.js" */

/** @param {HTMLElement} stage @param {Viewer} viewer @param {(node: number, x: number, y: number) => void} select  with the place on the stage @param {(node: number) => void} hover @param {() => void} hint */
export function listenToPointer(stage, viewer, select, hover, hint) {
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
    select(viewer.hit(x, y), x, y);
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
