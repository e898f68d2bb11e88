/** Pieces of preparing a key, run on the test's own thread with an area of the host's, as a pool's threads would. */
import type { RunPiece, WasmHost, WasmThread } from '../../src/prover/wasm/index.ts';

export function pieceRunner(host: WasmHost, thread: WasmThread): RunPiece {
  return async (piece, workBytes) => {
    if (piece.kind === 'scan-key') return thread.prepare(piece);
    const area = host.takeArea(workBytes);
    piece.workAt = area.at;
    try {
      return thread.prepare(piece);
    } finally {
      host.giveBackArea(area);
    }
  };
}
