// One node. The page posts the module that it runs itself, compiled; everything after that is said and heard by the Rust side.
import { initSync, start_node } from "./page.js";

// A trap leaves the node half done with something: it must not hear another message. The page hears of the error, too.
self.onerror = () => self.close();

self.onmessage = ({ data: { module } }) => {
  self.onmessage = null;
  initSync({ module });
  start_node();
};
