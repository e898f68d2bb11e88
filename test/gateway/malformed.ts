/** Malformed requests, one a row: what is sent, and the code it must be answered with. */
import { R } from '../../src/common/index.ts';
import type { Piece } from './support.ts';

export interface Malformed {
  readonly name: string;
  readonly code: string;
  /** What the message must name. */
  readonly names?: RegExp;
  readonly pieces: readonly Piece[];
}

const CRLF = '\r\n';

/** A whole request with Connection: close. */
export function request(
  method: string,
  path: string,
  headers: readonly string[] = [],
  body: string | Uint8Array = '',
): Piece[] {
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  const head = [
    `${method} ${path} HTTP/1.1`,
    ...(headers.some((line) => /^host:/i.test(line)) ? [] : ['Host: 127.0.0.1']),
    'Connection: close',
    ...(method === 'POST' ? [`Content-Length: ${length}`] : []),
    ...headers,
  ].join(CRLF);
  return [head + CRLF + CRLF, body];
}

const JSON_TYPE = 'Content-Type: application/json';
const SUBMIT = '/api/v1/tasks/merkle';
const post = (body: unknown, headers: readonly string[] = []): Piece[] =>
  request('POST', SUBMIT, [JSON_TYPE, ...headers], typeof body === 'string' ? body : JSON.stringify(body));
const bytes = (body: Uint8Array): Piece[] => request('POST', SUBMIT, [JSON_TYPE], body);
const leaves = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1));
const good = { leaves: ['1', '2', '3'], leaf_index: 1 };
const ID = '00000000-0000-4000-8000-000000000000';
const head = (...lines: string[]): string => lines.join(CRLF) + CRLF;

