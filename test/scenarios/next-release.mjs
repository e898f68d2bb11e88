/**
 * Loaded into a coordinator (`NODE_OPTIONS=--import`), it makes of this program the next release: one that understands
 * version 2 of the coordinators' state, with which a command came that this release does not know, and by which an
 * operator's changes of workers are decided from then on.
 *
 * The built modules are changed as they are loaded; nothing of it can be set in a release. A place that is not found any
 * more is an error, so that a scenario never runs two equal programs.
 */
import { register } from 'node:module';

const HOOKS = `
const CHANGES = {
  'state/versions.js': [
    ['export const STATE_VERSION = 1;', 'export const STATE_VERSION = 2;'],
    ['const CAME_WITH = {};', 'const CAME_WITH = { worker_change: 2 };'],
  ],
  'state/commands.js': [
    ['    worker_state: (', '    worker_change: ({ workerId, to }) => isText(workerId) && WORKER_STATES.includes(to),\\n    worker_state: ('],
  ],
  'state/apply.js': [["        case 'worker_state':", "        case 'worker_change':\\n        case 'worker_state':"]],
  'service/admin-service.js': [["kind: 'worker_state'", "kind: 'worker_change'"]],
};

export async function load(url, context, next) {
  const loaded = await next(url, context);
  const [, changes] = Object.entries(CHANGES).find(([path]) => url.endsWith('/dist/coordinator/' + path)) ?? [];
  if (changes === undefined) return loaded;
  let source = String(loaded.source);
  for (const [now, then] of changes) {
    if (source.split(now).length !== 2) throw new Error(url + ' has not once: ' + now);
    source = source.replace(now, then);
  }
  return { ...loaded, source };
}
`;

register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);
