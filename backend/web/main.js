// The page, put together.

import { showAdmin } from "./admin.js";
import { Compare } from "./compare.js";
import { CopyAs } from "./copy_as.js";
import { Create } from "./create.js";
import { byId } from "./element.js";
import { Gallery } from "./gallery.js";
import { letIn, onOpened } from "./keys.js";
import { Latest } from "./latest.js";
import { again } from "./sent.js";
import { Status } from "./status.js";
import { Viewer } from "./viewer.js";
import { go, onShown, show } from "./views.js";
import { Watch } from "./watch.js";

const reuse = (task) => {
  go("create");
  create.use(again(task));
  byId("generate").focus();
};
const useAsInput = (blob, name) => {
  go("create");
  create.useImage(blob, name);
  byId("generate").focus();
};
const open = (item) => {
  const isImage = item.number !== null;
  if (compare.waits && isImage) compare.with(item);
  else viewer.open(item);
};

const create = new Create((task) => {
  watch.put(task);
  watch.show(task.task_id);
  status.soon();
});
const status = new Status(create);
const compare = new Compare();
const gallery = new Gallery({ onOpen: (number) => open(gallery.items[number]) });
const openTask = (task) => {
  const number = task.outputs.length ? 0 : null;
  const known = ({ task: each }) => each.task_id === task.task_id;
  open(gallery.items.find(known) ?? { task, number });
};
const latest = new Latest(openTask);
const viewer = new Viewer(gallery, {
  onReuse: reuse,
  onInput: useAsInput,
  onRemoved: (taskId) => latest.remove(taskId),
  onCompare: (item) => {
    go("gallery");
    compare.begin(item);
  },
});
const watch = new Watch({
  onEnded: (task) => {
    gallery.ended(task);
    latest.ended(task);
    status.soon();
  },
  onOpen: openTask,
  onReuse: reuse,
});
new CopyAs(create.form);

for (const dialog of document.querySelectorAll("dialog[data-closable]")) {
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

async function begin() {
  await Promise.all([status.look(), watch.look(), latest.load()]);
  gallery.modes(create.modes);
  onShown("gallery", () => gallery.open());
  onShown("status", () => Promise.all([status.look(0), showAdmin()]));
  show();
}

// Whoever has come in may be somebody else: nothing of before is to be seen.
onOpened(() => location.reload());
show();
await letIn();
await begin();
