/** What we use of circom2, which ships no types. */
declare module 'circom2' {
  interface CircomModule {
    readonly CircomRunner: new (options: {
      args: readonly string[];
      env: Record<string, string>;
      preopens: Record<string, string>;
      bindings: Record<string, unknown>;
    }) => { execute(compiler: Uint8Array): Promise<unknown> };
    readonly bindings: Record<string, unknown>;
  }
  const module: CircomModule;
  export default module;
}
