// Starts the page.
import { Shell } from "./app/shell.js";

new Shell(/** @type {HTMLElement} */ (document.getElementById("page"))).start();
