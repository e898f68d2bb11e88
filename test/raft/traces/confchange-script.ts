/** etcd's scripts of configuration changes: `simple`, `enter-joint`, `leave-joint`, one after the other on one cluster. */
import { describeConfiguration, EMPTY_CONFIGURATION } from '../../../src/raft/core/configuration.ts';
import { RaftConfigError } from '../../../src/raft/core/errors.ts';
import { enterJoint, leaveJoint, type Membership, simpleChange } from '../../../src/raft/core/membership-change.ts';
import { boolean, type Directive } from './datadriven.ts';
import { describeProgressMap, parseSteps } from './describe.ts';

export function confchangeScript(): (directive: Directive) => string {
  let membership: Membership = { configuration: EMPTY_CONFIGURATION, progress: new Map() };
  let lastIndex = 0;

  const change = ({ command, args, input }: Directive): Membership | string => {
    const context = { lastIndex: lastIndex++, maxInflightMessages: 10, maxInflightBytes: Number.POSITIVE_INFINITY };
    let steps: ReturnType<typeof parseSteps>;
    try {
      steps = parseSteps(input);
    } catch (error) {
      return (error as Error).message;
    }
    if (command === 'simple') return simpleChange(membership, steps, context);
    if (command === 'enter-joint') {
      const auto = args.find(({ key }) => key === 'autoleave')?.values[0];
      return enterJoint(membership, auto !== undefined && boolean(auto), steps, context);
    }
    if (command !== 'leave-joint') return 'unknown command';
    return steps.length > 0 ? 'this command takes no input\n' : leaveJoint(membership, context);
  };

  return (directive) => {
    try {
      const result = change(directive);
      if (typeof result === 'string') return result;
      membership = result;
      return `${describeConfiguration(membership.configuration)}\n${describeProgressMap(membership.progress)}`;
    } catch (error) {
      if (!(error instanceof RaftConfigError)) throw error;
      return `${error.message}\n`;
    }
  };
}
