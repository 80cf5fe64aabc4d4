// What stands in front of the glue that wasm-bindgen writes: it calls these in place of the two doors by which a text could become code,
// the browser's parser of HTML and scripts by name.

const SIGNS = { amp: "&", lt: "<", gt: ">", quot: '"', "#x27": "'" };
const plain = (text) => text.replace(/&(amp|lt|gt|quot|#x27);/g, (_, sign) => SIGNS[sign]);

// Elements, attributes and texts, and nothing that runs or that is fetched.
function fill(place, html) {
  const all = document.createDocumentFragment();
  let open = all;
  for (const [, end, tag, attributes, text] of html.matchAll(/<(\/?)([a-z]\w*)((?:\s+[^\s="<>]+(?:="[^"]*")?)*)\s*>|([^<]+|<)/gi)) {
    if (text) open.append(plain(text));
    else if (end) open = open.parentNode ?? all;
    else {
      if (/^(script|style|link|meta|base|iframe|frame|object|embed)$/i.test(tag)) throw new TypeError(`no <${tag}> is made from text`);
      const element = document.createElement(tag);
      for (const [, name, value = ""] of attributes.matchAll(/([^\s="]+)(?:="([^"]*)")?/g)) {
        if (/^(on|src|href|.*action)/i.test(name)) throw new TypeError(`no ${name} is made from text`);
        if (name === "style") element.style.cssText = plain(value);
        else element.setAttribute(name, plain(value));
      }
      open.append(element);
      if (!/^(br|hr|input|wbr)$/i.test(tag)) open = element;
    }
  }
  (place.content ?? place).replaceChildren(all);
}

// The scripts of this site that are started by their names, and where they lie: beside this one, but for the service worker, which has to lie
// where the page does.
const SCRIPTS = ["worker.js", "lockstep-worker.js", "sw.js"];
let policy;

// Where the browser takes only what a policy has let through, that is one; elsewhere the same look at the name is all there is.
export function ownScript(name) {
  policy ??= globalThis.trustedTypes?.createPolicy("ftqueue", { createScriptURL }) ?? { createScriptURL };
  return policy.createScriptURL(name);
}

function createScriptURL(name) {
  if (!SCRIPTS.includes(name)) throw new TypeError(`${name} is no script of this site`);
  return name === "sw.js"
    ? new URL(`${name}?${document.documentElement.dataset.build}`, document.baseURI).href
    : new URL(name, import.meta.url).href;
}
