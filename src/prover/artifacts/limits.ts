/** 2 GiB: what one typed array of bytes surely holds, and twice the zkey of the largest circuits in public use. */
export const BLOB_BYTES_MAX = 2 * 1024 * 1024 * 1024;
/** What `BlobStore.read` yields at a time. */
export const CHUNK_BYTES = 256 * 1024;
