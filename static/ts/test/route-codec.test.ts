// The reader of routes against viem: what one writes the other reads, and a
// changed byte is refused or changes a field that costs nobody anything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAbiParameters } from 'viem-deep/utils/abi/decodeAbiParameters.js';
import { encodeAbiParameters } from 'viem-deep/utils/abi/encodeAbiParameters.js';
import { toFunctionSelector } from 'viem-deep/utils/hash/toFunctionSelector.js';
import type { Hex } from '../src/data.ts';
import { type Fields, List, Malformed, type Type, read, write } from '../src/route-abi.ts';
import { approval, feeFunctions, functions, processRoute, readCall, readMessage, selectors, signature, writeCall } from '../src/route-calls.ts';
import { chance } from './fixtures.ts';
import { type Scene, now, refusal, sceneNamed, scenes, withRoute } from './routes.ts';

const all = { ...functions, ...feeFunctions, [selectors.approve]: approval, [selectors.processRoute]: processRoute } as Record<Hex, { name: string; inputs: Fields }>;

/** The same tuple in viem's words. Strings are read as bytes here, whose encoding is the same. */
interface Parameter {
  name: string;
  type: string;
  components?: Parameter[];
}
const parameters = (f: Fields): Parameter[] => Object.entries(f).map(([name, t]) => parameter(name, t));
function parameter(name: string, t: Type): Parameter {
  if (typeof t === 'string') return { name, type: t === 'string' ? 'bytes' : t };
  return t instanceof List ? { name, type: 'tuple[]', components: parameters(t.of) } : { name, type: 'tuple', components: parameters(t as Fields) };
}

type Chance = ReturnType<typeof chance>;
const valuesOf = (f: Fields, r: Chance): Record<string, unknown> => Object.fromEntries(Object.entries(f).map(([name, t]) => [name, valueOf(t, r)]));
function valueOf(t: Type, r: Chance): unknown {
  if (t instanceof List) return Array.from({ length: r.below(t.max + 1) }, () => valuesOf(t.of, r));
  if (typeof t !== 'string') return valuesOf(t as Fields, r);
  if (t === 'address') return r.hex(20);
  if (t === 'bytes32') return r.hex(32);
  if (t === 'bool') return r.below(2) === 1;
  if (t === 'bytes' || t === 'string') return r.hex(r.below(100));
  const bytes = Number(t.slice(4)) / 8;
  return BigInt(r.below(5) ? r.hex(bytes) : `0x${'ff'.repeat(bytes)}`);
}

/** viem's values as ours: lists for tuples of one number of members, small numbers as bigints, addresses in lower case. */
const ours = (f: Fields, v: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(f).map(([name, t]) => [name, ourValue(t, v[name])]));
function ourValue(t: Type, v: unknown): unknown {
  if (t instanceof List) return (v as Record<string, unknown>[]).map((x) => ours(t.of, x));
  if (typeof t !== 'string') return ours(t as Fields, v as Record<string, unknown>);
  if (t.startsWith('uint')) return BigInt(v as number);
  return typeof v === 'string' ? v.toLowerCase() : v;
}
/** viem wants small numbers as numbers. */
const theirs = (f: Fields, v: Record<string, unknown>): Record<string, unknown> => Object.fromEntries(Object.entries(f).map(([name, t]) => [name, theirValue(t, v[name])]));
function theirValue(t: Type, v: unknown): unknown {
  if (t instanceof List) return (v as Record<string, unknown>[]).map((x) => theirs(t.of, x));
  if (typeof t !== 'string') return theirs(t as Fields, v as Record<string, unknown>);
  return t === 'uint16' || t === 'uint32' ? Number(v) : v;
}

function viemReads(f: Fields, digits: string): Record<string, unknown> {
  const list = decodeAbiParameters(parameters(f) as never, `0x${digits}`) as readonly unknown[];
  return ours(f, Object.fromEntries(Object.keys(f).map((name, i) => [name, list[i]])));
}
const viemWrites = (f: Fields, v: Record<string, unknown>): string => encodeAbiParameters(parameters(f) as never, Object.values(theirs(f, v)) as never).slice(2);

test('selectors are those of the signatures', () => {
  for (const [selector, f] of Object.entries(all)) assert.equal(toFunctionSelector(`function ${signature(f)}`), selector, f.name);
});

test('any values are written as viem writes them, and read back', () => {
  for (const [selector, { name, inputs }] of Object.entries(all)) {
    for (let seed = 1; seed <= 60; seed++) {
      const values = valuesOf(inputs, chance(seed));
      const digits = write(inputs, values as never);
      assert.equal(digits, viemWrites(inputs, values), `${name} ${seed}`);
      assert.deepEqual(read(inputs, digits), values, `${name} ${seed}`);
      assert.equal(writeCall(selector as Hex, { name, inputs }, values as never), `${selector}${digits}`);
    }
  }
});

