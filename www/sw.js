// Keeps one whole build of the site for the time without a network. With a network every file comes from the host,
// checked with it each time, so that nobody ever meets an old build. `VERSION` and `FILES` are put in front of this
// text when the site is built.

// Caches belong to the whole origin, and another copy of this site may live on it under another path.
const PREFIX = `ftqueue ${self.registration.scope} `;
const CACHE = PREFIX + VERSION;

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(forgetOlder().then(() => self.clients.claim())));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(self.registration.scope)) event.respondWith(answer(event.request));
});

async function keep() {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
}

async function forgetOlder() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
}

async function answer(request) {
  try {
    return await fetch(request, { cache: "no-cache" });
  } catch (error) {
    const cache = await caches.open(CACHE);
    const wanted = request.mode === "navigate" ? "index.html" : request;
    const kept = await cache.match(wanted, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}
