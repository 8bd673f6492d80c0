// QR codes (ISO/IEC 18004) as the server draws them: bytes, error correction of
// level M, up to version 13. It is there to tell whether a drawing says what it is
// said to say, to the last module: what a phone scans nobody can read before.

/** By version, from 1: error correction bytes of a block, and how many blocks there are. */
const blocks: readonly (readonly [ec: number, count: number])[] = [
  [10, 1], [16, 1], [26, 1], [18, 2], [24, 2], [16, 4], [18, 4], [22, 4], [22, 5], [26, 5], [30, 5], [22, 8], [22, 9],
];
/** The empty border, in modules. */
const quiet = 4;

/** Powers of 2 in the field of 256 with x^8 + x^4 + x^3 + x^2 + 1, and their logarithms. */
const power: number[] = [];
const log: number[] = [];
for (let i = 0, x = 1; i < 255; i++, x = (x << 1) ^ (x & 128 ? 0x11d : 0)) {
  power[i] = x;
  log[x] = i;
}
const times = (a: number, b: number): number => (a && b ? (power[((log[a] ?? 0) + (log[b] ?? 0)) % 255] ?? 0) : 0);

/** The error correction bytes of a block: what is left of it, divided by the generator. */
function correction(data: readonly number[], length: number): number[] {
  let generator = [1];
  for (let i = 0; i < length; i++) generator = [...generator, 0].map((c, k) => c ^ times(generator[k - 1] ?? 0, power[i] ?? 0));
  const rest = [...data, ...generator.slice(1).fill(0)];
  data.forEach((_, i) => {
    const factor = rest[i] ?? 0;
    generator.forEach((c, k) => (rest[i + k] = (rest[i + k] ?? 0) ^ times(c, factor)));
  });
  return rest.slice(data.length);
}

/** The bytes of a code in the order they are drawn; null if they do not fit this version. */
function codewords(text: string, version: number, total: number): number[] | null {
  const [ec, count] = blocks[version - 1] ?? [0, 1];
  const bytes = new TextEncoder().encode(text);
  const capacity = total - ec * count;
  const wide = version > 9 ? 4 : 2;
  const nibbles = [4, ...[...bytes.length.toString(16).padStart(wide, '0')].map((d) => parseInt(d, 16)), ...[...bytes].flatMap((b) => [b >> 4, b & 15]), 0];
  if (nibbles.length > capacity * 2) return null;
  const data = Array.from({ length: capacity }, (_, i) => {
    const high = nibbles[i * 2];
    return high === undefined ? ((i - nibbles.length / 2) % 2 ? 0x11 : 0xec) : (high << 4) | (nibbles[i * 2 + 1] ?? 0);
  });
  const short = Math.floor(capacity / count);
  const long = capacity % count;
  const parts = Array.from({ length: count }, (_, i) => {
    const at = i * short + Math.max(0, i - (count - long));
    return data.slice(at, at + short + (i >= count - long ? 1 : 0));
  });
  const corrections = parts.map((p) => correction(p, ec));
  const woven = (of: readonly number[][], length: number): number[] => Array.from({ length }, (_, i) => of.flatMap((p) => p[i] ?? [])).flat();
  return [...woven(parts, short + 1), ...woven(corrections, ec)];
}

const masks: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** So many low bits of a value, followed by the rest of its division by the polynomial. */
function guarded(value: number, polynomial: number, degree: number): number {
  let rest = value << degree;
  for (let bit = 31 - Math.clz32(rest); rest >> degree; bit = 31 - Math.clz32(rest)) rest ^= polynomial << (bit - degree);
  return (value << degree) | rest;
}

type Grid = (boolean | undefined)[][];

