// A dialog that shows the form's call in a language, and copies it.

import { announce } from "./announce.js";
import { CALLS } from "./calls.js";
import { byId, element, fill } from "./element.js";
import { keysAreOn } from "./keys.js";

const LAST = "language";

export class CopyAs {
  constructor(form) {
    this.form = form;
    this.dialog = byId("copy-dialog");
    const languages = Object.keys(CALLS).map((name) => this.choice(name));
    fill(byId("copy-languages"), element("legend", {}, "Language"), ...languages);
    byId("copy-as").addEventListener("click", () => this.open());
    byId("copy").addEventListener("click", () => this.copy());
  }

  choice(name) {
    const radio = element("input", { type: "radio", name: "language", value: name });
    radio.checked = name === (sessionStorage.getItem(LAST) ?? "curl");
    radio.addEventListener("change", () => {
      sessionStorage.setItem(LAST, name);
      this.show();
    });
    return element("label", {}, radio, element("span", {}, name));
  }

  async open() {
    if (!this.form.check()) return;
    this.request = await this.form.request();
    if (this.request === null) return;
    this.show();
    this.dialog.showModal();
  }

  show() {
    const { value } = this.dialog.querySelector("input:checked");
    const address = new URL(".", document.baseURI).href.replace(/\/$/, "");
    byId("copy-text").textContent = CALLS[value](this.request, address, keysAreOn());
    byId("copy").textContent = "Copy";
  }

  async copy() {
    const text = byId("copy-text");
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      // Over plain HTTP, from elsewhere than this machine, there is no clipboard but this one.
      getSelection().selectAllChildren(text);
      if (!document.execCommand("copy")) return announce("Selected: copy it with the keyboard.");
    }
    byId("copy").textContent = "Copied";
    announce("Copied.");
  }
}
