import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { createLogger } from '../../src/common/logging/index.ts';

it('a log line never holds a leaf, a witness, a token or a password', () => {
  for (const format of ['json', 'console'] as const) {
    const file = join(mkdtempSync(join(tmpdir(), 'zkraft-log-')), 'log');
    const log = createLogger({ level: 'info', format, output: file }, { service: 'test' });
    log.info(
      {
        leaves: ['hunter1'],
        password: 'hunter2',
        task: { witness: ['hunter3'], input: 'hunter4' },
        headers: { authorization: 'hunter5' },
      },
      'said',
    );
    log.info({ options: { token: 'hunter6', connectionString: 'hunter7', databaseUrl: 'hunter8' } }, 'said again');
    log.debug('not said');
    const text = readFileSync(file, 'utf8');
    assert.match(text, /said again/);
    assert.match(text, /redacted/);
    assert.doesNotMatch(text, /hunter|not said/);
  }
});
