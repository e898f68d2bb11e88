/** The data of a stopped PostgreSQL, copied whole, with owners and modes, which it insists on. */
import { execFileSync } from 'node:child_process';

export function copyData(from: string, to: string): void {
  execFileSync('cp', ['-Rp', from, to]);
}
