// What the platform itself costs: a flush of a small write while other Workers flush, too; a message through a port and back; and both as a
// push needs them, with nothing to compute.
"use strict";

const ROUNDS = 200;

// The mean of the middle half: browsers round their clocks, and a median of rounded numbers is one of them.
const middle = (all) => {
  const half = all.sort((a, b) => a - b).slice(all.length >> 2, all.length - (all.length >> 2));
  return half.reduce((sum, one) => sum + one, 0) / half.length;
};

const heard = (worker) => new Promise((done) => (worker.onmessage = ({ data }) => done(data)));

// Milliseconds: what a push takes that nothing is computed for. One Worker tells the others, all flush, and it answers when a majority has.
const pushes = async (workers) => {
  const channels = workers.slice(1).map(() => new MessageChannel());
  for (const [place, { port2 }] of channels.entries()) {
    const follower = workers[place + 1];
    follower.postMessage({ follow: port2 }, [port2]);
    await heard(follower);
  }
  const lead = channels.map(({ port1 }) => port1);
  workers[0].postMessage({ lead }, lead);
  await heard(workers[0]);
  const all = [];
  for (let push = 1; push <= ROUNDS; push++) {
    const started = performance.now();
    const answered = heard(workers[0]);
    workers[0].postMessage({ push });
    await answered;
    all.push(performance.now() - started);
  }
  return all;
};

// Milliseconds: { flush, hop, push } with so many Workers.
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
  const push = middle(await pushes(workers));
  for (const worker of workers) worker.terminate();
  return { flush: middle(flushes), hop: middle(hops), push };
};
