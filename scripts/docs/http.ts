import { silentLogger } from '../../src/common/logging/index.ts';
import { type GatewayOptions, startGateway } from '../../src/gateway/index.ts';
import { page, table } from './page.ts';

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly { name: string; in: string; description?: string; required?: boolean }[];
  readonly requestBody?: { content: Record<string, { schema: Schema }> };
  readonly responses: Record<string, { description: string }>;
}

interface Schema {
  readonly properties?: Record<string, { description?: string; type?: string }>;
  readonly required?: readonly string[];
}

export async function httpPage(): Promise<string> {
  const document = await openApi();
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  return page('HTTP', 'the schemas that validate requests', [
    'The same description for machines is at `/openapi.json` (OpenAPI 3.1). Errors have one shape:',
    '`{"success": false, "error": "what to do", "code": "...", "request_id": "..."}`, with a code of [errors.md](errors.md).',
    'Every answer has `X-Request-ID`; 429 and 503 have `Retry-After`.',
    '',
    ...operations.flatMap(({ path, method, operation }) => section(path, method, operation)),
  ]);
}

/** As a gateway serves it; nothing behind the gateway is asked for that. */
async function openApi(): Promise<{ paths: Record<string, Record<string, Operation>> }> {
  const absent = {} as never;
  const options: GatewayOptions = {
    host: '127.0.0.1',
    port: 0,
    tasks: absent,
    health: absent,
    artifacts: absent,
    prover: absent,
    authentication: { mode: 'none' },
    logger: silentLogger,
  };
  const gateway = await startGateway(options);
  try {
    return (await (await fetch(`${gateway.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, Operation>>;
    };
  } finally {
    await gateway.close();
  }
}

function section(path: string, method: string, operation: Operation): string[] {
  const schema = operation.requestBody?.content['application/json']?.schema;
  const parameters = (operation.parameters ?? []).map((p) => [
    `\`${p.name}\``,
    p.in,
    p.required ? 'yes' : 'no',
    p.description ?? '',
  ]);
  const fields = Object.entries(schema?.properties ?? {}).map(([name, field]) => [
    `\`${name}\``,
    'body',
    schema?.required?.includes(name) ? 'yes' : 'no',
    field.description ?? '',
  ]);
  const inputs = [...parameters, ...fields];
  return [
    `## ${method} ${path}`,
    '',
    [operation.summary, operation.description].filter(Boolean).join('. '),
    '',
    ...(inputs.length === 0 ? [] : table(['input', 'in', 'required', 'meaning'], inputs)),
    ...table(
      ['answer', 'meaning'],
      Object.entries(operation.responses).map(([status, response]) => [status, response.description]),
    ),
  ];
}
