/** What is told of the selected box. */

/** @import { Details, Graph, Weight } from "./types.js" */
import { element, svgElement } from "./elements.js";

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

/** @param {Weight} weight */
export function weightSection(weight) {
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
export function savedDetails(graph, node) {
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
export function fillPanel(panel, graph, details, note, close) {
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
