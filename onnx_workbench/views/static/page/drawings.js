/** What answers the graph in a saved page, where no kernel does: it holds the graph as it was saved, and every node. */

/**
 * @typedef {object} Drawing
 * @property {any} graph
 * @property {any} overlays
 * @property {number[][]} members  the nodes of each box, by their numbers in the model; none for inputs and outputs
 * @typedef {{kind: string, which: number | null, anchor: number, selected: number}} Wish  to open or close modules
 * @typedef {object} SavedModel
 * @property {() => Drawing} drawing  that is shown
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {() => void} save_changes
 * @property {(wish: Wish) => void} send
 * @property {(name: string, listener: () => void) => void} on
 * @property {(name: string, listener: () => void) => void} off
 */

const SAVED = 0;
const WHOLE = 1;

/** The box of a drawing that shows a node of the model. @param {Drawing} drawing @param {number} node */
export function boxOfNode(drawing, node) {
  return drawing.members.findIndex((members) => members.includes(node));
}

/** The box of one drawing that shows what a box of another shows. @param {Drawing} to @param {Drawing} from @param {number} place */
export function boxIn(to, from, place) {
  if (!(place in from.members)) return -1;
  const [first] = from.members[place];
  if (first !== undefined) return boxOfNode(to, first);
  const [own, others] = [from.graph.nodes, to.graph.nodes];
  return others.kind.findIndex(
    (/** @type {string} */ kind, /** @type {number} */ i) =>
      kind === own.kind[place] && others.name[i] === own.name[place],
  );
}

/** A widget's model without a kernel. @param {Record<string, any>} state @returns {SavedModel} */
export function savedModel(state) {
  const heard = new EventTarget();
  let shown = SAVED;
  state.graph = state.drawings[SAVED].graph;
  state.overlays = state.drawings[SAVED].overlays;
  /** @param {string} name @param {unknown} value */
  function set(name, value) {
    state[name] = value;
    heard.dispatchEvent(new Event(`change:${name}`));
  }
  /** Show the drawing that comes closest to a wish. @param {Wish} wish */
  function fold(wish) {
    const from = state.drawings[shown];
    shown = wish.kind === "close" ? SAVED : WHOLE;
    const to = state.drawings[shown];
    const meant = wish.kind === "reveal" && wish.which !== null ? boxOfNode(to, wish.which) : -1;
    state.selected = meant >= 0 ? meant : boxIn(to, from, wish.selected);
    state.overlays = to.overlays;
    state.details = {};
    set("graph", { ...to.graph, focus: meant >= 0 ? meant : boxIn(to, from, wish.anchor) });
  }
  return {
    drawing: () => state.drawings[shown],
    get: (/** @type {string} */ name) => state[name],
    set,
    save_changes: () => {},
    send: (/** @type {Wish} */ wish) => {
      if (["open", "close", "reveal"].includes(wish.kind) && WHOLE in state.drawings) fold(wish);
    },
    on: (/** @type {string} */ name, /** @type {() => void} */ listener) =>
      heard.addEventListener(name, listener),
    off: (/** @type {string} */ name, /** @type {() => void} */ listener) =>
      heard.removeEventListener(name, listener),
  };
}
