/* Reads the data of the page: packed columns, as docs/formats.md says. */

const ARRAYS = { u8: Uint8Array, u16: Uint16Array, i32: Int32Array, f64: Float64Array };

async function inflate(base64) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/* Words are behind their numbers: `of(i)` is the word of row i, or null. */
class Words {
  constructor(numbers, words) {
    this.numbers = numbers;
    this.words = [null, ...words];
  }

  of(row) {
    return this.words[this.numbers[row]];
  }
}

function readColumn(buffer, begin, column) {
  const numbers = new ARRAYS[column.type](buffer, begin + column.offset, column.length);
  if (column.is_delta) {
    for (let i = 1; i < numbers.length; i++) numbers[i] += numbers[i - 1];
  }
  return column.words ? new Words(numbers, column.words) : numbers;
}

async function unpack(base64) {
  const buffer = await inflate(base64);
  const size = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const begin = Math.ceil((4 + size) / 8) * 8;
  const columns = {};
  for (const [name, column] of Object.entries(head.columns)) {
    columns[name] = readColumn(buffer, begin, column);
  }
  return { ...head, columns };
}