/** Everything but the data: the squares in the corners, lines, format and version. */
function frame(version: number, size: number, mask: number): Grid {
  const grid: Grid = Array.from({ length: size }, () => Array<boolean | undefined>(size).fill(undefined));
  const set = (x: number, y: number, dark: boolean): void => {
    const row = grid[y];
    if (row && x >= 0 && x < size) row[x] = dark;
  };
  const ring = (x: number, y: number): number => Math.max(Math.abs(x), Math.abs(y));
  for (let i = 0; i < size; i++) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  const centres = version < 2 ? [] : version < 7 ? [6, size - 7] : [6, (size - 1) / 2, size - 7];
  for (const cx of centres) {
    for (const cy of centres) {
      if ((cx === 6 && cy === size - 7) || (cy === 6 && cx === size - 7) || (cx === 6 && cy === 6)) continue;
      for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) set(cx + x, cy + y, ring(x, y) !== 1);
    }
  }
  for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]] as const) {
    for (let y = -4; y <= 4; y++) for (let x = -4; x <= 4; x++) set(cx + x, cy + y, ring(x, y) !== 2 && ring(x, y) !== 4);
  }
  // Level M is written as 0.
  const format = guarded(mask, 0x537, 10) ^ 0x5412;
  for (let i = 0; i < 15; i++) {
    const dark = ((format >> i) & 1) === 1;
    set(8, i < 6 ? i : i < 8 ? i + 1 : size - 15 + i, dark);
    set(i < 8 ? size - 1 - i : i < 9 ? 7 : 14 - i, 8, dark);
  }
  set(8, size - 8, true);
  if (version > 6) {
    const told = guarded(version, 0x1f25, 12);
    for (let i = 0; i < 18; i++) {
      const dark = ((told >> i) & 1) === 1;
      set(size - 11 + (i % 3), Math.floor(i / 3), dark);
      set(Math.floor(i / 3), size - 11 + (i % 3), dark);
    }
  }
  return grid;
}

/** The code of a text with this mask, as rows of dark modules. */
function modules(text: string, version: number, mask: number): Grid | null {
  const size = version * 4 + 17;
  const grid = frame(version, size, mask);
  const places: (readonly [x: number, y: number])[] = [];
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    // The vertical line is no place for data.
    if (right === 6) right--;
    for (let i = 0; i < size; i++) {
      const y = up ? size - 1 - i : i;
      for (const x of [right, right - 1]) if (grid[y]?.[x] === undefined) places.push([x, y]);
    }
  }
  const words = codewords(text, version, places.length >> 3);
  if (!words) return null;
  places.forEach(([x, y], i) => {
    const dark = (((words[i >> 3] ?? 0) >> (7 - (i & 7))) & 1) === 1;
    const row = grid[y];
    if (row) row[x] = dark !== masks[mask]?.(x, y);
  });
  return grid;
}

/** A code's shape as the server writes it, one run of dark modules after the other. */
const path = (grid: Grid): string =>
  grid
    .map((row, y) =>
      [...row.map((dark) => (dark ? '1' : '0')).join('').matchAll(/1+/g)].map((run) => `M${run.index + quiet} ${y + quiet}h${run[0].length}v1h-${run[0].length}z`).join(''),
    )
    .join('');

/** What a drawing consists of: its width in modules, border included, and its shape. */
export interface Drawing {
  readonly width: number;
  readonly shape: string;
}

const svg = /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 (\d{2}) \1" shape-rendering="crispEdges" role="img" aria-label="[^"<>]*"><rect width="\1" height="\1" fill="#fff"\/><path fill="#000" d="([Mhvz\d -]*)"\/><\/svg>$/;

/** Reads an SVG element as the server draws codes; null if it is anything else. */
export function readDrawing(text: string): Drawing | null {
  const found = svg.exec(text);
  return found ? { width: Number(found[1]), shape: found[2] ?? '' } : null;
}

/** Whether a drawing is a code of this text and of nothing else. */
export function says(drawing: Drawing, text: string): boolean {
  const version = (drawing.width - 2 * quiet - 17) / 4;
  if (!blocks[version - 1]) return false;
  return masks.some((_, mask) => {
    const grid = modules(text, version, mask);
    return grid !== null && path(grid) === drawing.shape;
  });
}
