// One parameter of the form: its label, its control, its help, and what is wrong with it.

import { check, missing } from "./check.js";
import { element } from "./element.js";
import { prose } from "./words.js";

let count = 0;

/**
 * What all fields do. `control` is what the label names; `read` gives the value, undefined for
 * none; `write` shows one.
 */
export class Field extends EventTarget {
  constructor(name, rule, label, { control, around = control, read, write, hint = "" }) {
    super();
    const id = `field-${count++}`;
    Object.assign(this, { name, rule, label, control, read, write, required: false });
    control.id = id;
    this.problem = element("p", { class: "problem", id: `${id}-problem`, "aria-live": "polite" });
    const help = element("p", { class: "help", id: `${id}-help` });
    help.append(...prose(rule.description ?? ""));
    control.setAttribute("aria-describedby", `${id}-problem ${id}-help`);
    this.node = element(
      "div",
      { class: "field", "data-name": name },
      element(
        "div",
        { class: "field-head" },
        element("label", { for: id }, label),
        hint && element("span", { class: "hint" }, hint),
      ),
      around,
      this.problem,
      help,
    );
    control.addEventListener("input", () => this.changed());
    control.addEventListener("change", () => this.fault(this.wrong()));
  }

  /** What the API gets, now or once it is uploaded; undefined leaves it out. */
  get value() {
    return this.read();
  }

  set value(value) {
    this.write(value ?? this.rule.default);
    this.fault("");
    this.dispatchEvent(new Event("written"));
  }

  changed() {
    this.fault("");
    this.dispatchEvent(new Event("changed"));
  }

  /** What is wrong with what is in it, or "". */
  wrong() {
    const value = this.read();
    if (value === undefined) return this.required ? missing(this.name) : "";
    return check(this.name, this.rule, value);
  }

  /** Show what is wrong; "" for nothing. */
  fault(text) {
    this.problem.textContent = text;
    if (text) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }

  focus() {
    this.control.closest("details")?.setAttribute("open", "");
    this.control.focus();
  }
}
