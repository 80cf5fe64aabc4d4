// The Worker that records every node, judges what they do, and shows any instant again. What it says first is that it runs; whatever the page
// says before that waits.
import init, { start_lockstep } from "./lockstep.js";

const early = [];
self.onmessage = (event) => early.push(event);
await init();
start_lockstep();
for (const event of early) self.onmessage(event);
