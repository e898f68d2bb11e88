import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { requireOwnName } from '../../src/coordinator/service/certificate-name.ts';
import { isRefusal } from '../support/refusals.ts';

const shown = (CN?: string | string[]) => ({ sslPeerCertificate: { subject: CN === undefined ? {} : { CN } } });
const forbidden = (certificate: ReturnType<typeof shown>, id: string) =>
  assert.throws(() => requireOwnName(certificate, id), isRefusal('forbidden'), id);

describe('the name in a certificate', () => {
  it('is the id, or what stands before a hyphen in it', () => {
    requireOwnName(shown('gpu 7'), 'gpu-7');
    requireOwnName(shown('gpu 7'), 'gpu-7-a1');
    for (const id of ['gpu', 'gpu-71', 'gpu 7', 'x-gpu-7', '']) forbidden(shown('gpu 7'), id);
  });

  it('must be there, and be one: without it a certificate speaks for nobody', () => {
    for (const id of ['w', '-w', '']) {
      forbidden(shown(), id);
      forbidden(shown(''), id);
      forbidden(shown(['w', 'v']), id);
    }
  });

  it('is not asked for where no certificate is', () => {
    requireOwnName({}, 'anybody');
  });
});
