// Leave this website at once: by the link at the top, or by pressing Shift three times.
// Without this file the link does the same; here the page is covered at once, and the step back
// does not lead to it again.

const PRESSES = 3;
const PATIENCE = 5000; // milliseconds from one press to the next

const link = document.querySelector(".safety-leave");
const said = document.querySelector(".safety-said");

function leave() {
  document.documentElement.classList.add("leaving");
  said.textContent = "Loading.";
  location.replace(link.href);
}

let presses = 0;
let alone = false; // whether Shift is down and nothing else was pressed since
let waiting;

function forget() {
  presses = 0;
  said.textContent = "";
}

addEventListener("keydown", (event) => {
  alone = event.key === "Shift";
  if (!alone) forget();
});

addEventListener("keyup", (event) => {
  if (event.key !== "Shift" || !alone) return;
  alone = false;
  clearTimeout(waiting);
  presses += 1;
  if (presses === PRESSES) return leave();
  const left = PRESSES - presses;
  said.textContent = `Shift: press ${left} more ${left === 1 ? "time" : "times"} to leave.`;
  waiting = setTimeout(forget, PATIENCE);
});

link.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  leave();
});

// A page that the browser kept is asked for anew: whoever left is no longer logged in.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// Whether words stand on this page that were sent nowhere yet. What answers a form has them from
// the server, and no other page does.
function typed() {
  if (document.querySelector("main[data-answer]")) return true;
  const fields = [...document.querySelectorAll("main textarea, main input")];
  return fields.some((field) => field.value !== field.defaultValue);
}

// The switch to another look leads to the same page anew: where words were typed it stays as it is.
document.querySelector(".switch")?.addEventListener("submit", async (event) => {
  if (!typed()) return;
  event.preventDefault();
  const form = event.target;
  (await import(form.dataset.script)).change(form);
});

// A page that can say what is new, speak with a device about passkeys, or have the browser told when
// something waits, brings the address of the file for that.
for (const each of document.querySelectorAll("[data-live], [data-passkey], [data-push]")) {
  import(each.dataset.script);
}

// Private pages: a link within this place puts its page where this one was, so that one step back
// leads out of it; where words were typed, its page opens beside them, since no step leads back.
// Without this file they are only plain in title and icon.
addEventListener("click", (event) => {
  if (!("private" in document.documentElement.dataset)) return;
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const it = event.target.closest("a[href]");
  if (!it || it.target || it.origin !== location.origin) return;
  if (it.pathname === location.pathname && it.search === location.search && it.hash) return;
  event.preventDefault();
  if (typed()) return open(it.href, "_blank", "noopener");
  location.replace(it.href);
});
