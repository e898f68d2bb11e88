/** Where a module keeps its constants, in the first 64 KiB of memory: shared by the generator and those who load. */

/** Memory is free for others from here on. */
export const RESERVED_BYTES = 65_536;
/** Named packs, two packs apart (Fq2's one has an imaginary part, which is zero). */
export const ELEMENTS_AT = 49_152;
/** The exponents of Fermat inversion, 64 digits each. */
export const NIBBLES_AT = 57_344;

/**
 * `one`; and what `read` multiplies by: `plain` for canonical values, `snarkjs` for snarkjs's Montgomery form
 * (R = 2^256).
 */
export const ELEMENTS = ['fq_one', 'fq2_one', 'fq_plain', 'fq_snarkjs', 'fr_one', 'fr_plain', 'fr_snarkjs'] as const;
export type ElementName = (typeof ELEMENTS)[number];

export const elementAddress = (name: ElementName, packBytes: number): number =>
  ELEMENTS_AT + 2 * ELEMENTS.indexOf(name) * packBytes;

/** Packs that batched additions use in their work space, before an array of one coordinate a pack of points, and one more. */
export const POINT_SCRATCH_PACKS = 40;

/** A twiddle of transforms: 25 limbs for all lanes (`mulByRows`), and a multiple of 16. */
export const TWIDDLE_BYTES = 208;
/** From one cell of Fr to the next where they are referred to one by one: references count in units of 16 bytes. */
export const FIELD_CELL_STRIDE = 48;
