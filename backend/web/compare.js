// Two images, one over the other, with a slider between them.

import { announce } from "./announce.js";
import { button, byId, element, fill } from "./element.js";
import { thumbnail } from "./outputs.js";
import { blobUrl } from "./pictures.js";
import { promptOf } from "./sent.js";
import { titleOf } from "./titles.js";

export class Compare {
  constructor() {
    this.first = null;
    this.dialog = byId("compare");
    const slider = byId("compare-slider");
    slider.addEventListener("input", () => this.divide(slider.value));
  }

  /** Whether a first image was chosen, and the next one that is opened is the second. */
  get waits() {
    return this.first !== null;
  }

  begin(item) {
    this.first = item;
    const small = element("span", { class: "small-picture" }, thumbnail(item.task.outputs[item.number]));
    const stop = button("Stop comparing", () => this.stop());
    fill(byId("comparing"), small, element("p", {}, "Choose another image to compare with."), stop);
    byId("comparing").hidden = false;
    announce("Choose another image to compare with.");
  }

  stop() {
    this.first = null;
    byId("comparing").hidden = true;
  }

  async with(second) {
    const { first } = this;
    this.stop();
    const output = ({ task, number }) => task.outputs[number];
    const urls = await Promise.all([first, second].map((item) => blobUrl(output(item).url)));
    const picture = (url, item, side) =>
      element("img", { src: url, class: `compare-${side}`, alt: `${side}: ${promptOf(item.task)}` });
    fill(byId("compare-images"), picture(urls[0], first, "left"), picture(urls[1], second, "right"));
    byId("compare-left").textContent = named(first);
    byId("compare-right").textContent = named(second);
    byId("compare-slider").value = 50;
    this.divide(50);
    this.dialog.showModal();
    byId("compare-slider").focus();
  }

  divide(percent) {
    this.dialog.style.setProperty("--divider", `${percent}%`);
  }
}

function named({ task }) {
  return [promptOf(task) || titleOf(task.mode), task.seed !== null && `seed ${task.seed}`]
    .filter(Boolean)
    .join(" · ");
}
