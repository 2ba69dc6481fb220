/** What the colours mean. */

/** @import { Overlay } from "./types.js" */
import { element } from "./elements.js";

/** @param {HTMLElement} legend @param {Overlay | null} overlay */
export function fillLegend(legend, overlay) {
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
