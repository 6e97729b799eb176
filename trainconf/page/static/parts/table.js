// A table of any length: rows of one height, and only those on the screen are in the document.
import { html, nothing } from "../app/dom.js";

export const ROW_PX = 32;
const AROUND = 12; // rows above and below the screen that are there as well

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {unknown} title
 * @property {(row: any, place: number) => unknown} cell
 * @property {boolean} [sorts]  whether a press on its head sorts by it
 * @property {string} [look]  CSS classes
 */

/**
 * @typedef {object} Place  of the reader in a table; kept by the screen
 * @property {number} first  row at the top
 * @property {number} count  rows on the screen
 * @property {number} cursor
 */

/** @returns {Place} */
export const newPlace = () => ({ first: 0, count: Math.ceil(innerHeight / ROW_PX), cursor: 0 });

/**
 * @param {object} it
 * @param {string} it.label
 * @param {Column[]} it.columns
 * @param {number} it.total
 * @param {(place: number) => any} it.row  undefined where it has not come yet
 * @param {Place} it.place
 * @param {(row: any) => boolean} it.isChosen
 * @param {(place: number) => unknown} it.onOpen
 * @param {() => unknown} it.onMove  the screen asks for rows it lacks, and draws
 * @param {string} [it.sort]
 * @param {string} [it.order]
 * @param {(key: string) => unknown} [it.onSort]
 */
export function table({ label, columns, total, row, place, isChosen, onOpen, onMove, sort, order, onSort }) {
  const from = Math.max(0, Math.min(place.first, total - place.count) - AROUND);
  const to = Math.min(total, Math.max(place.first, 0) + place.count + AROUND);
  const rows = [];
  for (let index = from; index < to; index++) {
    const data = row(index);
    const isAt = index === place.cursor;
    rows.push(html`
      <tr id=${`row-${index}`} aria-rowindex=${index + 2} aria-selected=${data && isChosen(data) ? "true" : "false"} class=${isAt ? "at" : ""}
        @click=${(/** @type {Event} */ event) => press(event, index)} @dblclick=${() => onOpen(index)}>
        ${columns.map((column) => html`<td class=${column.look ?? ""}>${data ? column.cell(data, index) : nothing}</td>`)}
      </tr>`);
  }
  const press = (/** @type {Event} */ event, /** @type {number} */ index) => {
    if (event.target instanceof Element && event.target.closest("a, button, input")) return;
    place.cursor = index;
    onMove();
  };
  const scrolled = (/** @type {Event} */ event) => {
    const box = /** @type {HTMLElement} */ (event.currentTarget);
    const first = Math.floor(box.scrollTop / ROW_PX);
    const count = Math.ceil(box.clientHeight / ROW_PX);
    if (Math.abs(first - place.first) < AROUND / 2 && count === place.count) return;
    Object.assign(place, { first, count });
    onMove();
  };
  const moved = (/** @type {KeyboardEvent} */ event) => {
    const steps = /** @type {Record<string, number>} */ ({
      ArrowDown: 1, ArrowUp: -1, PageDown: place.count - 1, PageUp: 1 - place.count, Home: -Infinity, End: Infinity,
    });
    if (!(event.key in steps)) return;
    event.preventDefault();
    move(place, total, steps[event.key], /** @type {Element} */ (event.currentTarget));
    onMove();
  };
  return html`
    <div class="table-box" @scroll=${scrolled}>
      <table role="grid" aria-label=${label} aria-rowcount=${total + 1} tabindex="0" aria-activedescendant=${total ? `row-${place.cursor}` : nothing} @keydown=${moved}>
        <thead><tr aria-rowindex="1">${columns.map((column) => headCell(column, sort, order, onSort))}</tr></thead>
        <tbody>
          <tr class="space" aria-hidden="true"><td colspan=${columns.length} height=${from * ROW_PX}></td></tr>
          ${rows}
          <tr class="space" aria-hidden="true"><td colspan=${columns.length} height=${(total - to) * ROW_PX}></td></tr>
        </tbody>
      </table>
    </div>`;
}

/**
 * @param {Column} column
 * @param {string} [sort]
 * @param {string} [order]
 * @param {(key: string) => unknown} [onSort]
 */
function headCell(column, sort, order, onSort) {
  const isSorted = sort === column.key;
  const ways = isSorted ? (order === "asc" ? "ascending" : "descending") : nothing;
  return html`
    <th scope="col" class=${column.look ?? ""} aria-sort=${ways}>${
      column.sorts && onSort
        ? html`<button @click=${() => onSort(column.key)}>${column.title}<span class="arrow" aria-hidden="true">${isSorted ? (order === "asc" ? "▴" : "▾") : ""}</span></button>`
        : column.title
    }</th>`;
}

/**
 * Move the cursor, and bring it into sight.
 * @param {Place} place
 * @param {number} total
 * @param {number} steps
 * @param {Element | null} within  the table, or what holds it
 */
export function move(place, total, steps, within) {
  place.cursor = Math.max(0, Math.min(total - 1, place.cursor + steps));
  const box = within?.closest(".table-box") ?? within?.querySelector(".table-box");
  if (!box) return;
  const top = place.cursor * ROW_PX;
  const room = box.clientHeight - ROW_PX; // less the head
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + ROW_PX > box.scrollTop + room) box.scrollTop = top + ROW_PX - room;
}
