/**
 * Whether every point of a proving key is one: canonical, on its curve, in its subgroup, and finite where it must be.
 *
 * Infinity is right for a wire that does not occur in A or B (sections A, B1, B2, C), and a sign of a broken or
 * hostile key in the header, in IC and in H. A point outside G2 would let whoever made the key learn about witnesses.
 *
 * `findPointFault` is the check of some points of a section in bigint: 40,000 G1 points a second. A faster one can take
 * its place (`PointCheck`); what it finds is worded here, so that the same key is refused with the same words.
 */

import { randomBytes } from 'node:crypto';
import { type ErrorCode, ZkraftError } from '../../common/index.ts';
import { areAllInG2, G1, type G1Point, G2, type G2Point, isInG2 } from '../reference/index.ts';
import { viewOf } from './container.ts';
import { G1_BYTES, G2_BYTES, readG1Montgomery, readG2Montgomery } from './field-bytes.ts';
import type { Zkey } from './zkey.ts';
import { ZKEY_POINT_SECTIONS, type ZkeyHeader, type ZkeyPointSection } from './zkey-header.ts';

/** Points that follow one another in a section, affine in Montgomery form (field-bytes.ts); G2 for `b2`, else G1. */
export interface PointChunk {
  readonly section: ZkeyPointSection;
  /** The number of its first point in the section. */
  readonly first: number;
  readonly bytes: Uint8Array;
  readonly infinityAllowed: boolean;
}

export type PointFaultReason = 'not canonical' | 'infinity' | 'off its curve' | 'outside its subgroup';

export interface PointFault {
  readonly reason: PointFaultReason;
  /** In the section; absent where a test of many points at once failed. */
  readonly index?: number;
}

/** The first fault among the points, undefined when they are sound. */
export type PointCheck = (chunk: PointChunk) => PointFault | undefined | Promise<PointFault | undefined>;

const NAMES: Readonly<Record<ZkeyPointSection, string>> = { ic: 'IC', a: 'A', b1: 'B1', b2: 'B2', c: 'C', h: 'H' };

export const isInfinityAllowed = (section: ZkeyPointSection): boolean => section !== 'ic' && section !== 'h';

/** Throws `code`, naming the point, unless all are sound. */
export function checkZkeyPoints(zkey: Zkey, code: ErrorCode): void {
  checkHeaderPoints(zkey.header, code);
  for (const section of ZKEY_POINT_SECTIONS) {
    const bytes = zkey.sections[section];
    refuseFault(
      section,
      findPointFault({ section, first: 0, bytes, infinityAllowed: isInfinityAllowed(section) }),
      code,
    );
  }
}

/** The six points of the header, none of which may be infinity. */
export function checkHeaderPoints(header: ZkeyHeader, code: ErrorCode): void {
  for (const name of ['alpha1', 'beta1', 'delta1'] as const) {
    const point = header[name];
    if (point === null) refuse(name, 'is the point at infinity', code);
    if (!G1.isOnCurve(point)) refuse(name, 'is not on the curve', code);
  }
  for (const name of ['beta2', 'gamma2', 'delta2'] as const) {
    const point = header[name];
    if (point === null) refuse(name, 'is the point at infinity', code);
    if (!G2.isOnCurve(point)) refuse(name, 'is not on the twisted curve', code);
    if (!isInG2(point)) refuse(name, 'is outside the subgroup of order r', code);
  }
}

/** Throws `code` for a fault that a `PointCheck` found. */
export function refuseFault(section: ZkeyPointSection, fault: PointFault | undefined, code: ErrorCode): void {
  if (fault === undefined) return;
  const name = NAMES[section];
  const which = fault.index === undefined ? name : `${name}[${fault.index}]`;
  const words: Readonly<Record<PointFaultReason, string>> = {
    'not canonical': 'has a coordinate that is not below q',
    infinity: 'is the point at infinity',
    'off its curve': `is not on the ${section === 'b2' ? 'twisted ' : ''}curve`,
    'outside its subgroup': `${fault.index === undefined ? 'has points' : 'is'} outside the subgroup of order r`,
  };
  refuse(which, words[fault.reason], code);
}

/** The check in bigint. */
export function findPointFault(chunk: PointChunk): PointFault | undefined {
  return chunk.section === 'b2' ? findG2Fault(chunk) : findG1Fault(chunk);
}

function findG1Fault({ bytes, first, infinityAllowed }: PointChunk): PointFault | undefined {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length; at += G1_BYTES) {
    const reason = faultOf<G1Point>(readG1Montgomery(view, at), infinityAllowed, G1.isOnCurve);
    if (reason !== undefined) return { reason, index: first + at / G1_BYTES };
  }
  return undefined;
}

function findG2Fault({ bytes, first, infinityAllowed }: PointChunk): PointFault | undefined {
  const points: G2Point[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length; at += G2_BYTES) {
    const point = readG2Montgomery(view, at);
    const reason = faultOf<G2Point>(point, infinityAllowed, G2.isOnCurve);
    if (reason !== undefined) return { reason, index: first + at / G2_BYTES };
    if (point) points.push(point);
  }
  return areAllInG2(points, randomBytes) ? undefined : { reason: 'outside its subgroup' };
}

function faultOf<P>(
  point: P | null | undefined,
  infinityAllowed: boolean,
  isOnCurve: (point: P) => boolean,
): PointFaultReason | undefined {
  if (point === undefined) return 'not canonical';
  if (point === null) return infinityAllowed ? undefined : 'infinity';
  return isOnCurve(point) ? undefined : 'off its curve';
}

function refuse(name: string, why: string, code: ErrorCode): never {
  throw new ZkraftError(code, `the proving key's ${name} ${why}`, { field: name });
}
