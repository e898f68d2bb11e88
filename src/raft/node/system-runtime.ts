/** The real clock, chance and event loop. */
import type { Runtime } from './ports.ts';

export const systemRuntime: Runtime = {
  now: () => performance.now(),
  random: () => Math.random(),
  // After the poll phase: all that has arrived on sockets and from the disk by then shares one turn.
  defer: (work) => void setImmediate(work),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
};
