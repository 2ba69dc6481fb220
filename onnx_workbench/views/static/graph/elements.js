/** Making elements; names come from untrusted files, and only ever become textContent. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {string} [className]
 * @param {string} [text]
 */
export function element(tag, className = "", text = "") {
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
export function svgElement(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text) made.textContent = text;
  return made;
}

/** @returns {boolean} whether the page around the widget is dark */
export function isDark() {
  const { jpThemeLight } = document.body.dataset;
  if (jpThemeLight !== undefined) return jpThemeLight === "false";
  if (document.body.classList.contains("vscode-dark")) return true;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** @param {string} label @param {string} sign @param {() => void} act */
export function toolButton(label, sign, act) {
  const button = element("button", "ow-tool", sign);
  button.setAttribute("aria-label", label);
  button.title = label;
  button.addEventListener("click", act);
  return button;
}

/** A button that shows words. @param {string} text @param {string} title @param {() => void} act */
export function textButton(text, title, act) {
  const button = /** @type {HTMLButtonElement} */ (element("button", "ow-text-button", text));
  if (title) button.title = title;
  button.addEventListener("click", act);
  return button;
}

/** @param {string} title @param {string[][]} rows @param {string[]} [header] */
export function tableSection(title, rows, header = []) {
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
