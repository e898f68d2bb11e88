/** `npm start`: the whole network in the foreground (`zkraft dev`). */
process.argv.splice(2, 0, 'dev');
await import('./zkraft.mjs');
