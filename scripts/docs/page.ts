/** How every generated page begins, and tables in Markdown. */
export function page(title: string, source: string, body: readonly string[]): string {
  return `${[`# ${title}`, '', `Made from ${source} by \`npm run gen:docs\`; a test compares them.`, '', ...body].join('\n')}\n`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''];
}
