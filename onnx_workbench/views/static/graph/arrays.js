/** Arrays in the panel: pictures that Python made, bars, histograms, and what the reader may ask of them. */

/** @import { Bars, Controls, Histogram, Picture, Value } from "./types.js" */

import { element, svgElement, tableSection, textButton } from "./elements.js";

const PNG = "data:image/png;base64,";

/** @param {Histogram} histogram @param {string} name */
export function histogramParts({ counts, lowest, highest }, name) {
  const most = Math.max(...counts, 1);
  const chart = svgElement("svg", {
    viewBox: `0 0 ${counts.length * 8} 60`,
    role: "img",
    "aria-label": `Histogram of ${name} from ${lowest} to ${highest}`,
  });
  chart.setAttribute("class", "ow-histogram");
  chart.setAttribute("preserveAspectRatio", "none");
  counts.forEach((count, i) => {
    const height = count ? Math.max((count / most) * 58, 1) : 0;
    chart.append(svgElement("rect", { x: i * 8 + 0.5, y: 60 - height, width: 7, height }));
  });
  const axis = element("div", "ow-axis");
  axis.append(element("span", "", lowest), element("span", "", highest));
  return [chart, axis];
}

/** @param {Picture} picture @param {(channel: number) => void} [open]  a tile that was clicked */
export function pictureFigure(picture, open) {
  const figure = element("figure", picture.small ? "ow-picture ow-small" : "ow-picture");
  if (picture.source?.startsWith(PNG)) {
    const image = /** @type {HTMLImageElement} */ (element("img"));
    image.setAttribute("src", picture.source);
    image.alt = picture.alt;
    figure.append(image);
    const { grid } = picture;
    if (grid && open) {
      image.classList.add("ow-tiles");
      image.title = "Click a channel to see it large";
      image.addEventListener("click", (event) => {
        const shrunk = image.naturalWidth / image.clientWidth;
        const column = Math.floor((event.offsetX * shrunk) / grid.width);
        const tile = Math.floor((event.offsetY * shrunk) / grid.height) * grid.columns + column;
        if (column < grid.columns && tile < grid.count) open(grid.first + tile);
      });
    }
  }
  figure.append(element("figcaption", "", picture.caption));
  if (picture.scale) figure.append(scaleLine(picture.scale));
  return figure;
}

/** @param {NonNullable<Picture["scale"]>} scale */
function scaleLine({ lowest, highest, ramp, odd }) {
  const line = element("div", "ow-scale-line");
  const bar = element("span", "ow-gradient");
  bar.style.background = `linear-gradient(90deg, ${ramp.join(", ")})`;
  line.append(element("span", "", lowest), bar, element("span", "", highest));
  if (odd) {
    const swatch = element("span", "ow-swatch");
    swatch.style.background = odd;
    line.append(swatch, element("span", "", "NaN, ∞"));
  }
  line.setAttribute("aria-hidden", "true"); // the picture's own text says it
  return line;
}

/** @param {Bars} bars */
function barTable({ names, texts, shares, signed }) {
  const table = element("table", signed ? "ow-bars ow-signed" : "ow-bars");
  names.forEach((name, i) => {
    const line = element("tr");
    const cell = element("td");
    const share = shares[i];
    const bar = element("span", share === null ? "ow-odd" : share < 0 ? "ow-negative" : "");
    const length = share === null ? 1 : Math.abs(share);
    bar.style.width = `${length * (signed ? 50 : 100)}%`;
    if (signed) bar.style.marginLeft = `${share !== null && share < 0 ? 50 - length * 50 : 50}%`;
    cell.append(bar);
    line.append(element("td", "", name), cell, element("td", "", texts[i]));
    table.append(line);
  });
  return table;
}

/** @param {string} label @param {string[]} names @param {number} chosen @param {(place: number) => void} choose */
function chooser(label, names, chosen, choose) {
  const select = /** @type {HTMLSelectElement} */ (element("select", "ow-chooser"));
  select.setAttribute("aria-label", label);
  names.forEach((name, i) => {
    const option = /** @type {HTMLOptionElement} */ (element("option", "", name));
    option.value = String(i);
    select.append(option);
  });
  select.value = String(chosen);
  select.addEventListener("change", () => choose(Number(select.value)));
  return select;
}

