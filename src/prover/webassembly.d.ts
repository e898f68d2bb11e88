/**
 * What we use of the WebAssembly API. The DOM library declares all of it, with a browser beside it; Node's types do not.
 */
declare namespace WebAssembly {
  type ValueKind = 'function' | 'global' | 'memory' | 'table' | 'tag';
  interface ImportDescriptor {
    readonly module: string;
    readonly name: string;
    readonly kind: ValueKind;
  }
  interface ExportDescriptor {
    readonly name: string;
    readonly kind: ValueKind;
  }
  class Module {
    constructor(bytes: ArrayBufferView | ArrayBuffer);
    static imports(module: Module): ImportDescriptor[];
    static exports(module: Module): ExportDescriptor[];
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    constructor(descriptor: { readonly initial: number; readonly maximum?: number; readonly shared?: boolean });
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
    grow(pages: number): number;
  }
  function compile(bytes: ArrayBufferView | ArrayBuffer): Promise<Module>;
  function validate(bytes: ArrayBufferView | ArrayBuffer): boolean;
  function instantiate(module: Module, imports?: Record<string, Record<string, unknown>>): Promise<Instance>;
}
