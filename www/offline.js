// Asks the browser to keep the site, so that the next visit works without a network. Only built sites carry this.
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("sw.js").catch((error) => console.warn("The site will not work offline:", error));
}
