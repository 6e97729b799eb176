// What a terminal would show of a log: colours, lines that a progress bar wrote over, characters taken back. All other escapes are dropped.
// Pure: text in, lines out.

/** @typedef {{text: string, look: string, fore: string | null, back: string | null}} Span  look: CSS classes; fore, back: colours of 24 bits */
/** @typedef {{spans: Span[], turns: number, start: number}} Line  turns: how often it was written over; start: the byte where it begins */
/** @typedef {{bold: boolean, dim: boolean, italic: boolean, under: boolean, inverse: boolean, strike: boolean, fore: string, back: string}} Style */

const SPECIAL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
// CSI; OSC, DCS and their kind to their end; any other escape.
const TOKEN = /\u001b\[([0-?]*)[ -/]*([@-~])|\u001b[\]PX^_](?:[^\u0007\u001b]|\u001b(?!\\))*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?|[\u0000-\u001f\u007f-\u009f]|[^\u0000-\u001f\u007f-\u009f]+/g;
const LONGEST = 20_000; // characters of one line that are shown
const encoder = new TextEncoder();

/** @param {string} text */
export const byteCount = (text) => encoder.encode(text).length;

/** @returns {Style} */
const fresh = () => ({ bold: false, dim: false, italic: false, under: false, inverse: false, strike: false, fore: "", back: "" });

export class AnsiLines {
  /** @param {number} start  the byte at which the text begins */
  constructor(start) {
    this.style = fresh();
    this.at = start;
    this.rest = ""; // of the line that has no end yet
    this.turns = 0; // of it, that were folded away
  }

  /**
   * The lines that a piece of the log brings. The last one may go on: it is told again, whole, by the next piece.
   * @param {string} text
   * @returns {{whole: Line[], open: Line | null}}
   */
  feed(text) {
    const pieces = (this.rest + text).split("\n");
    this.rest = pieces.pop() ?? "";
    const whole = pieces.map((piece) => {
      const line = this.line(piece.endsWith("\r") ? piece.slice(0, -1) : piece);
      this.at += this.folded + byteCount(piece) + 1;
      this.folded = 0;
      this.turns = 0;
      return line;
    });
    this.fold();
    if (!this.rest) return { whole, open: null };
    const before = { ...this.style };
    const open = this.line(this.rest);
    this.style = before; // it will be read again
    return { whole, open };
  }

  folded = 0; // bytes of the open line that were folded away

  /** Keep of an open line only what can still be seen: a progress bar writes one line a thousand times. */
  fold() {
    const end = this.rest.lastIndexOf("\r", this.rest.length - 2);
    const keep = end < 0 ? -1 : this.rest.lastIndexOf("\r", end - 1);
    if (keep <= 0) return;
    const gone = this.rest.slice(0, keep);
    this.turns += gone.split("\r").length - (gone.startsWith("\r") ? 1 : 0);
    this.folded += byteCount(gone);
    this.rest = this.rest.slice(keep);
  }

  /**
   * @param {string} raw  without its end
   * @returns {Line}
   */
  line(raw) {
    const start = this.at;
    if (raw.length > LONGEST) raw = `${raw.slice(0, LONGEST)} … ${raw.length - LONGEST} characters more`;
    if (!SPECIAL.test(raw)) return { spans: raw ? [this.span(raw)] : [], turns: this.turns, start };
    /** @type {{character: string, style: Style}[]} */
    let cells = [];
    let column = 0;
    let turns = this.turns;
    let isBack = false;
    for (const [token, args, final] of raw.matchAll(TOKEN)) {
      if (final === "m") this.style = styled(this.style, args);
      else if (final === "K") cells = args === "1" ? cells.map((cell, place) => (place <= column ? { character: " ", style: fresh() } : cell)) : args === "2" ? [] : cells.slice(0, column);
      else if (token === "\r") [column, isBack] = [0, cells.length > 0];
      else if (token === "\b") column = Math.max(0, column - 1);
      else if (token === "\t") column = this.write(cells, column, " ".repeat(8 - (column % 8)));
      else if (token.charCodeAt(0) >= 32 && !(token.charCodeAt(0) >= 127 && token.charCodeAt(0) < 160)) {
        if (isBack) turns++;
        isBack = false;
        column = this.write(cells, column, token);
      }
    }
    return { spans: joined(cells), turns, start };
  }

  /**
   * @param {{character: string, style: Style}[]} cells
   * @param {number} column
   * @param {string} text
   */
  write(cells, column, text) {
    while (cells.length < column) cells.push({ character: " ", style: fresh() });
    for (const character of text) cells[column++] = { character, style: this.style };
    return column;
  }

  /** @param {string} text */
  span(text) {
    return spanOf(text, this.style);
  }
}

/**
 * @param {string} text
 * @param {Style} style
 * @returns {Span}
 */
function spanOf(text, style) {
  const [fore, back] = style.inverse ? [style.back || "inverse", style.fore || "inverse"] : [style.fore, style.back];
  const classes = ["bold", "dim", "italic", "under", "strike"].filter((name) => style[/** @type {"bold"} */ (name)]).map((name) => `t-${name}`);
  if (fore && !fore.startsWith("#")) classes.push(`f-${fore}`);
  if (back && !back.startsWith("#")) classes.push(`b-${back}`);
  return { text, look: classes.join(" "), fore: fore.startsWith("#") ? fore : null, back: back.startsWith("#") ? back : null };
}

/** @param {{character: string, style: Style}[]} cells */
function joined(cells) {
  /** @type {Span[]} */
  const spans = [];
  let text = "";
  for (let place = 0; place < cells.length; place++) {
    text += cells[place].character;
    if (place + 1 < cells.length && cells[place + 1].style === cells[place].style) continue;
    spans.push(spanOf(text, cells[place].style));
    text = "";
  }
  return spans;
}

/**
 * @param {Style} before
 * @param {string} args  of an SGR
 * @returns {Style}
 */
function styled(before, args) {
  let style = { ...before };
  const codes = args.split(/[;:]/).map(Number);
  for (let place = 0; place < codes.length; place++) {
    const code = codes[place];
    if (code === 0) style = fresh();
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.under = true;
    else if (code === 7) style.inverse = true;
    else if (code === 9) style.strike = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.under = false;
    else if (code === 27) style.inverse = false;
    else if (code === 29) style.strike = false;
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) style.fore = String(code < 90 ? code - 30 : code - 82);
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) style.back = String(code < 100 ? code - 40 : code - 92);
    else if (code === 39) style.fore = "";
    else if (code === 49) style.back = "";
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(place + 1));
      style[code === 38 ? "fore" : "back"] = colour;
      place += used;
    }
  }
  return style;
}

/**
 * A colour of 256 or of 24 bits, and how many numbers tell it.
 * @param {number[]} codes
 * @returns {[string, number]}
 */
function extended([kind, ...rest]) {
  const hex = (/** @type {number[]} */ parts) => `#${parts.map((part) => Math.min(255, Math.max(0, part || 0)).toString(16).padStart(2, "0")).join("")}`;
  if (kind === 2) return [hex([rest[0], rest[1], rest[2]]), 4];
  if (kind !== 5) return ["", 0];
  const index = Math.min(255, Math.max(0, rest[0] || 0));
  if (index < 16) return [String(index), 2];
  if (index >= 232) return [hex([8, 8, 8].map((grey) => grey + (index - 232) * 10)), 2];
  const level = (/** @type {number} */ part) => (part ? 55 + part * 40 : 0);
  return [hex([level(Math.floor((index - 16) / 36)), level(Math.floor((index - 16) / 6) % 6), level((index - 16) % 6)]), 2];
}

