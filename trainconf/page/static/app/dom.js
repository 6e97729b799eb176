// What the page is written with: lit-html's templates, and nothing that takes markup from a string.
// @ts-types="./lit-html.d.ts"
export { html, nothing, render, svg } from "../vendor/lit-html.js";

/**
 * Hand a file to the reader.
 * @param {string} name
 * @param {Blob} blob
 */
export function download(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.replace(/[^\w.-]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * Put text on the clipboard; a page in a frame of another one has only the old way.
 * @param {string} text
 */
export async function copy(text) {
  try {
    return await navigator.clipboard.writeText(text);
  } catch {
    // Not allowed, or not there.
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
