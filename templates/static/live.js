// Says quietly that there is something new on an open page, and shows it when asked to.
// Without this file nothing is lost: whoever opens the page again sees the same.

const place = document.querySelector("[data-live]");
const menu = document.querySelector('.menu a[href="/notices"]');
const thread = document.querySelector(".thread");
const { live: token, last, notices, given } = place.dataset;

let stream;
let over = false;

function posts(page) {
  return [...page.querySelectorAll(".thread > .post")];
}

function about() {
  const asked = new URLSearchParams({ of: token, notices: notices ?? "" });
  const shown = posts(document).map((post) => post.id.slice(1));
  if (shown.length) {
    asked.set("first", shown[0]);
    asked.set("to", shown.at(-1));
    asked.set("given", given ?? "");
  }
  if (last !== undefined) asked.set("last", shown.at(-1) ?? last);
  return asked;
}

async function look() {
  const answer = await fetch(`/live/now?${about()}`);
  if (answer.redirected) return end(place.dataset.out);
  if (answer.status === 403 || answer.status === 404) return end(place.dataset.shut);
  const news = await answer.json();
  for (const id of news.gone) takeAway(document.getElementById(`p${id}`), news.instead);
  if (menu && menu.textContent !== news.menu) menu.textContent = news.menu;
  say(news);
}

// Its reader was logged out, or may not read it any more: the page goes, but for words being typed.
function end(reason) {
  close();
  over = true;
  if (!typed()) return location.reload();
  place.textContent = reason;
}

function typed() {
  if (document.querySelector("main[data-answer]")) return true; // drawn with what was typed
  const fields = [...document.querySelectorAll("main textarea, main input")];
  return fields.some((field) => field.value !== field.defaultValue);
}

function takeAway(post, instead) {
  if (!post || post.querySelector(":scope > .gone")) return;
  const words = document.createElement("p");
  words.className = "gone";
  words.textContent = instead;
  post.setAttribute("aria-label", instead);
  post.replaceChildren(words);
}

function say(news) {
  if (place.dataset.said === news.say + news.href) return;
  place.dataset.said = news.say + news.href;
  place.replaceChildren();
  if (!news.say) return;
  const link = document.createElement("a");
  link.href = news.href;
  link.textContent = news.show;
  link.addEventListener("click", show);
  place.append(`${news.say} `, link);
}

// New answers come to the end of what is there: nothing that is read or typed moves.
async function show(event) {
  if (!thread) return;
  event.preventDefault();
  const { href } = event.currentTarget;
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = posts(page).filter((post) => !document.getElementById(post.id));
  if (!fresh.length) return location.assign(href);
  thread.append(...fresh);
  say({ say: "", href: "" });
  fresh[0].tabIndex = -1;
  fresh[0].focus();
}

// A page that nobody looks at waits for nothing: a browser has few connections.
function open() {
  if (stream || over || document.hidden) return;
  stream = new EventSource(`/live?of=${encodeURIComponent(token)}`);
  stream.addEventListener("look", tryToLook);
  stream.addEventListener("error", () => stream?.readyState === EventSource.CLOSED && tryToLook());
}

// What could not be asked now is asked when something changes again.
function tryToLook() {
  look().catch(() => {});
}

function close() {
  stream?.close();
  stream = undefined;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
open();
