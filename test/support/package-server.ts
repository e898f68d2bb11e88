/** A plain static server for the built package and a page: no header but the type and, with pages, a policy: no cross-origin isolation. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ROOT } from './cli.ts';

export interface PackageServer {
  readonly url: string;
  /** Paths that were answered, in order. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const TYPES: readonly (readonly [RegExp, string])[] = [
  [/\.js$/, 'text/javascript'],
  [/\.wasm$/, 'application/wasm'],
];
/** The least that the guide says a page must allow, and inline scripts for the guide's page. */
const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'";
const KERNELS = 'dist/prover/kernels/binaries';

/** `script` is served as /page.js, dist also as /zkraft, the kernels also as /elsewhere, what is in `texts` as it is. */
export async function servePackage(
  script: string,
  texts: Readonly<Record<string, string>> = {},
): Promise<PackageServer> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    asked.push(path);
    const text =
      path === '/'
        ? '<!doctype html><title>verifier</title><script type="module" src="/page.js"></script>'
        : texts[path];
    if (text !== undefined) {
      response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': POLICY }).end(text);
      return;
    }
    const kernel = /^\/elsewhere\/([a-z0-9-]+\.wasm)$/.exec(path)?.[1];
    const file =
      path === '/page.js' ? script : kernel ? `${KERNELS}/${kernel}` : path.slice(1).replace(/^zkraft\//, 'dist/');
    const type = TYPES.find(([ending]) => ending.test(file))?.[1];
    const isOffered = file === script || /^dist\/[\w./-]+$/.test(file);
    try {
      if (!isOffered || type === undefined || file.includes('..')) throw new RangeError(`${path} is not offered`);
      const bytes = await readFile(join(ROOT, file));
      response.writeHead(200, { 'content-type': type }).end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
