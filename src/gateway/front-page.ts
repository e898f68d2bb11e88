/**
 * The page at `/` for browsers: what this is, a curl to paste, an example to submit and its status as it changes.
 *
 * Self-contained: no resource from elsewhere, no inline handler. The policy allows this one script and this one style
 * by their hashes and connections to this origin only; all text from answers is set as text, never as markup.
 */
import { createHash } from 'node:crypto';
import { VERSION } from '../common/index.ts';

export interface FrontPage {
  readonly contentSecurityPolicy: string;
  readonly withKey: boolean;
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
pre { background: #8882; padding: .75rem; overflow-x: auto; border-radius: .4rem; }
button, input { font: inherit; padding: .3rem .7rem; }
input { width: 24rem; max-width: 100%; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem; overflow-wrap: anywhere; }
`;

const SCRIPT = `
const at = (id) => document.getElementById(id);
const headers = () => {
  const key = at('key') ? at('key').value.trim() : '';
  return key ? { authorization: 'Bearer ' + key } : {};
};
const say = (text) => { at('status').textContent = text; };
const ask = async (path, options = {}) => {
  const response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.code + ': ' + answer.error);
  return answer;
};
let watched = '';
const watch = async (id) => {
  watched = id;
  location.hash = id;
  try {
    for (;;) {
      const task = await ask('/api/v1/tasks/' + encodeURIComponent(id) + '?wait=20s');
      if (watched !== id) return;
      say(task.status);
      at('answer').textContent = JSON.stringify(task, null, 2);
      if (['completed', 'failed', 'cancelled'].includes(task.status)) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  } catch (error) { say(error.message); }
};
at('submit').addEventListener('click', async () => {
  say('submitting');
  at('answer').textContent = '';
  try {
    const leaf = String(1 + Math.floor(Math.random() * 1e9));
    const body = JSON.stringify({ leaves: ['1', '2', leaf], leaf_index: 2 });
    const { task_id } = await ask('/api/v1/tasks/merkle', { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    say('pending');
    await watch(task_id);
  } catch (error) { say(error.message); }
});
if (/^#[0-9a-f-]{36}$/.test(location.hash)) watch(location.hash.slice(1));
`;

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export function createFrontPage(options: { readonly withKey: boolean }): FrontPage {
  return {
    withKey: options.withKey,
    contentSecurityPolicy: [
      "default-src 'none'",
      `script-src ${hash(SCRIPT)}`,
      `style-src ${hash(STYLE)}`,
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

/** `origin` has no character that means something in HTML or a shell; the caller has checked it. */
export function renderFrontPage(page: FrontPage, origin: string): string {
  const authorization = page.withKey ? `  -H 'Authorization: Bearer YOUR_KEY' \\\n` : '';
  const keyField = page.withKey
    ? '<p><label>API key <input id="key" type="password" autocomplete="off"></label></p>'
    : '';
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>zkraft gateway</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head>
<body>
<h1>zkraft gateway</h1>
<p>Version ${VERSION}. Send the leaves of a Merkle tree and an index; get a zero-knowledge proof that the leaf at
that index is in the tree with this root, without showing which it is.</p>
<pre>curl -sS ${origin}/api/v1/tasks/merkle \\
${authorization}  -H 'Content-Type: application/json' \\
  -d '{"leaves":["1","2","3"],"leaf_index":1}'

curl -sS '${origin}/api/v1/tasks/TASK_ID?wait=20s'${page.withKey ? " -H 'Authorization: Bearer YOUR_KEY'" : ''}</pre>
<h2>Try it</h2>
${keyField}<p><button id="submit" type="button">Submit an example</button> <strong id="status" role="status"></strong></p>
<pre id="answer"></pre>
<p><a href="/openapi.json">The interface (OpenAPI 3.1)</a> | <a href="/api/v1/circuits">circuits and their keys</a> |
<a href="/health">health</a></p>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
