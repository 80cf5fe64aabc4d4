// Asks the browser to keep the site, so that the next visit works without a network. Only built sites carry this.
import { ownScript } from "./page.js";

if ("serviceWorker" in navigator) {
  navigator.serviceWorker
    .register(ownScript("sw.js"))
    // Browsers look for a new version in their own time. What is kept should be what was just seen.
    .then((registration) => registration.active && registration.update())
    .catch((error) => console.warn("The site will not work offline:", error));
}
