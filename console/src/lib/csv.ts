/** The rows of a table as text, at most `most` of them, and whether there are more. Quotes as in RFC 4180. */
export function readCsv(text: string, separator: string, most: number): { rows: string[][]; hasMore: boolean } {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let isQuoted = false;
  const endCell = () => {
    row.push(cell);
    cell = "";
  };
  const endRow = () => {
    endCell();
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  };
  for (let place = 0; place < text.length; place++) {
    const char = text[place];
    if (isQuoted) {
      if (char !== '"') cell += char;
      else if (text[place + 1] === '"') {
        cell += '"';
        place++;
      } else isQuoted = false;
    } else if (char === '"' && cell === "") isQuoted = true;
    else if (char === separator) endCell();
    else if (char === "\n") {
      endRow();
      if (rows.length === most) return { rows, hasMore: text.slice(place + 1).trim() !== "" };
    } else if (char !== "\r") cell += char;
  }
  if (cell !== "" || row.length) endRow();
  return { rows, hasMore: false };
}
