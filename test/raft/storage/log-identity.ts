/** The node that all these tests play. Apart, since a child process that is killed must not import a test runner. */
import type { LogIdentity } from '../../../src/raft/index.ts';

export const IDENTITY: LogIdentity = {
  clusterId: '7d7f4b52-6c1c-4c4e-9d6e-0f3c1c1c9a01',
  nodeName: 'coordinator-1',
  nodeId: 4_503_599_627_370_497,
  incarnationId: '1e6b0f0a-54f2-4b8e-8f0b-5b0c4b3f1d11',
};
