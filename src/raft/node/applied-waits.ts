/** Whoever waits until an index is applied. */
export class AppliedWaits {
  #waits: { readonly index: number; readonly resolve: () => void }[] = [];

  until(index: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waits.push({ index, resolve });
    });
  }

  applied(appliedIndex: number): void {
    if (this.#waits.length === 0) return;
    const over = this.#waits.filter(({ index }) => index <= appliedIndex);
    this.#waits = this.#waits.filter(({ index }) => index > appliedIndex);
    for (const { resolve } of over) resolve();
  }
}
