// Keeps whole builds of the site: the one that it belongs to for the time without a network, and older ones for as long as a page of theirs is
// open. The page itself comes from the host, as long as the host answers soon and as this site; its pieces lie in a folder that has the build's
// name, so whatever is kept under such an address is right, and no page is ever half of one build and half of another.
// `BUILD` and `FILES` are put in front of this text when the site is built.

const SCOPE = self.registration.scope;
// Caches belong to the whole origin, and another copy of this site may live on it under another path.
const PREFIX = `ftqueue ${SCOPE} `;
const CACHE = PREFIX + BUILD;
// How long the host may take to give the page, if one is kept.
const PATIENCE_MS = 3000;

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(forgetUnused().then(() => self.clients.claim())));
self.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  if (method !== "GET" || !url.startsWith(SCOPE)) return;
  const isPage = /^(index\.html)?([?#]|$)/.test(url.slice(SCOPE.length));
  if (!isPage) event.respondWith(piece(event.request));
  else if (mode === "navigate") {
    event.respondWith(page(event.request));
    event.waitUntil(forgetUnused());
  }
  // Whoever else asks for the page wants to know what the host has.
});

async function keep() {
  const cache = await caches.open(CACHE);
  await Promise.all(FILES.map(async (file) => {
    const answer = await fetch(file, { cache: "no-cache" });
    if (!(await isOurs(answer, file === "./" ? BUILD : null))) throw new Error(`the host has no ${file} of build ${BUILD}`);
    await cache.put(file, answer);
  }));
}

// A host in trouble answers, too, and a network that wants its terms accepted first. A page must be one of this site's; a piece must not be a page.
async function isOurs(answer, build) {
  if (!answer.ok || answer.redirected) return false;
  const isHtml = (answer.headers.get("content-type") ?? "").startsWith("text/html");
  if (build === null || !isHtml) return build === null && !isHtml;
  return (await answer.clone().text()).includes(` data-build="${build}`);
}

async function page(request) {
  const asked = fetch(request, { cache: "no-cache" });
  const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  const isGood = await Promise.race([asked.then((answer) => isOurs(answer, "")).catch(() => false), patience]);
  const kept = isGood ? null : await (await caches.open(CACHE)).match("./");
  return kept ?? asked;
}

async function piece(request) {
  const options = { ignoreSearch: true };
  const kept = await (await caches.open(CACHE)).match(request, options);
  return kept ?? (await caches.match(request, options)) ?? fetch(request);
}

// A page holds a lock that has its cache's name. Caches are told in the order in which they were made, and one that was made after this build's
// belongs to the next, which may just be on its way.
async function forgetUnused() {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  const names = await caches.keys();
  const older = names.slice(0, Math.max(names.indexOf(CACHE), 0));
  const unused = (name) => name.startsWith(PREFIX) && !held.some((lock) => lock.name === name);
  await Promise.all(older.filter(unused).map((name) => caches.delete(name)));
}