test('what does not fit its word is not written', () => {
  assert.throws(() => write({ a: 'uint16' }, { a: 1n << 16n }), RangeError);
  assert.throws(() => write({ a: 'uint256' }, { a: 1n << 256n }), RangeError);
  assert.throws(() => write({ a: 'uint256' }, { a: -1n }), RangeError);
  assert.throws(() => write({ a: 'address' }, { a: `0x${'11'.repeat(21)}` }), RangeError);
});

test('any bytes are refused or read as what they say', () => {
  const honest = scenes.flatMap((s) => s.transactions.slice(s.at, s.at + 1).map((t) => t.data as Hex));
  let accepted = 0;
  for (let seed = 1; seed <= 4_000; seed++) {
    const r = chance(seed);
    const data = honest[r.below(honest.length)] ?? '0x';
    // Words are cut out, doubled, moved and overwritten: what a flipped bit alone does not do.
    const at = 10 + 64 * r.below((data.length - 10) / 64);
    const from = 10 + 64 * r.below((data.length - 10) / 64);
    const piece = r.below(2) ? data.slice(from, from + 64 * r.below(4)) : r.hex(32 * r.below(2)).slice(2);
    const bytes = (data.slice(0, at) + piece + data.slice(at + 64 * r.below(3))) as Hex;
    try {
      const call = readCall(bytes);
      const f = functions[bytes.slice(0, 10) as keyof typeof functions];
      assert.equal(viemWrites(f.inputs, viemReads(f.inputs, bytes.slice(10))), bytes.slice(10));
      if (call.across) readMessage(call.across.message);
      accepted++;
    } catch (err) {
      assert.ok(err instanceof Malformed, String(err));
    }
  }
  assert.ok(accepted > 100 && accepted < 3_000, `${accepted} accepted`);
});

// Fields that may change without costing anybody anything, or not more than was
// agreed to; a judge says within which bounds.
interface Flip {
  readonly s: Scene;
  readonly fields: ReadonlyMap<string, unknown>;
}
const number = (f: Flip, path: string): bigint => BigInt((f.fields.get(path) as bigint | undefined) ?? 0n);
const seconds = (f: Flip, path: string): number => Number(number(f, path)) - now / 1_000;
const decimalsTo = (s: Scene): number => (s.to === 'USDC-bsc' || s.to === 'USDT-bsc' ? 18 : 6);
const scaled = (units: bigint, decimals: number): bigint => units * 10n ** BigInt(36 - decimals);
const swapsFirst = (f: Flip): boolean => f.fields.get('bridgeData.hasSourceSwaps') === true;

/** Computes anew what is sure to arrive: enough, and no more than goes in. */
function covers(f: Flip): boolean {
  const needed = scaled(BigInt(f.s.amount) + BigInt(f.s.fee), decimalsTo(f.s));
  if (f.fields.has('minAmountOut')) return scaled(number(f, 'minAmountOut'), decimalsTo(f.s)) >= needed;
  const into = scaled(number(f, 'bridgeData.minAmount'), f.s.decimals);
  let out = scaled(number(f, 'stargateData.sendParams.minAmountLD'), f.s.decimals);
  if (f.fields.has('acrossData.outputAmount')) {
    const asked = swapsFirst(f) ? (number(f, 'bridgeData.minAmount') * number(f, 'acrossData.outputAmountMultiplier')) / 10n ** 18n : number(f, 'acrossData.outputAmount');
    out = scaled(asked, decimalsTo(f.s));
  }
  return out >= needed && out <= into;
}

