/** A development authority and its certificates. See README.md. */
export { type CertificatePair, DAYS_MAX, issueCertificate, makeAuthority, type Validity } from './certificate.ts';
export { authorityFiles, type PairFiles, type Writing, writeAuthority, writeCertificate } from './certificate-files.ts';
