/** What is told of the selected box. */

/** @import { Details, Fold, Graph, Weight } from "./types.js" */
import { histogramParts, pictureFigure, valueSection } from "./arrays.js";
import { element, tableSection } from "./elements.js";
import { moduleControls } from "./modules.js";

/** @param {Weight} weight */
function weightSection(weight) {
  const section = tableSection(weight.name, weight.rows);
  if (weight.histogram) section.append(...histogramParts(weight.histogram, weight.name));
  section.append(...weight.pictures.map((picture) => pictureFigure(picture)));
  return section;
}

/** What the saved state knows of a node. @param {Graph} graph @param {number} node @returns {Details} */
export function savedDetails(graph, node) {
  const { nodes, values } = graph;
  // A value may be called "constructor" or "toString", as what every object has.
  const withType = (/** @type {string} */ name) => [name, Object.hasOwn(values, name) ? values[name] : ""];
  const rows = [
    ...(graph.told[node] ?? []),
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

/** @param {HTMLElement} panel @param {Graph} graph @param {Details} details @param {string} note @param {() => void} close @param {(look: Record<string, unknown>) => void} ask @param {(fold: Fold) => void} fold */
export function fillPanel(panel, graph, details, note, close, ask, fold) {
  const heading = element("h3", "", graph.nodes.title[details.node]);
  const button = element("button", "ow-close", "×");
  button.setAttribute("aria-label", "Close details");
  button.addEventListener("click", close);
  const parts = [button, heading];
  if (graph.nodes.line[details.node]) parts.push(element("p", "ow-subtitle", graph.nodes.line[details.node]));
  const modules = moduleControls(graph, details.node, fold);
  if (modules) parts.push(modules);
  if (details.rows.length) parts.push(tableSection("", details.rows));
  if (details.value) parts.push(valueSection(details.value, ask));
  if (details.attributes.length) parts.push(tableSection("Attributes", details.attributes));
  if (details.inputs.length) parts.push(tableSection("Inputs", details.inputs));
  if (details.outputs.length) parts.push(tableSection("Outputs", details.outputs));
  if (details.weights.length) parts.push(element("h4", "ow-weights", "Weights"));
  parts.push(...details.weights.map(weightSection));
  if (details.doc) parts.push(element("h4", "", "Documentation"), element("p", "ow-doc", details.doc));
  if (note) parts.push(element("p", "ow-note", note));
  panel.replaceChildren(...parts);
}
