/**
 * What tells one worker from another: 32 random bytes that a worker makes for itself and sends with each call.
 *
 * All workers share one token, and a lease is four values that can be guessed. So a registration binds the worker's
 * id to the key that came with it, for as long as it lasts, and whoever shows another key has no say in its name. It
 * is metadata and no field of the messages, because it is about the caller and the same in every call.
 */
export const WORKER_KEY_HEADER = 'zkraft-worker-key';

/** 64 hex digits. */
export const WORKER_KEY = /^[0-9a-f]{64}$/;
