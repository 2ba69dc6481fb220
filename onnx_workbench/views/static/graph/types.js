/**
 * What Python sends and what the parts of the widget pass to each other.
 *
 * @typedef {{fill: string, border: string, ink: string}} Colours
 * @typedef {{name: string, light: Colours, dark: Colours}} Family
 * @typedef {object} NodeColumns
 * @property {number[]} x  centres
 * @property {number[]} y
 * @property {number[]} width
 * @property {number[]} height
 * @property {string[]} title
 * @property {string[]} line
 * @property {number[]} family  index into families
 * @property {string[]} kind  "node", "input", "output" or "module"
 * @property {string[]} operator
 * @property {string[]} name
 * @property {string[][]} inputs  names of values
 * @property {string[][]} outputs
 * @property {string[][][]} attributes  pairs of name and text
 * @typedef {object} Graph
 * @property {string} name
 * @property {string} notice
 * @property {number} width
 * @property {number} height
 * @property {Family[]} families
 * @property {NodeColumns} nodes
 * @property {{source: number[], target: number[], path: string[]}} edges
 * @property {{x: number[], y: number[], text: string[]}} labels
 * @property {Record<string, string>} values  dtype and shape by value name
 * @property {boolean} foldable  whether the file tells modules
 * @property {Frames} frames  around what open modules hold, where they can be drawn
 * @property {{title: string[], around: number[]}} modules  that are open; the one around each, -1 for none
 * @property {number[]} inModule  the innermost open module around each box, -1 for none
 * @property {{place: number[], node: number[], text: string[]}} hidden  nodes in closed modules: box, node, words
 * @property {string[]} marks  of each box: "", "differs" (from its counterpart) or "only" (it has none)
 * @property {Record<string, string[][]>} told  of marked boxes, by their numbers: what differs
 * @property {number} [focus]  the box that stays where it was
 * @typedef {{place: number, node: number}} Hit  a box, and the node in it that was meant (-1: the box itself)
 * @typedef {object} Frames
 * @property {string[]} title
 * @property {number[]} x
 * @property {number[]} y
 * @property {number[]} width
 * @property {number[]} height
 * @property {number[]} tab  left end
 * @property {number[]} tabWidth
 * @property {number[]} module  index into modules
 * @typedef {{kind: "open" | "close" | "reveal", which: number | null, anchor: number}} Fold  anchor: a box to keep in place
 * @typedef {object} Overlay  as it is shown, in one scale
 * @property {string} label
 * @property {string} note
 * @property {string} scale
 * @property {string[]} scales  those that there are
 * @property {string} lowest
 * @property {string} highest
 * @property {Colours[]} ramp
 * @property {Colours} notFinite
 * @property {{light: Colours, dark: Colours}} none
 * @property {(number | null)[]} steps  index into ramp, -1 for NaN and infinity
 * @property {(string | null)[]} texts  each node's number
 * @property {Worst[]} worst
 * @typedef {{place: number, node: number, title: string, name: string, text: string}} Worst  a box, a node in it
 * @typedef {{steps: (number | null)[], lowest: string, highest: string}} Shades
 * @typedef {{label: string, note: string, texts: (string | null)[], scales: Record<string, Shades>, worst: Worst[]}} OverlayItem
 * @typedef {{ramp: Colours[], notFinite: Colours, none: {light: Colours, dark: Colours}, items: OverlayItem[]}} Overlays
 * @typedef {object} Weight
 * @property {string} name
 * @property {string[][]} rows
 * @property {Histogram | null} histogram
 * @property {Picture[]} pictures
 * @typedef {{counts: number[], lowest: string, highest: string}} Histogram
 * @typedef {object} Picture
 * @property {string} source  a data address of a PNG
 * @property {string} alt
 * @property {string} caption
 * @property {boolean} [small]
 * @property {{lowest: string, highest: string, ramp: string[], odd: string} | null} [scale]
 * @property {{columns: number, width: number, height: number, count: number, first: number} | null} grid  of tiles
 * @typedef {{names: string[], texts: string[], shares: (number | null)[], signed: boolean}} Bars
 * @typedef {object} Controls  what can be asked of an array
 * @property {number} [samples]
 * @property {number} [sample]
 * @property {string[][]} [layouts]  key, name, explanation
 * @property {string} [layout]
 * @property {number} [channels]
 * @property {number} [first]
 * @property {number} [page]
 * @property {number} [channel]
 * @property {boolean} [alike]
 * @typedef {object} Value  the array behind a value of the selected box
 * @property {string[]} names  of all its values
 * @property {number} chosen
 * @property {string} note
 * @property {string[][]} [rows]
 * @property {Histogram | null} [histogram]
 * @property {Picture[]} [pictures]
 * @property {Bars | null} [bars]
 * @property {Controls} [controls]
 * @typedef {object} Details
 * @property {number} node
 * @property {string[][]} rows
 * @property {string[][]} attributes
 * @property {string[][]} inputs
 * @property {string[][]} outputs
 * @property {Weight[]} weights
 * @property {Value | null} [value]
 * @property {string} doc
 * @typedef {{x: number, y: number, scale: number}} Camera  screen = graph * scale + (x, y)
 * @typedef {{camera: Camera, width: number, height: number, selected: number, hovered: number, hits: Set<number>}} Scene
 * @typedef {(scene: Scene) => void} Paint
 * @typedef {{element: Element, draw: Paint, mark: Paint, move: Paint}} Surface  all, what is marked, the camera
 */

export {};
