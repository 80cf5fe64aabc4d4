// One of the Workers of floor.js: it flushes a file of its own when it is told to, answers on one port, and asks on another.
"use strict";

// As much as an entry takes in a node's log.
const BYTES = new Uint8Array(64).fill(7);
// So many round trips are timed together: one is shorter than what a browser's clock can tell.
const HOPS = 20;
let file;
let at = 0;
// The ports to those who follow this one, and who has what.
let followers = [];
let push = 0;
let copies = 0;
let needed = 0;

const heard = (port) => new Promise((done) => (port.onmessage = () => done()));

const flush = () => {
  file.write(BYTES, { at });
  file.flush();
  at += BYTES.length;
};

// A copy is durable: with a majority of them the push is answered, once.
const copied = (of) => {
  if (of === push && ++copies === needed) self.postMessage(0);
};

self.onmessage = async ({ data }) => {
  if (data.answer) {
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle(`floor-${data.begin}`, { create: true });
    for (let tries = 0; !file; tries++) {
      try {
        file = await handle.createSyncAccessHandle();
      } catch (error) {
        // The one before has not let go of it yet.
        if (tries > 100) throw error;
        await new Promise((done) => setTimeout(done, 20));
      }
    }
    file.truncate(0);
    data.answer.onmessage = () => data.answer.postMessage(BYTES);
    self.postMessage(0);
  } else if (data.flush) {
    const started = performance.now();
    flush();
    self.postMessage(performance.now() - started);
  } else if (data.lead) {
    followers = data.lead;
    needed = ((followers.length + 1) >> 1) + 1;
    for (const port of followers) port.onmessage = ({ data: of }) => copied(of);
    self.postMessage(0);
  } else if (data.follow) {
    data.follow.onmessage = ({ data: of }) => {
      flush();
      data.follow.postMessage(of);
    };
    self.postMessage(0);
  } else if (data.push) {
    push = data.push;
    copies = 0;
    for (const port of followers) port.postMessage(push);
    flush();
    copied(push);
  } else if (data.ask) {
    const all = [];
    for (let round = 0; round < data.rounds; round++) {
      const started = performance.now();
      for (let hop = 0; hop < HOPS; hop++) {
        const answered = heard(data.ask);
        data.ask.postMessage(BYTES);
        await answered;
      }
      all.push((performance.now() - started) / HOPS);
    }
    self.postMessage(all);
  }
};
