/**
 * Where the core tells what it does, for people. Nothing depends on it; without one it says nothing.
 *
 * Texts are made when asked for, so that a silent core does not pay for them.
 */
export type Level = 'debug' | 'info' | 'warn' | 'error';

export type CoreLogger = (level: Level, text: () => string) => void;

export const SILENT: CoreLogger = () => {};
