/** The entry of the process in which phase2.ts runs snarkjs. Says how it ended and exits, snarkjs's threads or not. */
import { ZkraftError } from '../../common/index.ts';
import { type Phase2Message, type Phase2Order, runPhase2 } from './phase2.ts';

const send = (message: Phase2Message): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });

// The parent went away: nobody wants the key any more.
process.on('disconnect', () => process.exit(1));

try {
  // Written by phase2.ts, which is the only one to start this.
  const order = JSON.parse(process.argv[2] ?? '') as Phase2Order;
  const verificationKey = await runPhase2(order, (stage) => void send({ kind: 'stage', stage }));
  await send({ kind: 'done', verificationKey });
} catch (thrown) {
  await send({ kind: 'failed', error: ZkraftError.from(thrown).toJSON() });
}
process.exit(0);
