/**
 * Loaded into each coordinator of a scenario (`NODE_OPTIONS=--import`): the name of a peer leads to the link from this node
 * to that one. So every pair has links of its own, one for each direction, that can be cut (peer-links.ts), and the
 * coordinator itself knows of none of it: names are looked up at each dial, as everywhere.
 */
import dns from 'node:dns';

const from = process.env.SCENARIO_NODE;
const addressOf = (host) => {
  const to = /^coordinator-(\d)\.scenario$/.exec(host)?.[1];
  return from === undefined || to === undefined ? undefined : `127.1.${from}.${to}`;
};

const { lookup } = dns;
const { lookup: lookupLater } = dns.promises;
dns.lookup = Object.assign((host, options, callback) => {
  const address = addressOf(host);
  const done = callback ?? options;
  if (address === undefined) return lookup(host, options, callback);
  const all = typeof options === 'object' && options?.all === true;
  queueMicrotask(() => (all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)));
}, lookup);
dns.promises.lookup = async (host, options) => {
  const address = addressOf(host);
  if (address === undefined) return await lookupLater(host, options);
  const found = { address, family: 4 };
  return typeof options === 'object' && options?.all === true ? [found] : found;
};
