// A small server made with Fedify: Bo lives here, and a group called readers. It keeps what it believed
// of what came, and says what it is told to say: `node peer.mjs PORT FIRST_KNOCK`.
import { createServer } from "node:http";

globalThis.navigator ??= { userAgent: "node" }; // Node 20 has none, and Fedify asks for it
const { createFederation, generateCryptoKeyPair, MemoryKvStore } = await import("@fedify/fedify");
const { Activity, Create, Delete, Endpoints, Follow, Group, Note, Person, PUBLIC_COLLECTION, Tombstone, Update } =
  await import("@fedify/vocab");
const { Temporal } = await import("@js-temporal/polyfill");

const [port, firstKnock] = process.argv.slice(2);
const origin = `http://localhost:${port}`;
const heard = []; // activities whose signatures held
const knocks = []; // how each of our posts was signed, and what it was answered
const seen = []; // how each post to us was signed, and what we answered

const plainFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = input instanceof Request ? input : new Request(input, init);
  const answer = await plainFetch(input, init);
  if (request.method === "POST") knocks.push({ scheme: scheme(request.headers), status: answer.status });
  return answer;
};

function scheme(headers) {
  return headers.has("signature-input") ? "rfc9421" : headers.has("signature") ? "cavage" : "none";
}

const federation = createFederation({ kv: new MemoryKvStore(), allowPrivateAddress: true, origin, firstKnock });
const kinds = { bo: Person, readers: Group };
const keys = {};
for (const name of Object.keys(kinds)) {
  keys[name] = [await generateCryptoKeyPair("RSASSA-PKCS1-v1_5"), await generateCryptoKeyPair("Ed25519")];
}

federation
  .setActorDispatcher("/users/{identifier}", async (ctx, identifier) => {
    if (!(identifier in kinds)) return null;
    const pairs = await ctx.getActorKeyPairs(identifier);
    return new kinds[identifier]({
      id: ctx.getActorUri(identifier),
      preferredUsername: identifier,
      name: identifier,
      inbox: ctx.getInboxUri(identifier),
      endpoints: new Endpoints({ sharedInbox: ctx.getInboxUri() }),
      publicKey: pairs[0].cryptographicKey,
      assertionMethods: pairs.map((pair) => pair.multikey),
    });
  })
  .setKeyPairsDispatcher((_, identifier) => keys[identifier] ?? []);

federation
  .setInboxListeners("/users/{identifier}/inbox", "/inbox")
  .on(Activity, async (_, activity) => void heard.push(await activity.toJsonLd()));

federation.setNodeInfoDispatcher("/nodeinfo/2.1", () => ({
  software: { name: "fedify-peer", version: "1.0.0" },
  protocols: ["activitypub"],
  usage: { users: {}, localPosts: 0, localComments: 0 },
}));

// What Bo or the readers can be told to do. `to` is the actor at the other node that hears of it.
function activity(order) {
  const actor = new URL(`/users/${order.who}`, origin);
  const id = new URL(`/activities/${crypto.randomUUID()}`, origin);
  const audience = { actor, id, to: PUBLIC_COLLECTION, cc: new URL(order.to) };
  if (order.do === "follow") return new Follow({ id, actor, object: new URL(order.to) });
  const uri = new URL(`/notes/${order.note}`, origin);
  if (order.do === "delete") return new Delete({ ...audience, object: new Tombstone({ id: uri }) });
  const note = new Note({
    id: uri,
    attribution: actor,
    to: PUBLIC_COLLECTION,
    cc: new URL(order.to),
    content: order.content,
    replyTarget: order.answers ? new URL(order.answers) : null,
    updated: order.do === "update" ? Temporal.Now.instant() : null,
  });
  return order.do === "update" ? new Update({ ...audience, object: note }) : new Create({ ...audience, object: note });
}

async function obey(order) {
  if (order.do === "tell") return { heard, knocks, seen };
  const ctx = federation.createContext(new URL(origin), undefined);
  const recipient = await ctx.lookupObject(order.to);
  if (recipient === null) throw new Error(`${order.to} cannot be read`);
  if (order.do === "look") return { name: `${recipient.name}`, type: recipient.constructor.name };
  const said = activity(order);
  await ctx.sendActivity({ identifier: order.who }, recipient, said, { immediate: true });
  return { id: said.id.href, note: said.objectId?.href };
}

async function answer(request) {
  if (new URL(request.url).pathname === "/control") {
    return Response.json(await obey(await request.json()));
  }
  const response = await federation.fetch(request, { contextData: undefined });
  if (request.method === "POST") seen.push({ scheme: scheme(request.headers), status: response.status });
  return response;
}

createServer(async (incoming, outgoing) => {
  const parts = [];
  for await (const part of incoming) parts.push(part);
  const body = incoming.method === "POST" ? Buffer.concat(parts) : undefined;
  const request = new Request(new URL(incoming.url, origin), { method: incoming.method, headers: incoming.headers, body });
  let response;
  try {
    response = await answer(request);
  } catch (error) {
    response = new Response(`${error.stack}`, { status: 500 });
  }
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(Buffer.from(await response.arrayBuffer()));
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
