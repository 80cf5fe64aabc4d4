// Asks the browser to keep the site, so that the next visit works without a network. Only built sites carry this.
import { ownScript } from "./page.js";

// The address names the build, so what is kept becomes what was just seen. Under an address that it knows, a browser looks for news in its own
// time: Chromium, when it has just been started, not before a page has been idle, or a minute has passed.
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register(ownScript("sw.js")).catch((error) => console.warn("The site will not work offline:", error));
}
