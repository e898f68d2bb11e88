/** See scratch-tree.mjs. */
export declare function withMutant<T>(name: string, work: (root: string) => T | Promise<T>): Promise<T>;
