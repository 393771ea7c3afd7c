// Passkeys: a form carries what the device is asked, and takes its answer back with it.

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer ?? [])))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function askedOf(form) {
  const asked = JSON.parse(form.dataset.passkey);
  asked.challenge = toBytes(asked.challenge);
  if (asked.user) asked.user.id = toBytes(asked.user.id);
  for (const each of asked.allowCredentials ?? asked.excludeCredentials) each.id = toBytes(each.id);
  const prf = asked.extensions.prf;
  if (prf) prf.eval.first = toBytes(prf.eval.first);
  return asked;
}

// Some devices make a secret only when they are asked once more, with the passkey there already.
async function secretOfNew(made, asked) {
  const { prf } = made.getClientExtensionResults();
  if (prf?.results || !prf?.enabled) return prf?.results?.first;
  const again = await navigator.credentials.get({ publicKey: {
    challenge: asked.challenge, rpId: asked.rp.id, userVerification: "required",
    allowCredentials: [{ type: "public-key", id: made.rawId }], extensions: asked.extensions,
  } });
  return again.getClientExtensionResults().prf?.results?.first;
}

async function answer(form) {
  const asked = askedOf(form);
  const isNew = "user" in asked;
  const how = isNew ? "create" : "get";
  const found = await navigator.credentials[how]({ publicKey: asked });
  const secret = isNew
    ? await secretOfNew(found, asked)
    : found.getClientExtensionResults().prf?.results?.first;
  const response = {};
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (found.response[part]) response[part] = toText(found.response[part]);
  }
  const id = toText(found.rawId);
  form.elements.credential.value = JSON.stringify({ id, rawId: id, type: found.type, response });
  form.elements.secret.value = toText(secret);
  form.submit();
}

for (const form of document.querySelectorAll("[data-passkey]")) {
  const say = form.querySelector("[data-passkey-said]");
  say.textContent = "";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer(form).catch(() => {
      say.textContent = "That did not work. Please try it once more, or go another way.";
    });
  });
}
