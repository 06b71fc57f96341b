// Sizes that people mostly want, over a width and a height.

import { button, element, icon, iconButton } from "./element.js";

const PRESETS = [
  ["Square", 1024, 1024],
  ["Portrait", 832, 1216],
  ["Landscape", 1216, 832],
  ["Tall", 768, 1344],
  ["Wide", 1344, 768],
  ["Small", 512, 512],
];

/** A group of presets that fill in both fields. */
export function sizes(width, height) {
  const put = (wide, high) => {
    [width.value, height.value] = [wide, high];
    width.changed();
    height.changed();
  };
  const fits = ([, wide, high]) => within(wide, width.rule) && within(high, height.rule);
  const buttons = PRESETS.filter(fits).map(([name, wide, high]) => preset(name, wide, high, put));
  const show = () => {
    for (const each of buttons) {
      const on = each.dataset.size === `${width.value}x${height.value}`;
      each.setAttribute("aria-pressed", String(on));
    }
  };
  width.addEventListener("changed", show);
  height.addEventListener("changed", show);
  const swap = iconButton("swap", "Swap width and height", () => put(height.value, width.value));
  const node = element(
    "fieldset",
    { class: "sizes" },
    element("legend", {}, "Size"),
    element("div", { class: "presets" }, ...buttons),
    element("div", { class: "size-pair" }, width.node, swap, height.node),
  );
  return { node, show };
}

function preset(name, wide, high, put) {
  const longest = Math.max(wide, high);
  const shape = element("span", { class: "shape", "aria-hidden": "true" });
  shape.style.width = `${(wide / longest) * (name === "Small" ? 0.6 : 1)}rem`;
  shape.style.aspectRatio = `${wide} / ${high}`;
  return element(
    "button",
    {
      type: "button",
      class: "preset",
      "data-size": `${wide}x${high}`,
      "aria-pressed": "false",
      onclick: () => put(wide, high),
    },
    element("span", { class: "shape-box" }, shape),
    element("span", {}, name),
    element("small", {}, `${wide} × ${high}`),
  );
}

function within(value, { minimum, maximum, multipleOf }) {
  return value >= (minimum ?? 0) && value <= (maximum ?? value) && value % (multipleOf ?? 1) === 0;
}
