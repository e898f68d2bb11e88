/**
 * Whether every point of a proving key is one: canonical, on its curve, in its subgroup, and finite where it must be.
 *
 * Infinity is right for a wire that does not occur in A or B (sections A, B1, B2, C), and a sign of a broken or
 * hostile key in the header, in IC and in H. A point outside G2 would let whoever made the key learn about witnesses.
 */

import { randomBytes } from 'node:crypto';
import { type ErrorCode, ZkraftError } from '../../common/index.ts';
import { areAllInG2, G1, type G1Point, G2, type G2Point, isInG2 } from '../reference/index.ts';
import { viewOf } from './container.ts';
import { G1_BYTES, G2_BYTES, readG1Montgomery, readG2Montgomery } from './field-bytes.ts';
import type { Zkey } from './zkey.ts';

/** Throws `code`, naming the point, unless all are sound. */
export function checkZkeyPoints(zkey: Zkey, code: ErrorCode): void {
  const refuse = (name: string, why: string): never => {
    throw new ZkraftError(code, `the proving key's ${name} ${why}`, { field: name });
  };
  const { header, sections } = zkey;

  const finiteG1: readonly (readonly [string, G1Point])[] = [
    ['alpha1', header.alpha1],
    ['beta1', header.beta1],
    ['delta1', header.delta1],
  ];
  for (const [name, point] of finiteG1) {
    if (point === null) refuse(name, 'is the point at infinity');
    if (!G1.isOnCurve(point)) refuse(name, 'is not on the curve');
  }
  const finiteG2: readonly (readonly [string, G2Point])[] = [
    ['beta2', header.beta2],
    ['gamma2', header.gamma2],
    ['delta2', header.delta2],
  ];
  for (const [name, point] of finiteG2) {
    if (point === null) refuse(name, 'is the point at infinity');
    if (!G2.isOnCurve(point)) refuse(name, 'is not on the twisted curve');
    if (!isInG2(point)) refuse(name, 'is outside the subgroup of order r');
  }

  const g1Sections: readonly (readonly [string, Uint8Array, boolean])[] = [
    ['IC', sections.ic, false],
    ['A', sections.a, true],
    ['B1', sections.b1, true],
    ['C', sections.c, true],
    ['H', sections.h, false],
  ];
  for (const [name, bytes, infinityAllowed] of g1Sections) {
    const view = viewOf(bytes);
    for (let at = 0; at < bytes.length; at += G1_BYTES) {
      const point = readG1Montgomery(view, at);
      const which = `${name}[${at / G1_BYTES}]`;
      if (point === undefined) refuse(which, 'has a coordinate that is not below q');
      else if (point === null && !infinityAllowed) refuse(which, 'is the point at infinity');
      else if (!G1.isOnCurve(point)) refuse(which, 'is not on the curve');
    }
  }
  const b2: G2Point[] = [];
  const view = viewOf(sections.b2);
  for (let at = 0; at < sections.b2.length; at += G2_BYTES) {
    const point = readG2Montgomery(view, at);
    if (point === undefined) refuse(`B2[${at / G2_BYTES}]`, 'has a coordinate that is not below q');
    else if (!G2.isOnCurve(point)) refuse(`B2[${at / G2_BYTES}]`, 'is not on the twisted curve');
    else b2.push(point);
  }
  if (!areAllInG2(b2, randomBytes)) refuse('B2', 'has points outside the subgroup of order r');
}
