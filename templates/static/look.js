// Changes between the usual and the easier page and leaves the page as it is, with what was typed.
// Asked for by the script of every page; without it the form brings the page anew.

export async function change(form) {
  const asked = new URLSearchParams(new FormData(form));
  await fetch(form.action, { method: "POST", body: asked, redirect: "manual" });
  const { easier } = form.elements;
  const button = form.querySelector("button");
  if (easier.value === "yes") document.documentElement.dataset.mode = "easier";
  else delete document.documentElement.dataset.mode;
  easier.value = easier.value === "yes" ? "no" : "yes";
  [button.textContent, button.dataset.other] = [button.dataset.other, button.textContent];
}
