// About: the version that serves, how its parts are, and whose work is in it.

import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { saveFile } from "../core/saving.js";
import { pageHead } from "../parts/head.js";
import { status } from "../parts/status.js";

export default async function about({ signal }) {
  const [{ version }, health, { libraries, crates }] = await Promise.all([
    get("/health", {}, signal),
    // 503 has the parts too, but as an error; then the one that is down is named in its details.
    get("/api/health", {}, signal).catch((error) => error.details ?? {}),
    import("licences"),
  ]);
  return h(
    "div.page.narrow",
    pageHead({ title: "About LinkOps" }),
    h(
      "section.card",
      { "aria-label": "Version" },
      h(
        "dl.pairs",
        h("dt", "Version"),
        h("dd", h("code", version)),
        h("dt", "Server"),
        h("dd", location.host),
        parts(health.components ?? {}),
      ),
      h(
        "p",
        "LinkOps runs bash scripts and terminals on a small fleet of machines over SSH. Nothing is installed on them.",
      ),
      h(
        "p",
        h(
          "a",
          { href: "/api/openapi.json", download: "linkops-openapi.json", onclick: download },
          "The API as an OpenAPI document",
        ),
      ),
    ),
    h(
      "section.card",
      { "aria-label": "Licences" },
      h("h2", "Licences"),
      h("p", "LinkOps is under MIT or Apache-2.0, as you like. In the program there is also:"),
      h("h3", "In this console"),
      libraries.map(library),
      h("h3", `In the server: ${plural(crates.length, "crate")}`),
      h(
        "ul.small.crates",
        crates.map((one) =>
          h("li", h("code", `${one.name} ${one.version}`), " ", h("span.soft", one.licence)),
        ),
      ),
      h(
        "p.small.soft",
        "And SQLite (public domain), libssh2 (BSD-3-Clause) and OpenSSL (Apache-2.0).",
      ),
    ),
  );
}

function parts(components) {
  return Object.entries(components).map(([name, one]) => [
    h("dt", name[0].toUpperCase() + name.slice(1)),
    h("dd", status(one.status), one.detail && h("span.soft", ` ${one.detail}`)),
  ]);
}

function library({ name, version, licence, text }) {
  return h(
    "details",
    h("summary", h("code", `${name} ${version}`), " ", h("span.soft", licence)),
    h("pre.steps", text),
  );
}

// The document needs the token, which a link does not send.
async function download(event) {
  event.preventDefault();
  const text = JSON.stringify(await get("/api/openapi.json"), null, 2);
  saveFile(new Blob([text], { type: "application/json" }), "linkops-openapi.json");
}
