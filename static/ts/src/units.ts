// Exact amounts for people. It knows base units and decimals, no assets and no
// page. The rules are those of the server's money package, digit for digit.

/** The largest value of a contract's 256-bit word. */
export const maxUint256 = (1n << 256n) - 1n;

/** Reads a decimal string of base units ("10000000"); null unless it is plain digits that fit 256 bits. */
export function readUnits(text: unknown): bigint | null {
  if (typeof text !== 'string' || !/^(0|[1-9]\d{0,77})$/.test(text)) return null;
  const value = BigInt(text);
  return value <= maxUint256 ? value : null;
}

/**
 * Writes base units for people: thousands separated by commas, at least two
 * decimals where the asset has them, further zeros trimmed: "1,234.50".
 */
export function display(units: bigint, decimals: number): string {
  const digits = units.toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, ',');
  const fraction = digits
    .slice(digits.length - decimals)
    .replace(/0+$/, '')
    .padEnd(Math.min(2, decimals), '0');
  return fraction ? `${whole}.${fraction}` : whole;
}

/** Writes base units as a plain decimal, for machines and for typing: nothing between the digits, no zero at the end. */
export function exact(units: bigint, decimals: number): string {
  return display(units, decimals).replaceAll(',', '').replace(/\.0+$|(\.\d*[1-9])0+$/, '$1');
}

/** display, cut (not rounded) after six decimals: for balances, where the tail says nothing. */
export function brief(units: bigint, decimals: number): string {
  if (decimals <= 6) return display(units, decimals);
  return display(units / 10n ** BigInt(decimals - 6), 6);
}

/** Like brief, but rounded up, for what is needed: never says less than it takes. */
export function briefUp(units: bigint, decimals: number): string {
  if (decimals <= 6) return display(units, decimals);
  const step = 10n ** BigInt(decimals - 6);
  return display((units + step - 1n) / step, 6);
}

/** Writes milliseconds until an instant: "14:59", "3 h 12 min", "2 d 4 h"; "0:00" once it has passed. */
export function remaining(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return `${minutes}:${String(seconds % 60).padStart(2, '0')}`;
}
