// Not there yet.
import { h } from "../core/dom.js";
import { pageHead } from "../parts/head.js";
export default () => h("div.page", pageHead({ title: "users" }));
