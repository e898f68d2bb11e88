/** Prepared tables of proving keys, kept on disk. See README.md. */
export { TableCache, type TableCacheOptions, type TablePlaces, type TableTrouble } from './table-cache.ts';
export type { TableContents, TableKey, TableSection } from './table-file.ts';
