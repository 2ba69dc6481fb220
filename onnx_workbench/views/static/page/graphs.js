/** The graphs of a saved page: one, or two of which each follows what is selected in the other. */

/** @import { Drawing, SavedModel } from "./drawings.js" */
import { boxIn, boxOfNode, savedModel } from "./drawings.js";

/** The boxes of one drawing that match a box of another. @param {Drawing} from @param {number} place @param {Drawing} to @param {Record<string, number>} known  counterparts of nodes @returns {number[]} */
function matching(from, place, to, known) {
  const members = from.members[place] ?? [];
  if (!members.length) return [boxIn(to, from, place)];
  return members.flatMap((node) => (node in known ? [boxOfNode(to, known[node])] : []));
}

/** @param {SavedModel[]} models @param {Record<string, number>[]} counterparts  of each model's nodes */
function follow(models, counterparts) {
  models.forEach((model, side) => {
    const other = models[1 - side];
    model.on("change:selected", () => {
      const [here, there] = [model.drawing(), other.drawing()];
      const [place, shown] = [model.get("selected"), other.get("selected")];
      const [target = -1] = matching(here, place, there, counterparts[side]);
      // A counterpart that is selected already stays: it may be a box of which several nodes are the counterpart.
      const leadsHere = matching(there, shown, here, counterparts[1 - side]).includes(place);
      if (target >= 0 && target !== shown && !leadsHere) other.set("selected", target);
    });
  });
}

/** @param {{graphs: Record<string, any>[], counterparts: Record<string, number>[]}} state @param {HTMLElement} place @param {(context: any) => void} draw */
export function showGraphs({ graphs, counterparts }, place, draw) {
  const models = graphs.map(savedModel);
  for (const model of models) {
    const el = document.createElement("div");
    place.append(el);
    draw({ model, el });
  }
  if (models.length > 1) follow(models, counterparts);
}
