/**
 * A look at a .ptau file before snarkjs gets it: is it one, over BN254, prepared for phase 2, large enough, complete?
 *
 * The files are up to 288 GB, so only headers are read. Section 1 holds the sizes; sections 2 to 6 the powers; 12 to
 * 15 their Lagrange bases, for all domains from 2^0 up, one after the other: "prepared for phase 2" means that these
 * exist. Whether the points are what they should be is not asked here: compare the file's hash with its ceremony's.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { Q, ZkraftError } from '../../common/index.ts';
import { G1_BYTES, G2_BYTES, readInteger, viewOf } from '../formats/index.ts';

const SECTIONS_MAX = 32;
const CONTAINER_HEADER_BYTES = 12;
const SECTION_HEADER_BYTES = 12;
/** n8, q, power, power of the ceremony */
const HEADER_BYTES = 4 + 32 + 4 + 4;

const refuse = (why: string): never => {
  throw new ZkraftError('ptau_invalid', `the .ptau file ${why}`, { field: 'ptau' });
};

/** Resolves when a circuit of that domain can be set up from the file; else `ptau_invalid` or `file_not_found`. */
export async function checkPtau(path: string, domainSize: number): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    throw new ZkraftError('file_not_found', `the .ptau file ${path} cannot be opened`, { field: 'ptau', cause });
  }
  try {
    await checkOpen(file, domainSize);
  } finally {
    await file.close();
  }
}

async function checkOpen(file: FileHandle, domainSize: number): Promise<void> {
  const stat = await file.stat();
  if (!stat.isFile()) refuse('is not a regular file');
  const read = async (at: number, count: number): Promise<DataView> => {
    const bytes = new Uint8Array(count);
    const { bytesRead } = await file.read(bytes, 0, count, at);
    if (bytesRead < count) refuse(`ends at byte ${at + bytesRead}, within a header`);
    return viewOf(bytes);
  };

  const start = await read(0, CONTAINER_HEADER_BYTES);
  if (start.getUint32(0) !== 0x70746175) refuse('does not begin with "ptau"');
  if (start.getUint32(4, true) !== 1) refuse(`is of version ${start.getUint32(4, true)}; only 1 is supported`);
  const count = start.getUint32(8, true);
  if (count > SECTIONS_MAX) refuse(`claims ${count} sections`);
  const sections = new Map<number, { at: number; size: number }>();
  let at = CONTAINER_HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    const header = await read(at, SECTION_HEADER_BYTES);
    const size = Number(header.getBigUint64(4, true));
    at += SECTION_HEADER_BYTES;
    if (size > stat.size - at) refuse('is shorter than its sections say: it was not downloaded in full');
    sections.set(header.getUint32(0, true), { at, size });
    at += size;
  }

  const first = sections.get(1);
  if (first === undefined || first.size < HEADER_BYTES) return refuse('has no header');
  const header = await read(first.at, HEADER_BYTES);
  if (header.getUint32(0, true) !== 32 || readInteger(header, 4) !== Q) refuse('is of another curve than BN254');
  const power = header.getUint32(36, true);
  if (2 ** power < domainSize) {
    refuse(`has 2^${power} powers; this circuit needs 2^${Math.log2(domainSize)}. Take a larger one`);
  }
  if (!sections.has(12)) refuse('is not prepared for phase 2: snarkjs powersoftau prepare phase2');
  for (const [id, size] of needed(domainSize)) {
    if ((sections.get(id)?.size ?? 0) < size) refuse(`has too few points in section ${id}`);
  }
}

/** Bytes that a key for this domain is made from, by section. */
function needed(domainSize: number): readonly (readonly [id: number, bytes: number])[] {
  return [
    [2, (2 * domainSize - 1) * G1_BYTES],
    [3, domainSize * G2_BYTES],
    [4, domainSize * G1_BYTES],
    [5, domainSize * G1_BYTES],
    [6, G2_BYTES],
    // H is taken from the basis of twice the domain.
    [12, (4 * domainSize - 1) * G1_BYTES],
    [13, (2 * domainSize - 1) * G2_BYTES],
    [14, (2 * domainSize - 1) * G1_BYTES],
    [15, (2 * domainSize - 1) * G1_BYTES],
  ];
}
