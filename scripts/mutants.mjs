export const withMutant = async () => { throw new Error('soon'); };
