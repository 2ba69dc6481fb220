/** What the colours mean, which of them are shown, and the worst nodes by them. */

/** @import { Overlay, Overlays, Worst } from "./types.js" */

import { element, textButton } from "./elements.js";

/** The overlay that is chosen, in a scale it has. @param {Overlays | {}} all @param {number} shown @param {string} wanted @returns {Overlay | null} */
export function chosenOverlay(all, shown, wanted) {
  if (!("items" in all) || !all.items[shown]) return null;
  const { ramp, notFinite, none } = all;
  const { scales, ...item } = all.items[shown];
  const scale = scales[wanted] ? wanted : "linear";
  return { ...item, ...scales[scale], ramp, notFinite, none, scale, scales: Object.keys(scales) };
}

const FOLDED = "onnx-workbench.legend-folded";

/** Whether the reader folded the last legend: the next one begins so. Pages without storage forget it. */
function wasFolded() {
  try {
    return localStorage.getItem(FOLDED) === "true";
  } catch {
    return false;
  }
}

/** @param {boolean} folded */
function rememberFolded(folded) {
  try {
    localStorage.setItem(FOLDED, String(folded));
  } catch {
    // Sandboxed pages have no storage: the legend is folded all the same.
  }
}

export class Legend {
  /** @param {(shown: number) => void} choose @param {(scale: string) => void} rescale @param {(worst: Worst) => void} jump */
  constructor(choose, rescale, jump) {
    this.choose = choose;
    this.rescale = rescale;
    this.jump = jump;
    this.element = element("div", "ow-legend");
    this.open = false;
    this.folded = wasFolded();
    this.element.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** @param {Overlays | {}} all @param {Overlay | null} overlay @param {number} shown */
  fill(all, overlay, shown) {
    const items = "items" in all ? all.items : [];
    this.element.hidden = !items.length;
    this.element.replaceChildren();
    if (!items.length) return;
    this.element.classList.toggle("ow-folded", this.folded);
    if (this.folded) {
      this.element.append(this.foldButton(overlay));
      return;
    }
    const controls = element("div", "ow-legend-row");
    controls.append(
      this.chooser(
        items.map((item) => item.label || "value"),
        shown,
      ),
    );
    if (!overlay) {
      controls.append(this.foldButton(overlay));
      this.element.append(controls);
      return;
    }
    if (overlay.scales.length > 1) controls.append(this.scaleButton(overlay));
    if (overlay.worst.length) controls.append(this.worstButton(overlay));
    controls.append(this.foldButton(overlay));
    if (this.open && overlay.worst.length) this.element.append(this.worstList(overlay));
    this.element.append(controls, this.colours(overlay));
    if (overlay.note) this.element.append(element("div", "ow-legend-note", overlay.note));
  }

  /** @param {string[]} labels @param {number} shown */
  chooser(labels, shown) {
    const select = /** @type {HTMLSelectElement} */ (element("select", "ow-chooser"));
    select.setAttribute("aria-label", "Numbers that colour the nodes");
    ["kind of operator", ...labels].forEach((label, i) => {
      const option = /** @type {HTMLOptionElement} */ (element("option", "", label));
      option.value = String(i - 1);
      select.append(option);
    });
    select.value = String(shown);
    select.addEventListener("change", () => {
      this.choose(Number(select.value));
      /** @type {HTMLElement | null} */ (this.element.querySelector("select"))?.focus();
    });
    return select;
  }

  /** @param {Overlay} overlay */
  scaleButton(overlay) {
    const other = overlay.scale === "log" ? "linear" : "log";
    const button = textButton(
      `${overlay.scale} scale`,
      `The colours are ${overlay.scale}: make them ${other}`,
      () => {
        this.rescale(other);
        /** @type {HTMLElement | null} */ (this.element.querySelector(".ow-scale"))?.focus();
      },
    );
    button.classList.add("ow-scale");
    return button;
  }

  /** @param {Overlay} overlay */
  worstButton(overlay) {
    const count = overlay.worst.length;
    const noun = count === 10 ? "Worst ten" : `Worst ${count}`;
    const button = textButton(noun, `The nodes with the greatest numbers, ${overlay.label}`, () => {
      this.open = !this.open;
      this.toggled();
    });
    button.classList.add("ow-worst");
    button.setAttribute("aria-expanded", String(this.open));
    return button;
  }

  /** @param {Overlay | null} overlay */
  foldButton(overlay) {
    const label = overlay?.label || "value";
    const button = textButton(
      this.folded ? "Legend" : "−",
      this.folded ? `Show what the colours mean: ${label}` : "Fold the legend, to see what is behind it",
      () => {
        this.folded = !this.folded;
        rememberFolded(this.folded);
        this.toggled();
        /** @type {HTMLElement | null} */ (this.element.querySelector(".ow-fold-legend"))?.focus();
      },
    );
    button.classList.add("ow-fold-legend");
    button.setAttribute("aria-label", this.folded ? "Show the legend" : "Fold the legend");
    button.setAttribute("aria-expanded", String(!this.folded));
    return button;
  }

  /** Overridden by who knows what to fill in. */
  toggled() {}

  /** @param {Overlay} overlay */
  worstList(overlay) {
    const list = element("ol", "ow-worst-list");
    list.setAttribute("aria-label", `Worst nodes by ${overlay.label || "value"}`);
    for (const worst of overlay.worst) {
      const button = textButton("", "", () => this.jump(worst));
      button.append(
        element("span", "ow-worst-title", worst.title),
        element("span", "ow-worst-name", worst.name),
        element("span", "ow-worst-number", worst.text),
      );
      const line = element("li");
      line.append(button);
      list.append(line);
    }
    return list;
  }

  /** @param {Overlay} overlay */
  colours(overlay) {
    const line = element("div", "ow-legend-row");
    const bar = element("span", "ow-ramp");
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", `Colours from ${overlay.lowest}, pale, to ${overlay.highest}, dark`);
    for (const { fill } of overlay.ramp) {
      const field = element("span");
      field.style.background = fill;
      bar.append(field);
    }
    line.append(element("span", "", overlay.lowest), bar, element("span", "", overlay.highest));
    if (overlay.steps.includes(-1)) {
      const swatch = element("span", "ow-swatch");
      swatch.style.background = overlay.notFinite.fill;
      line.append(swatch, element("span", "", "NaN or infinite"));
    }
    return line;
  }

  /** Up and down walk through the list of the worst; Escape closes it. @param {KeyboardEvent} event */
  onKey(event) {
    event.stopPropagation(); // JupyterLab has shortcuts on single letters
    const buttons = /** @type {HTMLElement[]} */ ([...this.element.querySelectorAll("li button")]);
    const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (event.key === "Escape" && this.open) {
      this.open = false;
      this.toggled();
      /** @type {HTMLElement | null} */ (this.element.querySelector(".ow-worst"))?.focus();
    }
    if (at < 0 || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    buttons[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
}
