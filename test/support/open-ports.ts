/** Listening TCP sockets of a process, from /proc (Linux). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTEN = '0A';

/** `address:port` of each listening socket that `pid` holds; undefined where /proc does not tell. */
export function listeningSockets(pid: number): string[] | undefined {
  try {
    const inodes = new Set(
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        try {
          return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
        } catch {
          return []; // closed in the meantime
        }
      }),
    );
    return ['tcp', 'tcp6'].flatMap((family) =>
      readFileSync(`/proc/${pid}/net/${family}`, 'utf8')
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter((cells) => cells[3] === LISTEN && inodes.has(cells[9] ?? ''))
        .map((cells) => readable(cells[1] ?? '')),
    );
  } catch {
    return undefined;
  }
}

/** `0100007F:1F90` is 127.0.0.1:8080. */
function readable(hex: string): string {
  const [address = '', port = ''] = hex.split(':');
  const bytes = (address.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  const ip = bytes.length === 4 ? bytes.reverse().join('.') : `[${address.toLowerCase()}]`;
  return `${ip}:${Number.parseInt(port, 16)}`;
}

/** Every process whose command line has `text` in it. */
export function processesNaming(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(text) ? [`${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}
