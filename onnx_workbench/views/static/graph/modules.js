/** Modules on the graph: frames around open ones, signs on closed ones, and what a click on either means. */

/** @import { Fold, Graph } from "./types.js" */

import { element, textButton } from "./elements.js";

export const TAB_HEIGHT = 16;
export const SIGN_FROM_RIGHT = 14;
const SIGN_REACH = 11;

/** What a click at a point of the graph does to modules; null for nothing. @param {Graph} graph @param {number} node  the box there @param {number} x @param {number} y @returns {Fold | null} */
export function foldAt(graph, node, x, y) {
  const { nodes, frames } = graph;
  if (node >= 0) {
    const right = nodes.x[node] + nodes.width[node] / 2;
    const onSign = Math.abs(right - SIGN_FROM_RIGHT - x) <= SIGN_REACH;
    return nodes.kind[node] === "module" && onSign ? { kind: "open", which: node, anchor: node } : null;
  }
  const reach = TAB_HEIGHT / 2 + 2;
  const at = frames.tab.findIndex(
    (left, i) => x >= left && x <= left + frames.tabWidth[i] && Math.abs(y - frames.y[i]) <= reach,
  );
  return at < 0 ? null : closing(graph, frames.module[at]);
}

/** @param {Graph} graph @param {number} module @returns {Fold} */
export function closing(graph, module) {
  return { kind: "close", which: module, anchor: firstBoxOf(graph, module) };
}

/** The first box inside an open module. @param {Graph} graph @param {number} module */
function firstBoxOf(graph, module) {
  return graph.inModule.findIndex((inner) => {
    for (let at = inner; at >= 0; at = graph.modules.around[at]) if (at === module) return true;
    return false;
  });
}

/** The module that Shift+Enter closes: the one around a box. @param {Graph} graph @param {number} node */
export function moduleAround(graph, node) {
  return node >= 0 ? (graph.inModule[node] ?? -1) : -1;
}

/** What the panel says of modules: which box opens, which modules around it close. @param {Graph} graph @param {number} node @param {(fold: Fold) => void} fold */
export function moduleControls(graph, node, fold) {
  const row = element("div", "ow-controls ow-modules");
  if (graph.nodes.kind[node] === "module")
    row.append(
      textButton("+ open", "Show what is in this module (Enter)", () =>
        fold({ kind: "open", which: node, anchor: node }),
      ),
    );
  const around = [];
  for (let at = moduleAround(graph, node); at >= 0; at = graph.modules.around[at]) around.unshift(at);
  for (const module of around)
    row.append(
      textButton(`− ${graph.modules.title[module]}`, "Close this module (Shift+Enter: the innermost)", () =>
        fold(closing(graph, module)),
      ),
    );
  return row.childElementCount ? row : null;
}

/** Buttons that open and close all. @param {() => Graph} graphNow @param {(fold: Fold) => void} fold @param {() => number} anchorNow */
export function foldButtons(graphNow, fold, anchorNow) {
  const group = element("span", "ow-fold");
  const close = textButton("close modules", "Draw each module as one box", () =>
    fold({ kind: "close", which: null, anchor: anchorNow() }),
  );
  const open = textButton("open all", "Open every module", () =>
    fold({ kind: "open", which: null, anchor: anchorNow() }),
  );
  group.append(close, open);
  const update = () => {
    const graph = graphNow();
    group.hidden = !graph.foldable;
    open.disabled = !graph.hidden.place.length && !graph.modules.title.length;
  };
  return { group, update };
}
