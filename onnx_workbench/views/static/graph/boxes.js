/** What is known of a box: its colours, its shape, its words, and its way to others. */

/** @import { Colours, Graph, Hit, NodeColumns, Overlay } from "./types.js" */
import { isDark } from "./elements.js";

export const READABLE = 0.45; // below this scale the titles are too small to read
export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

/** The numbers in a path: x and y in turns. @param {string} path */
export function coordinates(path) {
  return (path.match(/-?[\d.]+/g) ?? []).map(Number);
}

/** The triangle at the end of an edge. @param {string} path */
export function arrowHead(path) {
  const [x, y] = coordinates(path).slice(-2);
  return `M${x - 3.5} ${y - 6.5}h7l-3.5 6.5z`;
}

/** What a screen reader says of a node. @param {Graph} graph @param {Overlay | null} overlay @param {number} node */
export function describe(graph, overlay, node) {
  const { nodes, edges } = graph;
  const kind = nodes.kind[node] === "node" ? "" : `${nodes.kind[node]} `;
  const readers = edges.source.reduce((count, source) => count + Number(source === node), 0);
  const writers = edges.target.reduce((count, target) => count + Number(target === node), 0);
  const number = overlay?.texts[node] ? `, ${overlay.label || "value"} ${overlay.texts[node]}` : "";
  const name = nodes.name[node] && nodes.name[node] !== nodes.title[node] ? `, ${nodes.name[node]}` : "";
  const odd =
    { differs: ", differs from its counterpart", only: ", has no counterpart" }[graph.marks[node]] ?? "";
  return `${kind}${nodes.title[node]} ${nodes.line[node]}${name}${number}${odd}; ${writers} in, ${readers} out`;
}

/** @param {Graph} graph @param {Overlay | null} overlay @param {number} node @returns {Colours} */
export function coloursOf(graph, overlay, node) {
  if (overlay) {
    const step = overlay.steps[node];
    if (step === null || step === undefined) return isDark() ? overlay.none.dark : overlay.none.light;
    return step < 0 ? overlay.notFinite : overlay.ramp[step];
  }
  const family = graph.families[graph.nodes.family[node]];
  return isDark() ? family.dark : family.light;
}

/** @param {NodeColumns} nodes @param {number} node */
export function radiusOf(nodes, node) {
  return nodes.kind[node] === "input" || nodes.kind[node] === "output" ? nodes.height[node] / 2 : 8;
}

/** Baselines of title and line, from a box's centre. @param {string} line */
export function baselines(line) {
  return line ? [-3.5, 12.5] : [4.6, 0];
}

/** @param {Graph} graph @param {number} node @returns {number[]} numbers of the edges at a node */
export function edgesAt(graph, node) {
  if (node < 0) return [];
  const found = [];
  for (let edge = 0; edge < graph.edges.path.length; edge += 1) {
    if (graph.edges.source[edge] === node || graph.edges.target[edge] === node) found.push(edge);
  }
  return found;
}

/** Finds boxes by operator, name and values, and nodes in closed modules. @param {Graph} graph @returns {(wanted: string) => Hit[]} */
export function makeSearch(graph) {
  const { nodes, hidden } = graph;
  /** @type {{text: string, hit: Hit}[]} */
  let entries = [];
  return (wanted) => {
    if (!entries.length) {
      entries = nodes.title.map((title, i) => ({
        text: [title, nodes.operator[i], nodes.name[i], ...nodes.outputs[i], ...nodes.inputs[i]]
          .join("\n")
          .toLowerCase(),
        hit: { place: i, node: -1 },
      }));
      // A closed module is found by its own name; its values are those of the nodes in it.
      entries = entries.map((entry, i) =>
        nodes.kind[i] === "module" ? { ...entry, text: nodes.name[i].toLowerCase() } : entry,
      );
      hidden.text.forEach((text, i) => {
        entries.push({ text: text.toLowerCase(), hit: { place: hidden.place[i], node: hidden.node[i] } });
      });
      entries.sort((a, b) => a.hit.place - b.hit.place);
    }
    const needle = wanted.trim().toLowerCase();
    return needle ? entries.flatMap(({ text, hit }) => (text.includes(needle) ? [hit] : [])) : [];
  };
}

/** The node one arrives at with an arrow key. @param {Graph} graph @param {number} node @param {string} key */
export function neighbour(graph, node, key) {
  const { nodes, edges } = graph;
  const vertical = key === "ArrowDown" || key === "ArrowUp";
  const [from, to] = key === "ArrowDown" ? [edges.source, edges.target] : [edges.target, edges.source];
  const direction = key === "ArrowLeft" ? -1 : 1;
  const candidates = vertical
    ? from.flatMap((end, edge) => (end === node ? [to[edge]] : []))
    : nodes.x.flatMap((x, i) => {
        const inRow = Math.abs(nodes.y[i] - nodes.y[node]) < 30;
        return i !== node && inRow && Math.sign(x - nodes.x[node]) === direction ? [i] : [];
      });
  const distance = (/** @type {number} */ i) => Math.abs(nodes.x[i] - nodes.x[node]);
  return candidates.reduce((best, i) => (best < 0 || distance(i) < distance(best) ? i : best), -1);
}