const any = (): boolean => true;
const harmless: Record<string, (f: Flip) => boolean> = {
  // In events only.
  transactionId: any, integrator: any, referrer: any,
  'bridgeData.transactionId': any, 'bridgeData.bridge': any, 'bridgeData.integrator': any, 'bridgeData.referrer': any,
  'acrossData.message.transactionId': any, 'stargateData.sendParams.composeMsg.transactionId': any,
  // Not used where there is a call on the destination.
  'bridgeData.receiver': any,
  // Overwritten.
  'stargateData.sendParams.amountLD': any,
  'acrossData.outputAmount': (f) => swapsFirst(f) || covers(f),
  // A pool pulls its own token, which nobody gave LI.FI's contract.
  'stargateData.assetId': any,
  // Who may deliver first, for a while.
  'acrossData.exclusiveRelayer': any,
  'acrossData.exclusivityParameter': (f) => number(f, 'acrossData.exclusivityParameter') <= 600n || (seconds(f, 'acrossData.exclusivityParameter') <= 600 && number(f, 'acrossData.exclusivityParameter') > 31_536_000n),
  'acrossData.quoteTimestamp': (f) => seconds(f, 'acrossData.quoteTimestamp') >= -1_800 && seconds(f, 'acrossData.quoteTimestamp') <= 60,
  'acrossData.fillDeadline': (f) => seconds(f, 'acrossData.fillDeadline') >= 300 && seconds(f, 'acrossData.fillDeadline') <= 21_900,
  // What arrives is still enough.
  'bridgeData.minAmount': (f) => swapsFirst(f) && covers(f),
  'acrossData.outputAmountMultiplier': (f) => !swapsFirst(f) || covers(f),
  'stargateData.sendParams.minAmountLD': covers,
  minAmountOut: covers,
  'stargateData.sendParams.extraOptions': (f) => BigInt(`0x${String(f.fields.get('stargateData.sendParams.extraOptions')).slice(-32)}`) >= 200_000n,
  // LI.FI's contract checks what comes.
  'swapData.callData.amountOutMin': any, 'swapData.callData.route': any,
  // LI.FI's own business, within the limit.
  'swapData.callData.distributions.recipient': any,
  'swapData.callData.distributions.amount': (f) => number(f, 'swapData[0].callData.distributions[0].amount') * 1_000n <= 3n * number(f, 'swapData[0].fromAmount'),
};

/** Every field of a route by its path, as viem reads it. */
function leaves(data: string): Map<string, unknown> {
  const out = new Map<string, unknown>();
  const inner = (path: string, v: string): [Fields, string] | null => {
    if (path.endsWith('.message') || path.endsWith('.composeMsg')) return [{ transactionId: 'bytes32', swapData: new List(functions['0x4666fc80'].inputs.swapData, 8), receiver: 'address' }, v.slice(2)];
    const called = all[v.slice(0, 10) as Hex];
    return path.endsWith('.callData') && called ? [called.inputs, v.slice(10)] : null;
  };
  const walk = (path: string, v: unknown): void => {
    if (Array.isArray(v)) return v.forEach((x, i) => walk(`${path}[${i}]`, x));
    if (typeof v === 'object' && v !== null) return Object.entries(v).forEach(([k, x]) => walk(path ? `${path}.${k}` : k, x));
    const nested = typeof v === 'string' ? inner(path, v) : null;
    if (nested) walk(path, viemReads(...nested));
    else out.set(path, v);
  };
  walk('', viemReads(functions[data.slice(0, 10) as keyof typeof functions].inputs, data.slice(10)));
  return out;
}

test('any changed byte is refused or harmless', () => {
  const seen = new Set<string>();
  for (const name of ['across after fee leg and exchange', 'across alone', 'across from 6 to 18 decimals', 'stargate after a fee leg', 'stargate alone', 'swap after a fee leg', 'swap alone']) {
    const s = sceneNamed(name);
    const r = chance(name.length);
    const data = s.transactions[s.at]?.data ?? '';
    const before = leaves(data);
    let refused = 0;
    let accepted = 0;
    for (let at = 2; at < data.length; at += 2) {
      const changed = parseInt(data.slice(at, at + 2), 16) ^ (r.below(2) ? 1 << r.below(8) : 1 + r.below(255));
      const bytes = data.slice(0, at) + changed.toString(16).padStart(2, '0') + data.slice(at + 2);
      if (refusal(s, { transactions: withRoute(s, { data: bytes }) })) {
        refused++;
        continue;
      }
      accepted++;
      const after = leaves(bytes);
      const changes = [...before].filter(([path, was]) => after.get(path) !== was).map(([path]) => path);
      assert.ok(changes.length === 1 && after.size === before.size, `${name}: byte ${at / 2 - 1}: accepted, and ${changes} changed`);
      const kind = (changes[0] ?? '').replace(/\[\d+\]/g, '');
      assert.ok(harmless[kind]?.({ s, fields: after }), `${name}: byte ${at / 2 - 1}: accepted: ${changes[0]} was ${before.get(changes[0] ?? '')} and is ${after.get(changes[0] ?? '')}`);
      seen.add(kind);
    }
    assert.ok(refused > 4 * accepted, `${name}: ${refused} refused, ${accepted} accepted`);
  }
  for (const field of ['bridgeData.receiver', 'acrossData.outputAmount', 'acrossData.exclusiveRelayer', 'transactionId', 'stargateData.assetId']) {
    assert.ok(seen.has(field), `no accepted change of ${field}: the test looks at nothing`);
  }
});
