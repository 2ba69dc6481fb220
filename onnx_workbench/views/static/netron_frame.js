/**
 * The frame of the Netron view. It finds the Jupyter server's base URL in the page, asks the server
 * extension whether it can show the model, and then either opens the frame or says in words what to do.
 * No address made here ever holds a token: the browser's own login is enough.
 */

/**
 * @typedef {import("@anywidget/types").AnyModel} WidgetModel
 *
 * @typedef {object} Status
 * @property {string} problem  Why the model cannot be shown; empty if it can.
 */

const ENABLE =
  "Enable it where Jupyter itself is installed, then restart the Jupyter server:\n" +
  "    pip install 'onnx-workbench[notebook]'\n" +
  "    jupyter server extension enable --sys-prefix onnx_workbench.server.extension\n" +
  "The graph in the cell needs no extension: view(model)";

/**
 * Returns the address of a path below the server's base URL, or null outside a Jupyter page.
 *
 * @param {string} path
 * @returns {URL | null}
 */
export function addressOf(path) {
  const element = document.getElementById("jupyter-config-data");
  let baseUrl = document.body.dataset.baseUrl;
  if (element?.textContent) {
    baseUrl = JSON.parse(element.textContent).baseUrl;
  }
  if (!baseUrl) {
    return null;
  }
  const root = new URL(baseUrl.endsWith("/") ? baseUrl : `${baseUrl}/`, window.location.href);
  return root.origin === window.location.origin ? new URL(path, root) : null;
}

/**
 * Asks the server extension about the model; returns the problem in words, empty if there is none.
 *
 * @param {URL} page
 * @param {AbortSignal} signal
 * @returns {Promise<string>}
 */
async function problemOf(page, signal) {
  const reply = await fetch(new URL("status", page), {
    credentials: "same-origin",
    signal,
  });
  const type = reply.headers.get("Content-Type") ?? "";
  if (reply.status === 404) {
    return `The server extension of onnx-workbench does not answer on this Jupyter server.\n${ENABLE}`;
  }
  if (reply.status === 401 || reply.status === 403 || !type.startsWith("application/json")) {
    return "The Jupyter server does not let this page in: log in again, then reload it.";
  }
  /** @type {Status} */
  const status = await reply.json();
  return status.problem;
}

/**
 * @param {HTMLElement} el
 * @param {string} text
 */
function say(el, text) {
  const message = document.createElement("pre");
  message.setAttribute("role", "status");
  message.style.whiteSpace = "pre-wrap";
  message.textContent = text;
  el.replaceChildren(message);
}

/**
 * @param {HTMLElement} el
 * @param {URL} page
 * @param {WidgetModel} model
 */
function open(el, page, model) {
  const frame = document.createElement("iframe");
  frame.title = `Netron: ${model.get("name")}`;
  frame.src = page.href;
  frame.referrerPolicy = "same-origin";
  frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-downloads allow-popups");
  frame.style.cssText = "display: block; width: 100%; border: 1px solid #8886;";
  frame.style.height = `${model.get("height")}px`;
  el.replaceChildren(frame);
}

/**
 * @param {{ model: WidgetModel, el: HTMLElement }} context
 * @returns {() => void}
 */
function render({ model, el }) {
  const gone = new AbortController();
  const page = addressOf(model.get("path"));
  if (page === null) {
    say(el, "The Netron view shows inside JupyterLab and Jupyter Notebook 7. Here, use view(model).");
    return () => {};
  }
  problemOf(page, gone.signal)
    .then((problem) => (problem ? say(el, problem) : open(el, page, model)))
    .catch((error) => {
      if (!gone.signal.aborted) {
        say(el, `The Jupyter server cannot be reached (${error}). Is it still running?`);
      }
    });
  return () => gone.abort();
}

export default { render };
