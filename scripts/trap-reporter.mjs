/** A reporter of node:test for red-tests.mjs: one line of JSON a test that ended. */
export default async function* trapReporter(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const { error } = data.details ?? {};
    const texts = [error?.cause?.code, error?.cause?.message ?? error?.cause, error?.message];
    yield `${JSON.stringify({
      name: data.name,
      passed: type === 'test:pass' && data.skip === undefined,
      skipped: data.skip !== undefined,
      failureType: error?.failureType,
      text: texts.filter((text) => text !== undefined).join('\n'),
    })}\n`;
  }
}
