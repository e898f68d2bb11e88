/** `zkraft certs`: a development authority, and certificates of nodes. */
import type { Argv, CommandModule } from 'yargs';
import { ZkraftError } from '../../common/index.ts';
import { run } from '../run.ts';

interface Args {
  readonly dir: string;
  readonly days: string;
  readonly force: boolean;
  readonly json: boolean;
}

interface InitArgs extends Args {
  readonly name: string;
}

interface IssueArgs extends InitArgs {
  readonly hosts: string;
}

const text = (describe: string, byDefault: string) =>
  ({ type: 'string', requiresArg: true, describe, default: byDefault }) as const;

const common = <T>(yargs: Argv<T>, days: string) =>
  yargs
    .option('dir', text('Folder of the authority and its certificates', 'certs'))
    .option('days', text('How long it is good, from now', days))
    .option('force', { type: 'boolean', default: false, describe: 'Takes the place of what is there' })
    .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' });

const init: CommandModule<object, InitArgs> = {
  command: 'init',
  describe: 'Makes an authority: ca.crt, which every node must have, and ca.key, which stays here',
  builder: (yargs) =>
    common(yargs, '3650')
      .option('name', text('Name of the authority', 'zkraft development authority'))
      .example('$0 certs init --dir certs', 'Once for a cluster'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { writeAuthority } = await import('../../certs/index.ts');
      const files = await writeAuthority(argv.name, writing(argv));
      terminal.answer({ success: true, name: argv.name, cert_file: files.certFile, key_file: files.keyFile }, [
        `${files.certFile} is the authority's certificate: every node must have it.`,
        `${files.keyFile} is its key: whoever has it can make nodes. Keep it here.`,
        `Next: zkraft certs issue NODE --dir ${argv.dir}`,
      ]);
      return 0;
    }),
};

const issue: CommandModule<object, IssueArgs> = {
  command: 'issue <name>',
  describe: 'Issues a certificate to a node, for both ends of its connections: NAME.crt, NAME.key',
  builder: (yargs) =>
    common(yargs, '365')
      .positional('name', { type: 'string', demandOption: true, describe: "The node's name, as its settings say" })
      .option(
        'hosts',
        text('Hosts and IP addresses where it is reached, with commas between', 'localhost,127.0.0.1,::1'),
      )
      .example('$0 certs issue coordinator-1 --hosts c1.example.org,10.0.0.5', 'For a node of a cluster'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { authorityFiles, writeCertificate } = await import('../../certs/index.ts');
      const hosts = argv.hosts.split(',').map((host) => host.trim());
      const files = await writeCertificate(argv.name, hosts, writing(argv));
      const caFile = authorityFiles(argv.dir).certFile;
      const answer = { success: true, name: argv.name, hosts, ca_file: caFile };
      terminal.answer({ ...answer, cert_file: files.certFile, key_file: files.keyFile }, [
        `${files.certFile} and ${files.keyFile} are for ${argv.name} (${hosts.join(', ')}).`,
        `Give it these two and ${caFile}.`,
      ]);
      return 0;
    }),
};

export const certs: CommandModule = {
  command: 'certs <action>',
  describe: 'Makes an authority and certificates for development',
  builder: (yargs) =>
    yargs
      .command(init)
      .command(issue)
      .demandCommand(1, 'Name an action: init, issue.')
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .example('$0 certs issue coordinator-1', 'After zkraft certs init'),
  handler: () => {},
};

function writing({ dir, days, force }: Args): { dir: string; days: number; force: boolean; now: Date } {
  if (!/^\d{1,6}$/.test(days)) {
    throw new ZkraftError('usage', `--days ${days} is not a whole number of days`, { field: 'days' });
  }
  return { dir, days: Number(days), force, now: new Date() };
}