export const MALFORMED: readonly Malformed[] = [
  // The body as bytes and as JSON.
  { name: 'an empty body', code: 'invalid_json', pieces: post('') },
  { name: 'text that is not JSON', code: 'invalid_json', pieces: post('hello') },
  { name: 'JSON that ends too early', code: 'invalid_json', pieces: post('{"leaves":["1"') },
  { name: 'JSON with a trailing comma', code: 'invalid_json', pieces: post('{"leaves":["1"],"leaf_index":0,}') },
  { name: 'two JSON values', code: 'invalid_json', pieces: post('{"leaves":["1"],"leaf_index":0}{}') },
  { name: 'NaN as a number', code: 'invalid_json', pieces: post('{"leaves":["1"],"leaf_index":NaN}') },
  { name: 'a byte order mark', code: 'invalid_json', pieces: post('\uFEFF{"leaves":["1"],"leaf_index":0}') },
  {
    name: 'JSON whose text is not UTF-8',
    code: 'invalid_json',
    names: /UTF-8/,
    pieces: bytes(Buffer.from('{"leaves":["1\xff"],"leaf_index":0}', 'latin1')),
  },
  {
    name: 'bytes that are not UTF-8',
    code: 'invalid_json',
    pieces: bytes(Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22)),
  },
  { name: 'UTF-16', code: 'invalid_json', pieces: bytes(Buffer.from(JSON.stringify(good), 'utf16le')) },
  { name: 'a zip file', code: 'invalid_json', pieces: bytes(Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0)) },
  {
    name: 'a key twice',
    code: 'invalid_request',
    names: /leaf_index/,
    pieces: post('{"leaves":["1"],"leaf_index":0,"leaf_index":1}'),
  },
  {
    name: 'a key twice, once escaped',
    code: 'invalid_request',
    names: /depth/,
    pieces: post('{"leaves":["1"],"leaf_index":0,"depth":8,"d\\u0065pth":9}'),
  },
  {
    name: '__proto__ as a key',
    code: 'invalid_request',
    names: /__proto__/,
    pieces: post('{"leaves":["1"],"leaf_index":0,"__proto__":{"fresh":true}}'),
  },
  {
    name: 'constructor as a key',
    code: 'invalid_request',
    names: /constructor/,
    pieces: post('{"leaves":["1"],"leaf_index":0,"constructor":{"prototype":{}}}'),
  },
  {
    name: '5 MB of empty objects',
    code: 'invalid_request',
    names: /values/,
    pieces: post(`[${'{},'.repeat(1_700_000)}{}]`),
  },
  {
    name: 'an object of 5 MB of keys',
    code: 'invalid_request',
    names: /keys/,
    pieces: post(`{${Array.from({ length: 400_000 }, (_, i) => `"k${i}":1`).join()}}`),
  },
  { name: 'brackets without end', code: 'invalid_request', names: /nested/, pieces: post('['.repeat(5_000_000)) },
  { name: 'a string without end', code: 'invalid_json', pieces: post(`{"leaves":["${'\\"'.repeat(1_000_000)}`) },
  { name: 'a key with a broken escape', code: 'invalid_json', pieces: post('{"\\u00zz":1,"\\u00zz":1}'.slice(0, 12)) },
  {
    name: 'nesting 100,000 deep',
    code: 'invalid_request',
    names: /nested/,
    pieces: post('['.repeat(100_000) + ']'.repeat(100_000)),
  },
  {
    name: 'nesting deep inside a field',
    code: 'invalid_request',
    names: /nested/,
    pieces: post(`{"leaves":${'['.repeat(40)}${']'.repeat(40)}}`),
  },
  { name: 'null', code: 'invalid_request', pieces: post('null') },
  { name: 'an array', code: 'invalid_request', pieces: post('[1,2,3]') },
  { name: 'a string', code: 'invalid_request', pieces: post('"leaves"') },

  // Fields.
  { name: 'no fields', code: 'invalid_request', names: /leaves/, pieces: post({}) },
  { name: 'no leaf_index', code: 'invalid_request', names: /leaf_index is missing/, pieces: post({ leaves: ['1'] }) },
  {
    name: 'an unknown field',
    code: 'invalid_request',
    names: /leafs is not a field.*leaves/,
    pieces: post({ ...good, leafs: [] }),
  },
  {
    name: 'leaf_indices',
    code: 'invalid_request',
    names: /leaf_indices/,
    pieces: post({ leaves: ['1'], leaf_indices: [0] }),
  },
  { name: 'leaves that are a string', code: 'invalid_leaves', pieces: post({ ...good, leaves: '123' }) },
  { name: 'leaves that are an object', code: 'invalid_leaves', pieces: post({ ...good, leaves: { length: 3 } }) },
  { name: 'no leaves', code: 'invalid_leaves', pieces: post({ ...good, leaves: [] }) },
  { name: '1001 leaves', code: 'invalid_leaves', names: /1000/, pieces: post({ leaves: leaves(1001), leaf_index: 0 }) },
  {
    name: 'a number as a leaf',
    code: 'invalid_leaf',
    names: /leaves\[1\]/,
    pieces: post({ ...good, leaves: ['1', 2] }),
  },
  { name: 'null as a leaf', code: 'invalid_leaf', names: /leaves\[0\]/, pieces: post({ ...good, leaves: [null] }) },
  {
    name: 'an empty leaf',
    code: 'invalid_leaf',
    names: /leaves\[2\]/,
    pieces: post({ ...good, leaves: ['1', '2', ''] }),
  },
  {
    name: 'zero as a leaf',
    code: 'invalid_leaf',
    names: /leaves\[1\].*zero/,
    pieces: post({ ...good, leaves: ['1', '0'] }),
  },
  {
    name: 'zero in hex as a leaf',
    code: 'invalid_leaf',
    names: /leaves\[1\].*zero/,
    pieces: post({ ...good, leaves: ['1', '0x000'] }),
  },
  {
    name: 'r as a leaf',
    code: 'invalid_leaf',
    names: /leaves\[1\]/,
    pieces: post({ ...good, leaves: ['1', R.toString()] }),
  },
  {
    name: '2^256-1 as a leaf',
    code: 'invalid_leaf',
    names: /leaves\[0\]/,
    pieces: post({ ...good, leaves: [`0x${'f'.repeat(64)}`] }),
  },
  { name: 'a negative leaf', code: 'invalid_leaf', names: /leaves\[0\]/, pieces: post({ ...good, leaves: ['-1'] }) },
  {
    name: 'a leaf with a leading zero',
    code: 'invalid_leaf',
    names: /leaves\[0\]/,
    pieces: post({ ...good, leaves: ['007'] }),
  },
  {
    name: 'a leaf with white space',
    code: 'invalid_leaf',
    names: /leaves\[0\]/,
    pieces: post({ ...good, leaves: [' 7'] }),
  },
  {
    name: 'a leaf with a line feed',
    code: 'invalid_leaf',
    names: /leaves\[0\]/,
    pieces: post({ ...good, leaves: ['7\n'] }),
  },
  {
    name: 'a leaf of 1 MB',
    code: 'invalid_leaf',
    names: /leaves\[0\]/,
    pieces: post({ ...good, leaves: ['9'.repeat(1_000_000)] }),
  },
  {
    name: 'a leaf with 65 hex digits',
    code: 'invalid_leaf',
    names: /leaves\[0\]/,
    pieces: post({ ...good, leaves: [`0x${'1'.repeat(65)}`] }),
  },
  {
    name: 'a leaf in full-width digits',
    code: 'invalid_leaf',
    names: /leaves\[0\]/,
    pieces: post({ ...good, leaves: ['７'] }),
  },
  { name: 'leaf_index as a string', code: 'invalid_leaf_index', pieces: post({ ...good, leaf_index: '1' }) },
  { name: 'leaf_index as a fraction', code: 'invalid_leaf_index', pieces: post({ ...good, leaf_index: 0.5 }) },
  { name: 'leaf_index below zero', code: 'invalid_leaf_index', pieces: post({ ...good, leaf_index: -1 }) },
  {
    name: 'leaf_index at the count',
    code: 'invalid_leaf_index',
    names: /0 to 2/,
    pieces: post({ ...good, leaf_index: 3 }),
  },
  {
    name: 'leaf_index beyond every number',
    code: 'invalid_leaf_index',
    pieces: post('{"leaves":["1"],"leaf_index":1e999}'),
  },
  { name: 'leaf_index null', code: 'invalid_leaf_index', pieces: post({ ...good, leaf_index: null }) },
  { name: 'depth 0', code: 'invalid_depth', pieces: post({ ...good, depth: 0 }) },
  { name: 'depth 33', code: 'invalid_depth', pieces: post({ ...good, depth: 33 }) },
  { name: 'depth as a string', code: 'invalid_depth', pieces: post({ ...good, depth: '8' }) },
  { name: 'a depth in which the leaves do not fit', code: 'invalid_depth', pieces: post({ ...good, depth: 1 }) },
  {
    name: 'a depth without keys',
    code: 'circuit_unavailable',
    names: /zkraft setup --depth 20/,
    pieces: post({ ...good, depth: 20 }),
  },
  {
    name: 'more leaves than the default depth holds, without keys for the next',
    code: 'circuit_unavailable',
    names: /--depth 16/,
    pieces: post({ leaves: leaves(257), leaf_index: 256 }),
  },
  { name: 'priority 10', code: 'invalid_priority', pieces: post({ ...good, priority: 10 }) },
  { name: 'priority as a word', code: 'invalid_priority', pieces: post({ ...good, priority: 'high' }) },
  {
    name: 'an external hash at r',
    code: 'invalid_external_hash',
    pieces: post({ ...good, external_hash: `0x${R.toString(16)}` }),
  },
  { name: 'an external hash as a number', code: 'invalid_external_hash', pieces: post({ ...good, external_hash: 7 }) },
  { name: 'fresh as a string', code: 'invalid_request', names: /fresh/, pieces: post({ ...good, fresh: 'yes' }) },
  {
    name: 'a query on a submit',
    code: 'invalid_request',
    names: /debug/,
    pieces: request('POST', `${SUBMIT}?debug=1`, [JSON_TYPE], JSON.stringify(good)),
  },

  // Headers.
  {
    name: 'an idempotency key of 129 characters',
    code: 'invalid_idempotency_key',
    pieces: post(good, [`Idempotency-Key: ${'k'.repeat(129)}`]),
  },
  { name: 'an empty idempotency key', code: 'invalid_idempotency_key', pieces: post(good, ['Idempotency-Key: ']) },
  {
    name: 'an idempotency key beyond ASCII',
    code: 'invalid_idempotency_key',
    pieces: post(good, ['Idempotency-Key: schl\u00fcssel']),
  },
  {
    name: 'two idempotency keys',
    code: 'invalid_idempotency_key',
    pieces: post(good, ['Idempotency-Key: a', 'Idempotency-Key: b']),
  },
  {
    name: 'text/plain',
    code: 'unsupported_media_type',
    pieces: request('POST', SUBMIT, ['Content-Type: text/plain'], JSON.stringify(good)),
  },
  {
    name: 'a form',
    code: 'unsupported_media_type',
    pieces: request('POST', SUBMIT, ['Content-Type: application/x-www-form-urlencoded'], 'leaves=1'),
  },
  {
    name: 'no content type',
    code: 'unsupported_media_type',
    pieces: request('POST', SUBMIT, [], JSON.stringify(good)),
  },
  {
    name: 'JSON in another charset',
    code: 'unsupported_media_type',
    pieces: request('POST', SUBMIT, [`${JSON_TYPE}; charset=utf-16`], JSON.stringify(good)),
  },
  { name: 'a compressed body', code: 'unsupported_media_type', pieces: post(good, ['Content-Encoding: gzip']) },
  { name: 'a Host of somebody else', code: 'host_not_allowed', pieces: post(good, ['Host: evil.example']) },
  {
    name: 'a Host that only begins like ours',
    code: 'host_not_allowed',
    pieces: post(good, ['Host: 127.0.0.1.evil.example']),
  },
  { name: 'an expectation that nobody has', code: 'invalid_request', pieces: post(good, ['Expect: wonders']) },
  { name: 'a method that does not exist', code: 'invalid_request', pieces: request('FETCH', '/livez') },
  {
    name: 'a method that the route does not have',
    code: 'method_not_allowed',
    names: /POST/,
    pieces: request('DELETE', SUBMIT),
  },
  { name: 'a route that does not exist', code: 'route_not_found', pieces: request('GET', '/api/v2/tasks') },
  {
    name: 'a path that leaves the tree',
    code: 'route_not_found',
    pieces: request('GET', '/api/v1/circuits/../../../etc/passwd'),
  },
  {
    name: 'bad JSON for a route that does not exist',
    code: 'route_not_found',
    pieces: request('POST', '/nothing', [JSON_TYPE], '{bad'),
  },
  { name: 'broken percent encoding', code: 'invalid_request', pieces: request('GET', '/api/v1/tasks/%zz') },

  // Other routes.
  { name: 'a task id that is no UUID', code: 'invalid_task_id', pieces: request('GET', '/api/v1/tasks/42') },
  { name: 'a task id with a quote', code: 'invalid_task_id', pieces: request('GET', "/api/v1/tasks/'%20OR%201=1--") },
  { name: 'a task id with a zero byte', code: 'invalid_task_id', pieces: request('GET', `/api/v1/tasks/${ID}%00`) },
  { name: 'a task that is not there', code: 'task_not_found', pieces: request('GET', `/api/v1/tasks/${ID}`) },
  {
    name: 'a wait without unit',
    code: 'invalid_request',
    names: /wait/,
    pieces: request('GET', `/api/v1/tasks/${ID}?wait=20`),
  },
  {
    name: 'two waits',
    code: 'invalid_request',
    names: /wait/,
    pieces: request('GET', `/api/v1/tasks/${ID}?wait=1s&wait=2s`),
  },
  {
    name: 'an unknown query',
    code: 'invalid_request',
    names: /verbose/,
    pieces: request('GET', `/api/v1/tasks/${ID}?verbose=1`),
  },
  {
    name: 'a circuit that is not there',
    code: 'circuit_not_found',
    pieces: request('GET', '/api/v1/circuits/merkle-9'),
  },
  {
    name: 'a circuit id that is none',
    code: 'circuit_not_found',
    pieces: request('GET', '/api/v1/circuits/a%2fb/verification-key'),
  },

  // Below requests: what only a socket can do. The gateway of these tests waits 600 ms for a request.
  { name: 'garbage', code: 'invalid_request', pieces: ['\x16\x03\x01\x02\x00\x01 not http at all\r\n\r\n'] },
  { name: 'the HTTP/2 preface', code: 'invalid_request', pieces: ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'] },
  {
    name: 'a header without colon',
    code: 'invalid_request',
    pieces: [`${head('GET /livez HTTP/1.1', 'Host: 127.0.0.1', 'nonsense')}\r\n`],
  },
  {
    name: 'white space before a header colon',
    code: 'invalid_request',
    pieces: [`${head('GET /livez HTTP/1.1', 'Host : 127.0.0.1')}\r\n`],
  },
  { name: 'no Host', code: 'invalid_request', pieces: [`${head('GET /livez HTTP/1.1', 'Connection: close')}\r\n`] },
  {
    name: 'a body with a length and in chunks',
    code: 'invalid_request',
    pieces: [
      `${head(`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', JSON_TYPE, 'Content-Length: 3', 'Transfer-Encoding: chunked')}\r\n0\r\n\r\n`,
    ],
  },
  {
    name: 'two lengths',
    code: 'invalid_request',
    pieces: [
      `${head(`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', JSON_TYPE, 'Content-Length: 3', 'Content-Length: 4')}\r\nabcd`,
    ],
  },
  {
    name: 'a negative length',
    code: 'invalid_request',
    pieces: [`${head(`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', JSON_TYPE, 'Content-Length: -1')}\r\n`],
  },
  {
    name: 'chunks that are garbage',
    code: 'invalid_request',
    pieces: [
      `${head(`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', JSON_TYPE, 'Transfer-Encoding: chunked')}\r\n`,
      30,
      'zz\r\nnot a chunk\r\n',
    ],
  },
  {
    name: 'headers of 20 KB',
    code: 'header_too_large',
    pieces: [`${head('GET /livez HTTP/1.1', 'Host: 127.0.0.1', `X-Big: ${'a'.repeat(20_000)}`)}\r\n`],
  },
  {
    name: 'a URL of 20 KB',
    code: 'header_too_large',
    pieces: [`${head(`GET /${'a'.repeat(20_000)} HTTP/1.1`, 'Host: 127.0.0.1')}\r\n`],
  },
  {
    name: 'a length beyond the limit',
    code: 'body_too_large',
    pieces: [
      `${head(`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close', JSON_TYPE, 'Content-Length: 99999999999')}\r\n`,
    ],
  },
  {
    name: 'a body beyond the limit, sent whole',
    code: 'body_too_large',
    pieces: post(`"${'x'.repeat(5 * 1024 * 1024)}"`),
  },
  {
    name: 'chunks beyond the limit',
    code: 'body_too_large',
    pieces: [
      `${head(`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close', JSON_TYPE, 'Transfer-Encoding: chunked')}\r\n`,
      ...Array.from({ length: 6 }, () => `100000\r\n${'x'.repeat(0x100000)}\r\n`),
      '0\r\n\r\n',
    ],
  },
  {
    name: 'headers that never end',
    code: 'request_timeout',
    pieces: [
      'GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n',
      200,
      'X-A: 1\r\n',
      200,
      'X-B: 1\r\n',
      200,
      'X-C: 1\r\n',
      200,
      'X-D: 1\r\n',
    ],
  },
  {
    name: 'a body that trickles',
    code: 'request_timeout',
    pieces: [
      `${head(`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', JSON_TYPE, 'Content-Length: 100')}\r\n`,
      200,
      '{',
      200,
      ' ',
      200,
      ' ',
      200,
      ' ',
    ],
  },
  {
    name: 'a body that is shorter than its length',
    code: 'request_timeout',
    pieces: [`${head(`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', JSON_TYPE, 'Content-Length: 100')}\r\n{}`],
  },
];
