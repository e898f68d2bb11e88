/** Imports the prover and lists the npm packages whose scripts the engine has parsed by then. */
import { Session } from 'node:inspector';

const packages = new Set<string>();
const session = new Session();
session.connect();
session.on('Debugger.scriptParsed', ({ params }) => {
  const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(params.url)?.[1];
  if (name !== undefined) packages.add(name);
});
session.post('Debugger.enable');
await import('../../../src/prover/index.ts');
session.disconnect();
process.stdout.write(JSON.stringify([...packages]));