/** @param {string} label @param {number} value @param {number} last @param {(value: number) => void} choose */
function stepper(label, value, last, choose) {
  const box = element("label", "ow-stepper", label);
  const input = /** @type {HTMLInputElement} */ (element("input"));
  Object.assign(input, {
    type: "number",
    min: "0",
    max: String(last),
    value: value < 0 ? "" : String(value),
  });
  input.setAttribute("aria-label", `${label}, 0 to ${last}`);
  input.placeholder = "all";
  // JupyterLab takes Enter for itself, unless it is told that keys typed here are meant for this field.
  input.dataset.lmSuppressShortcuts = "true";
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") event.stopPropagation();
    if (event.key === "Enter") input.dispatchEvent(new Event("change"));
  });
  input.addEventListener("change", () => {
    const wanted =
      input.value === "" ? -1 : Math.min(Math.max(Math.trunc(Number(input.value)) || 0, 0), last);
    choose(wanted);
  });
  box.append(input);
  return box;
}

/** @param {Controls} controls @param {(look: Record<string, unknown>) => void} ask */
function controlLine(controls, ask) {
  const line = element("div", "ow-controls");
  const {
    samples = 1,
    sample = 0,
    layouts = [],
    layout,
    channels = 1,
    first = 0,
    page = 64,
    channel = -1,
  } = controls;
  if (samples > 1)
    line.append(stepper("sample", sample, samples - 1, (place) => ask({ sample: Math.max(place, 0) })));
  for (const [key, name, explanation] of layouts) {
    const button = textButton(name, explanation, () => ask({ layout: key, channel: -1, first: 0 }));
    button.setAttribute("aria-pressed", String(key === layout));
    line.append(button);
  }
  if (channels > 1)
    line.append(stepper("channel", channel, channels - 1, (place) => ask({ channel: place })));
  if (channels > page && channel < 0) {
    const earlier = textButton("‹", "Earlier channels", () => ask({ first: first - page }));
    const later = textButton("›", "Later channels", () => ask({ first: first + page }));
    earlier.toggleAttribute("disabled", first === 0);
    later.toggleAttribute("disabled", first + page >= channels);
    line.append(earlier, later);
  }
  if (channels > 1 && channel < 0) {
    const button = textButton("each its own colours", "Give each channel the whole scale of colours", () =>
      ask({ alike: !controls.alike }),
    );
    button.setAttribute("aria-pressed", String(!controls.alike));
    line.append(button);
  }
  return line;
}

/**
 * @param {Value} value
 * @param {(look: Record<string, unknown>) => void} ask  the kernel, for another look
 */
export function valueSection(value, ask) {
  const section = element("section", "ow-value");
  section.append(element("h4", "", "Value in this run"));
  const { names, chosen, controls = {} } = value;
  const again = (/** @type {Record<string, unknown>} */ look) =>
    ask({ value: chosen, ...pick(controls), ...look });
  if (names.length > 1)
    section.append(chooser("Value of this node", names, chosen, (place) => ask({ value: place })));
  else if (names.length) section.append(element("p", "ow-value-name", names[0]));
  if (value.note) section.append(element("p", "ow-note", value.note));
  section.append(controlLine(controls, again));
  for (const picture of value.pictures ?? []) {
    section.append(pictureFigure(picture, (channel) => again({ channel })));
  }
  if (value.bars) section.append(barTable(value.bars));
  if (value.rows?.length) section.append(tableSection("", value.rows));
  if (value.histogram) section.append(...histogramParts(value.histogram, names[chosen]));
  return section;
}

/** What stays as it is when one thing is asked anew. @param {Controls} controls */
function pick({ sample, layout, first, channel, alike }) {
  return { sample, layout, first, channel, alike };
}
