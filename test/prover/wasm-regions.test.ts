import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createKernelMemory } from '../../src/prover/kernels/index.ts';
import { MemoryRegions, type Region } from '../../src/prover/wasm/memory-regions.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const MIB = 1024 * 1024;

describe('regions of memory', () => {
  it('never overlap, whatever is taken and given back', () => {
    const memory = createKernelMemory(2);
    const regions = new MemoryRegions(memory, 65_536, 64 * MIB);
    const random = new SeededRandom(4);
    const held: Region[] = [];
    for (let i = 0; i < 3_000; i++) {
      if (held.length > 0 && random.below(5) < 2) {
        regions.giveBack(held.splice(random.below(held.length), 1)[0] as Region, { wipe: false });
      } else {
        if (held.length > 60) continue;
        const region = regions.take(1 + random.below(300_000));
        const clash = held.find((one) => one.at < region.at + region.bytes && region.at < one.at + one.bytes);
        assert.equal(clash, undefined);
        assert.ok(region.at >= 65_536 && region.at % 128 === 0);
        assert.ok(region.at + region.bytes <= memory.buffer.byteLength);
        held.push(region);
      }
    }
    const grown = memory.buffer.byteLength;
    for (const region of held) regions.giveBack(region, { wipe: false });
    assert.equal(regions.usedBytes, 0);
    const whole = regions.take(grown - 2 * 65_536);
    assert.equal(memory.buffer.byteLength, grown, 'the gaps have joined into one');
    regions.giveBack(whole, { wipe: false });
  });

  it('are wiped where they held secrets', () => {
    const memory = createKernelMemory(2);
    const regions = new MemoryRegions(memory, 65_536, MIB);
    const region = regions.take(1_000);
    new Uint8Array(memory.buffer).fill(7, region.at, region.at + region.bytes);
    regions.giveBack(region, { wipe: true });
    assert.ok(new Uint8Array(memory.buffer).every((byte) => byte === 0));
  });

  it('have a limit, and say so', () => {
    const regions = new MemoryRegions(createKernelMemory(2), 65_536, MIB);
    const half = regions.take(MIB / 2);
    assert.throws(() => regions.take(MIB / 2 + 1), isRefusal('overloaded', /memory is used up/));
    regions.giveBack(half, { wipe: false });
    assert.throws(() => regions.giveBack(half, { wipe: false }), RangeError);
    regions.take(MIB);
  });
});
