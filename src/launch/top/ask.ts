/** Asks one process how it is: its /health, and its /metrics. It never rejects: who does not answer is away. */
import { type Metrics, parseMetrics } from './metrics-text.ts';

export interface Asked {
  readonly url: string;
  /** `away`: it does not answer. */
  readonly health: 'ok' | 'unhealthy' | 'away';
  /** What /health said. */
  readonly body: Fields;
  /** Undefined when they are not served, or not now. */
  readonly metrics: Metrics | undefined;
  /** Monotonic, when it was asked. */
  readonly atMs: number;
}

export type Fields = Readonly<Record<string, unknown>>;

const ANSWER_MS = 3_000;
const BODY_BYTES_MAX = 8 * 1024 * 1024;

export async function askProcess(url: string, metricsPath: string, signal: AbortSignal): Promise<Asked> {
  const atMs = performance.now();
  const [health, metrics] = await Promise.all([get(`${url}/health`, signal), get(`${url}${metricsPath}`, signal)]);
  return {
    url,
    health: health === undefined ? 'away' : health.ok ? 'ok' : 'unhealthy',
    body: fieldsOf(health?.text),
    metrics: metrics?.ok === true ? parseMetrics(metrics.text) : undefined,
    atMs,
  };
}

async function get(
  url: string,
  signal: AbortSignal,
): Promise<{ readonly ok: boolean; readonly text: string } | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]) });
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.length > BODY_BYTES_MAX) return undefined;
    }
    return { ok: answer.ok, text };
  } catch {
    return undefined;
  }
}

function fieldsOf(text: string | undefined): Fields {
  try {
    return fields(JSON.parse(text ?? '{}'));
  } catch {
    // Something else listens there.
    return {};
  }
}

export const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
