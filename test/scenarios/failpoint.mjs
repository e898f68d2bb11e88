/**
 * Loaded into each coordinator of a scenario (`NODE_OPTIONS=--import`): stops the process, as a scheduler, a debugger or a
 * suspended virtual machine may, at a chosen point of writing a completion into PostgreSQL. Nothing of it is in a build.
 *
 * Armed by a file, whose content is the point; when the point is reached the file is renamed to `<file>.reached` and the
 * process sends itself SIGSTOP:
 * - `before-write`: the completion is decided by the log, and nothing of it was sent to the database;
 * - `in-transaction`: the rows are written and locked, the server said so, and nothing is committed: the Sync, with which
 *   a client ends an implicit transaction, was not sent yet.
 */
import { readFileSync, renameSync } from 'node:fs';
import pg from 'pg';

const file = process.env.SCENARIO_FAILPOINT;
const PROJECT = /^\s*WITH moved AS \(\s*UPDATE cluster SET cursor/;
/** After the signal some instructions may still run; it stops us in here. */
const STOPS_WITHIN_MS = 100;

const held = Symbol('holds the next Sync back');
const { query } = pg.Client.prototype;
const { sync } = pg.Connection.prototype;

function armedFor() {
  try {
    return file && readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function stop() {
  renameSync(file, `${file}.reached`);
  process.kill(process.pid, 'SIGSTOP');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STOPS_WITHIN_MS);
}

/** A statement is given as text and values, or as one object. */
const writesCompletion = ({ text, values = [] }) =>
  typeof text === 'string' &&
  PROJECT.test(text) &&
  values.some((value) => Array.isArray(value) && value.includes('completed'));

pg.Client.prototype.query = function (text, values, ...more) {
  if (writesCompletion(typeof text === 'object' ? text : { text, values })) {
    const point = armedFor();
    if (point === 'before-write') stop();
    if (point === 'in-transaction') this.connection[held] = true;
  }
  return query.call(this, text, values, ...more);
};

pg.Connection.prototype.sync = function () {
  if (!this[held]) return sync.call(this);
  this[held] = false;
  this.once('commandComplete', () => {
    stop();
    sync.call(this);
  });
  // Brings the answer, and commits nothing.
  this.flush();
};
