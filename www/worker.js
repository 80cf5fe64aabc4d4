// One node. The page posts the compiled module; everything after that is said and heard by the Rust side.
import { initSync, start } from "./node.js";

self.onmessage = ({ data: { module } }) => {
  self.onmessage = null;
  initSync({ module });
  start();
};
