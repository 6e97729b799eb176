// One dialog at a time, on the browser's own <dialog>: it keeps the focus inside, and gives it back.
import { html, nothing, render } from "../app/dom.js";

class Dialog {
  /** @type {HTMLDialogElement | null} */
  box = null;

  get isOpen() {
    return this.box?.open ?? false;
  }

  /**
   * Show a dialog; or change what it shows.
   * @param {string} title
   * @param {unknown} body
   * @param {{onClose?: () => void}} [how]
   */
  open(title, body, how = {}) {
    if (!this.box) {
      this.box = document.createElement("dialog");
      this.box.setAttribute("aria-labelledby", "dialog-title");
      document.body.append(this.box);
    }
    const box = this.box;
    box.onclose = () => {
      render(nothing, box);
      how.onClose?.();
    };
    box.onclick = (event) => {
      if (event.target === box) box.close(); // the backdrop is the dialog's own; a handler that answers false would undo a tick within
    };
    box.onkeydown = (event) => {
      if (event.key !== "Enter" || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
      /** @type {HTMLElement | null} */ (box.querySelector(".buttons .primary"))?.click(); // a disabled one does nothing
    };
    render(html`
      <div class="dialog-head">
        <h2 id="dialog-title">${title}</h2>
        <button class="quiet" aria-label="close" @click=${() => box.close()}>✕</button>
      </div>
      <div class="dialog-body">${body}</div>`, box);
    if (!box.open) box.showModal();
  }

  close() {
    this.box?.close();
  }
}

export const dialog = new Dialog();
