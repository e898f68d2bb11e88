/** Where tables are kept unless a setting says otherwise. */
import { isAbsolute, join } from 'node:path';

export interface TableFolderHints {
  /** The folder of the artifacts, where there is one: tables live and go with the keys that they are of. */
  readonly artifactDir?: string;
  /** `XDG_CACHE_HOME`, which counts only if it is absolute (XDG Base Directory Specification 0.8). */
  readonly xdgCacheHome?: string;
  readonly homeDir: string;
}

export function tableCacheFolder({ artifactDir, xdgCacheHome, homeDir }: TableFolderHints): string {
  if (artifactDir !== undefined) return join(artifactDir, 'tables');
  const cache = xdgCacheHome !== undefined && isAbsolute(xdgCacheHome) ? xdgCacheHome : join(homeDir, '.cache');
  return join(cache, 'zkraft', 'tables');
}
