// What is on the screen as a file: the server's CSV and JSON, or the screen itself as one HTML file without a script.
import { download, html, nothing } from "../app/dom.js";
import { queryOf } from "../app/router.js";

/** @typedef {import("../app/shell.js").Context} Context */

/**
 * @param {Context} ctx
 * @param {string} name  of the files
 * @param {Record<string, unknown> | null} query  of /api/export, without the format
 */
export function save(ctx, name, query) {
  const get = async (/** @type {string} */ format) => {
    const answer = await ctx.ask(ctx.api.ask(`api/export?${queryOf({ ...query, format })}`, {}));
    if (answer) download(`${name}.${format}`, await answer.blob());
    ctx.dialog.close();
  };
  const page = async () => {
    ctx.dialog.close();
    download(`${name}.html`, new Blob([await standing(name)], { type: "text/html" }));
  };
  ctx.dialog.open("Export", html`
    ${query ? html`
      <button @click=${() => get("csv")} autofocus>CSV</button><p class="quiet">for a spreadsheet, with all digits</p>
      <button @click=${() => get("json")}>JSON</button><p class="quiet">for a program</p>` : nothing}
    <button @click=${page}>one HTML file</button>
    <p class="quiet">This screen as it is now, with its charts as pictures. It stands by itself: it has no script, asks for nothing, and does not change any more.</p>`);
}

const KEPT = "th button, .changes button, .tree button, .files button"; // what they say is part of the screen
const FIELDS = "select, input[type=search], input[type=text]"; // what is in them, too
const OUT = "button, input, textarea, summary, script, iframe, label:has([type=checkbox]), details:has(.ranges), .slash, .space, nav, .handles, .hover";

/**
 * The screen as an HTML file: no script, its styles within, its canvases as pictures.
 * @param {string} name
 */
export async function standing(name) {
  const main = /** @type {HTMLElement} */ (document.querySelector("main"));
  const page = document.implementation.createHTMLDocument(name); // which loads nothing
  const copied = page.importNode(main, true);
  const pairs = [main, copied].map((each) => [...each.querySelectorAll("canvas, img")]);
  pairs[0].forEach((each, place) => {
    const image = page.createElement("img");
    image.setAttribute("src", each instanceof HTMLCanvasElement ? each.toDataURL("image/png") : picture(/** @type {HTMLImageElement} */ (each)));
    image.alt = each.getAttribute("aria-label") ?? each.getAttribute("alt") ?? "a picture";
    image.width = each.clientWidth;
    pairs[1][place].replaceWith(image);
  });
  const fields = [main, copied].map((each) => [.../** @type {NodeListOf<HTMLSelectElement | HTMLInputElement>} */ (each.querySelectorAll(FIELDS))]);
  fields[0].forEach((each, place) => fields[1][place].replaceWith(each instanceof HTMLSelectElement ? each.selectedOptions[0]?.text ?? "" : each.value));
  for (const each of copied.querySelectorAll("details")) each.open = true;
  for (const each of copied.querySelectorAll(`a, ${KEPT}`)) each.replaceWith(...each.childNodes);
  for (const each of copied.querySelectorAll(OUT)) each.remove();
  const line = page.createElement("p");
  line.className = "quiet pad";
  line.textContent = `A copy of ${name}, made ${new Date().toLocaleString("sv")}. It has no script and does not change.`;
  page.body.append(line, copied);
  const sheets = await Promise.all([...document.querySelectorAll("link[rel=stylesheet]")].map(async (each) => (await fetch(/** @type {HTMLLinkElement} */ (each).href)).text()));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${page.querySelector("title")?.getHTML()}</title>
<style>${sheets.join("\n")}
html, body, main, .table-box { height: auto !important; overflow: visible !important; }</style></head>
<body>${page.body.getHTML()}</body></html>
`;
}

/** @param {HTMLImageElement} image  which is of this page, so it may be read */
function picture(image) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth || 1, image.naturalHeight || 1];
  canvas.getContext("2d")?.drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}
