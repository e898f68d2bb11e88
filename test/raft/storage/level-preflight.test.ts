/** Every bit of a LevelDB table is watched over before LevelDB, which would abort the process, reads it. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32c } from '../../../src/raft/storage/crc32c.ts';
import { checkTables } from '../../../src/raft/storage/level-preflight.ts';
import { hasCode } from './log-beds.ts';
import { change, filesOf, makeFolder } from './rotting-folder.ts';

test('CRC-32C gives the values of RFC 3720', () => {
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

test('a flipped bit in a block of a live table is told by name, and what is left over is passed by', async () => {
  const { dir } = await makeFolder(true);
  const folder = join(dir, 'log');
  await checkTables(folder);
  const tables = (await filesOf(folder)).filter(({ name }) => name.endsWith('.ldb'));
  assert.ok(tables.length >= 2, `${tables.length} tables`);
  for (const { name, bytes } of tables) {
    const whole = await readFile(join(folder, name));
    let missed = 0;
    for (let position = 0; position < bytes; position += position < bytes - 300 ? 97 : 1) {
      whole[position] = (whole[position] ?? 0) ^ 16;
      await change(join(folder, name), () => whole);
      await checkTables(folder).then(
        () => {
          // Only the padding of the footer means nothing.
          missed += 1;
          assert.ok(position >= bytes - 48 && position < bytes - 8, `byte ${position} of ${bytes} of ${name}`);
        },
        (error: unknown) => assert.ok(hasCode('log_corrupt', new RegExp(`log/${name}: `))(error), String(error)),
      );
      whole[position] = (whole[position] ?? 0) ^ 16;
    }
    assert.ok(missed < 40);
    await change(join(folder, name), () => whole);
  }
  await writeFile(join(folder, '999999.ldb'), 'left over by a crash');
  await checkTables(folder);
});
