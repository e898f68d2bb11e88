import { ERROR_TABLE } from '../../src/common/index.ts';
import { page, table } from './page.ts';

export function errorsPage(): string {
  return page('Errors', '`src/common/error-table.ts`', [
    'Every refusal carries one of these codes: in the JSON answer of the gateway (`code`), in the detail of a gRPC status',
    "(`zkraft-error-bin`), in a failed task (`error`), and in the command line's last line. `retryable`: the same request",
    'can succeed later, unchanged. Exit codes: 1 something failed, 2 the input or the command line was wrong, 3 the proof',
    'does not verify, 4 something needed cannot be reached, 130 interrupted.',
    '',
    ...table(
      ['code', 'HTTP', 'gRPC', 'exit', 'retryable', 'meaning'],
      Object.entries(ERROR_TABLE).map(([code, row]) => [
        `\`${code}\``,
        String(row.http),
        row.grpc,
        String(row.exit),
        row.retryable ? 'yes' : 'no',
        row.text,
      ]),
    ),
  ]);
}
