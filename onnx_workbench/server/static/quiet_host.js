/**
 * A quiet host for Netron (https://netron.app, MIT licence): Netron as installed, modified by subclassing.
 *
 * Netron separates the host (files, dialogs, telemetry) from the view (the graph). This host skips the check
 * of the release's age, the consent notice with its look-up of the visitor's country, and telemetry. It relies
 * on these internals of Netron 8.8 to 9.3: the classes Host of browser.js and View of view.js; the members
 * _view, _telemetry and _openModel of Host; its methods view, start, fetch (request in 8.8), event, exception,
 * openURL, execute, get, set and delete; the element ids message-text and message-button of index.html.
 */

/** @param {string} name @returns {string} */
function meta(name) {
  const element = document.querySelector(`meta[name="${name}"]`);
  return element?.getAttribute("content") ?? "";
}

/**
 * Says in the page that Netron is not as this file knows it.
 *
 * @param {unknown} error
 */
function giveUp(error) {
  const message = document.createElement("pre");
  message.setAttribute("role", "alert");
  message.style.cssText = "white-space: pre-wrap; padding: 2em; font-size: 14px; user-select: text;";
  message.textContent =
    `Netron ${meta("netron-version")} is installed, and this view was made for ${meta("netron-made-for")}. ` +
    `It does not start: ${error}\n\n` +
    `Install a version that is known to work:  pip install "netron${meta("netron-range")}"`;
  document.body.replaceChildren(message);
}

/** Stands in for Netron's telemetry: takes everything, keeps and sends nothing. */
const silence = {
  /** @type {string} */ session: "",
  set() {},
  get() {
    return "";
  },
  send() {},
  async start() {},
};

/** @param {string} location @returns {string} */
function encodePath(location) {
  return location.split("/").map(encodeURIComponent).join("/");
}

/**
 * @param {new () => any} Host  Netron's host for browsers.
 * @returns {new () => any}
 */
function quiet(Host) {
  return class QuietHost extends Host {
    constructor() {
      const originalEval = window.eval;
      super();
      window.eval = originalEval; // Netron replaces it; the page's policy forbids eval to scripts anyway
      this._telemetry = silence;
    }

    /** Netron's own does the age check, the consent notice and the telemetry. @param {any} view */
    async view(view) {
      this._view = view;
    }

    async start() {
      await this._openModel(this._url("data/"), meta("identifier"), meta("name"));
    }

    /** Netron 9. @param {string} file @param {string} encoding @param {string} base */
    async fetch(file, encoding, base) {
      return super.fetch(base ? encodePath(file) : file, encoding, base);
    }

    /** Netron 8. @param {string} file @param {string} encoding @param {string} base */
    async request(file, encoding, base) {
      return super.request(base ? encodePath(file) : file, encoding, base);
    }

    event() {}

    /** @param {unknown} error */
    exception(error) {
      console.warn(error);
    }

    /** Opens a link in a tab of its own: this page is a frame in a notebook. @param {string} url */
    openURL(url) {
      window.open(url, "_blank", "noopener,noreferrer");
    }

    /** This page shows one model: there is nothing else to open. @param {string} name */
    async execute(name) {
      if (name === "about") {
        this._view.about();
      }
    }

    /** @param {string} name */
    get(name) {
      return super.get(`onnx-workbench-netron-${name}`);
    }

    /** @param {string} name @param {unknown} value */
    set(name, value) {
      super.set(`onnx-workbench-netron-${name}`, value);
    }

    /** @param {string} name */
    delete(name) {
      super.delete(`onnx-workbench-netron-${name}`);
    }
  };
}

try {
  const base = new URL("./", window.location.href);
  const { Host } = await import(new URL("browser.js", base).href);
  const { View } = await import(new URL("view.js", base).href);
  const QuietHost = quiet(Host);
  await new View(new QuietHost()).start();
} catch (error) {
  giveUp(error);
}
