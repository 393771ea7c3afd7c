// Lets this browser be told that something waits: it asks its own push service for an address, and
// the form brings that here. Without this file the form is not shown, and the other ways stay.

const form = document.querySelector("form[data-push]");
const place = form.closest("section");
const said = form.querySelector("[role=status]");

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));

async function address() {
  if ((await Notification.requestPermission()) !== "granted") throw new Error();
  const worker = await navigator.serviceWorker.register("/on-duty/worker.js", { scope: "/on-duty/" });
  await (worker.active ? worker : started(worker));
  const key = toBytes(form.dataset.push);
  const found = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  return found.toJSON();
}

function started(worker) {
  const one = worker.installing ?? worker.waiting;
  return new Promise((go) => {
    one.addEventListener("statechange", () => one.state === "activated" && go());
  });
}

form.addEventListener("submit", async (event) => {
  if (form.elements.target.value) return;
  event.preventDefault();
  try {
    const { endpoint, keys } = await address();
    form.elements.target.value = endpoint;
    form.elements.point.value = keys.p256dh;
    form.elements.secret.value = keys.auth;
    form.submit();
  } catch {
    said.textContent = form.dataset.else;
  }
});

if ("serviceWorker" in navigator && "PushManager" in window) place.hidden = false;
