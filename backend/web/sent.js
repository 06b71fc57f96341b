// What this tab has sent, to be used again: styles and uploads too, which a task does not tell.

const KEPT = "sent";
const MOST = 100;

export function remember(taskId, request) {
  const all = Object.entries(everything()).slice(1 - MOST);
  const kept = Object.fromEntries([...all, [taskId, request]]);
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(kept, whole));
  } catch {
    sessionStorage.removeItem(KEPT); // It is full: this is a help, and no more.
  }
}

export const requestOf = (taskId) => everything()[taskId];

/** What a task would be asked for with once more. */
export function again(task) {
  const request = requestOf(task.task_id);
  const seeds = Object.entries(task.parameters).filter(([name]) => /^seed(_\d+)?$/.test(name));
  if (request) {
    const extra = { ...request.extra_params, ...Object.fromEntries(seeds) };
    return { ...request, extra_params: extra };
  }
  const { prompt, ...extra } = task.parameters;
  return { mode: task.mode, prompt, extra_params: extra };
}

/** What the task was asked for, in words. */
export function promptOf(task) {
  return requestOf(task.task_id)?.prompt ?? task.parameters.prompt ?? "";
}

function everything() {
  return JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
}

const whole = (_, each) => (typeof each === "bigint" ? String(each) : each);
