// The first code of the page: the theme, before anything is painted, then the page itself. Whatever stops the page from starting is said
// here, without help from the code that did not start. No script stands in the document, for its policy lets none run there.

try {
  const theme = new URLSearchParams(location.search).get("theme") || localStorage.getItem("ftqueue-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch { /* Without storage the system's theme holds. */ }

// As long as this is held, the service worker keeps the pieces of this build for this page, whatever the host has by then.
// Where there are no locks, or they are refused, it does not.
const { build } = document.documentElement.dataset;
navigator.locks?.request(`ftqueue ${new URL("./", document.baseURI)} ${build}`, { mode: "shared" }, () => new Promise(() => {})).catch(() => {});

const failedToStart = (why) => {
  const message = document.getElementById("start-message");
  if (!message) return;
  message.setAttribute("role", "alert");
  message.textContent = `The page could not start: ${why}`;
};
window.addEventListener("error", (event) => {
  if (event.target instanceof HTMLScriptElement) failedToStart("a part of it did not load. Check the connection and reload the page.");
  else if (event.message) failedToStart(`${event.message}. Reload the page; if that does not help, use a current browser.`);
}, true);

const start = async () => {
  const missing =
    typeof WebAssembly !== "object" ? "WebAssembly" :
    typeof Worker !== "function" ? "Web Workers" :
    typeof MessageChannel !== "function" ? "message channels" : null;
  if (missing) return failedToStart(`this browser has no ${missing}. Use a current Chromium, Firefox or Safari.`);
  try {
    const { default: init, open_page } = await import("./page.js");
    await init();
    open_page();
  } catch (error) {
    failedToStart(`${error.message ?? error}. Reload the page; if that does not help, use a current browser.`);
  }
};
document.addEventListener("DOMContentLoaded", start);
