// What the platform itself costs: a flush of a small write while other Workers flush, too, and a message through a port and back.
"use strict";

const ROUNDS = 200;

// The mean of the middle half: browsers round their clocks, and a median of rounded numbers is one of them.
const middle = (all) => {
  const half = all.sort((a, b) => a - b).slice(all.length >> 2, all.length - (all.length >> 2));
  return half.reduce((sum, one) => sum + one, 0) / half.length;
};

const heard = (worker) => new Promise((done) => (worker.onmessage = ({ data }) => done(data)));

// Milliseconds: { flush, hop } with so many Workers.
window.floor = async (count) => {
  // The site's policy holds here, too.
  const policy = window.trustedTypes?.createPolicy("ftqueue", { createScriptURL: (url) => url });
  const url = policy?.createScriptURL("floor-worker.js") ?? "floor-worker.js";
  const workers = Array.from({ length: count }, (_, number) => new Worker(url, { name: `floor-${number}` }));
  await Promise.all(
    workers.map((worker, number) => {
      const { port1, port2 } = new MessageChannel();
      // Each answers on one port and asks on another.
      worker.postMessage({ begin: number, answer: port1 }, [port1]);
      workers[number].ask = port2;
      return heard(worker);
    }),
  );
  const flushes = [];
  for (let round = 0; round < ROUNDS; round++) {
    const all = Promise.all(workers.map(heard));
    for (const worker of workers) worker.postMessage({ flush: true });
    flushes.push(...(await all));
  }
  let hops = [0];
  if (count > 1) {
    workers[0].postMessage({ ask: workers[1].ask, rounds: ROUNDS }, [workers[1].ask]);
    hops = await heard(workers[0]);
  }
  for (const worker of workers) worker.terminate();
  return { flush: middle(flushes), hop: middle(hops) };
};
