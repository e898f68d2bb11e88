/**
 * Asks one health route and exits 0 when it is good: what an image's HEALTHCHECK runs, so that it needs no curl.
 *
 *   node docker/probe.mjs http://127.0.0.1:8080/livez
 *
 * A port with a certificate is asked over https; the certificate is not checked, for it names hosts and not 127.0.0.1, and
 * a process asks itself here. Exits 1 when the answer is not 2xx or does not come within three seconds, 2 without an URL.
 */
import { get as getPlain } from 'node:http';
import { get as getTls } from 'node:https';

const ANSWER_MS = 3_000;

const say = (line) => process.stderr.write(`${line}\n`);
const url = URL.canParse(process.argv[2] ?? '') ? new URL(process.argv[2]) : undefined;
if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
  say('Usage: node docker/probe.mjs http://127.0.0.1:PORT/livez');
  process.exit(2);
}
const get = url.protocol === 'https:' ? getTls : getPlain;
const request = get(url, { rejectUnauthorized: false, agent: false }, (response) => {
  response.resume();
  if (response.statusCode >= 200 && response.statusCode < 300) process.exit(0);
  say(`${url} answers ${response.statusCode}`);
  process.exit(1);
});
request.on('error', (error) => {
  say(`${url}: ${error.message}`);
  process.exit(1);
});
setTimeout(() => {
  say(`${url} does not answer within ${ANSWER_MS} ms`);
  process.exit(1);
}, ANSWER_MS);
