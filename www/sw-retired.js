// Served in development in place of the service worker: a browser that has kept a built site from this address
// fetches this, and forgets it.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(retire()));

async function retire() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("ftqueue ")).map((name) => caches.delete(name)));
  await self.registration.unregister();
}
