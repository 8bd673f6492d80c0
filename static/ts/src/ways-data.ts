// Reads what the server says of other ways to pay, and of money on a bridge.
// Whatever is not what it must be, or not what this script knows of its chain
// and token, is no way to pay. No DOM, no wallet.
import { type Chain, type Hex, type Payment, Reader, fields, isAddress, isHash, readChain, sameHex, slug, symbol, webUrl } from './data.ts';
import { readUnits } from './units.ts';
import type { Registry } from './verify.ts';

export interface Token {
  readonly id: string;
  readonly symbol: string;
  readonly decimals: number;
  readonly address: Hex;
  readonly resetAllowance: boolean;
}

/** One way to pay. Amounts are base units of its token. */
export interface Option {
  readonly id: string;
  readonly type: 'samechain' | 'samechain_conversion' | 'crosschain';
  readonly chain: Chain;
  readonly token: Token;
  /** null where it is not known. */
  readonly balance: bigint | null;
  readonly needed: bigint;
  /** The part of it that the way itself takes. */
  readonly fee: bigint;
  readonly enough: boolean;
  /** `needed` is the most it can be. */
  readonly estimated: boolean;
  /** Until the payee has it, 0 for the next block. */
  readonly seconds: number;
  readonly steps: number;
}

export interface Found {
  /** The cheapest first, those the wallet holds too little for last. */
  readonly options: readonly Option[];
  /** Names of chains that did not answer. */
  readonly silent: readonly string[];
  /** Why some or all ways are not offered, for people. */
  readonly missing: readonly { readonly text: string; readonly everywhere: boolean }[];
}

const types: readonly unknown[] = ['samechain', 'samechain_conversion', 'crosschain'];
const maxOptions = 60;
const maxSeconds = 7 * 24 * 3600;

/** A sentence of the server's, as plain text; "" for anything else. */
const sentence = (v: unknown): string => (typeof v === 'string' ? v.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').slice(0, 300) : '');

function readOption(value: unknown, registry: Registry, p: Payment): Option | null {
  const source = fields(value);
  if (!source) return null;
  try {
    const r = new Reader(source);
    const chain = readChain(r.inner('chain'));
    const t = r.inner('token');
    const token: Token = {
      id: t.text('id', slug), symbol: t.text('symbol', symbol), decimals: t.integer('decimals', 0, 36), address: t.one('address', isAddress), resetAllowance: t.flag('resetAllowance'),
    };
    const balance = source['balance'] === null ? null : r.units('balance');
    const option: Option = {
      id: r.text('id', /^[A-Za-z0-9:._-]{1,200}$/), type: r.one('type', (v): v is Option['type'] => types.includes(v)), chain, token, balance,
      needed: r.units('needed'), fee: r.units('fee'), enough: r.flag('enough') && balance !== null, estimated: r.flag('estimated'),
      seconds: r.integer('seconds', 0, maxSeconds), steps: r.integer('steps', 1, 10),
    };
    return known(option, registry, p) ? option : null;
  } catch {
    return null;
  }
}

/** The way is of a chain and a token as this script knows them, and of the kind it says. */
function known({ type, chain, token, id }: Option, registry: Registry, p: Payment): boolean {
  const there = Object.hasOwn(registry, chain.id) ? registry[chain.id] : undefined;
  const coin = there?.tokens.find((t) => sameHex(t.address, token.address));
  if (!there || !coin || there.network !== chain.network || there.name !== chain.name || there.sandbox !== p.sandbox) return false;
  if (coin.id !== token.id || coin.symbol !== token.symbol || coin.decimals !== token.decimals || coin.resetAllowance !== token.resetAllowance) return false;
  if (there.tokens.find((t) => t.native)?.symbol !== chain.native.symbol) return false;
  const home = chain.id === p.chain.id;
  const own = home && sameHex(token.address, p.assets[0].address);
  if (type === 'samechain') return own && id === p.option;
  return !own && !coin.native && home === (type === 'samechain_conversion');
}

/** Reads the answer of /options; null if it is none. */
export function readOptions(value: unknown, registry: Registry, p: Payment): Found | null {
  const f = fields(value);
  if (!f || !Array.isArray(f['options'])) return null;
  const list = (key: string): unknown[] => (Array.isArray(f[key]) ? f[key].slice(0, maxOptions) : []);
  const seen = new Set<string>();
  return {
    options: list('options').flatMap((v) => {
      const o = readOption(v, registry, p);
      if (!o || seen.has(o.id)) return [];
      seen.add(o.id);
      return [o];
    }),
    silent: list('silent').map(sentence).filter(Boolean),
    missing: list('missing').flatMap((v) => {
      const m = fields(v);
      const text = sentence(m?.['text']);
      return text ? [{ text, everywhere: !m?.['chain'] }] : [];
    }),
  };
}

/** What the server says that a route costs: the proof says what is true of it. */
export interface Quote {
  readonly units: bigint;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly seconds: number;
  /** The bridge or exchange, for people. */
  readonly tool: string;
}

/** Reads the metadata of calls for a route in that token; null if they are for something else. */
export function readQuote(m: Readonly<Record<string, unknown>>, token: Token): Quote | null {
  const units = readUnits(m['sourceUnits']);
  const expires = m['quoteExpiresAt'];
  if (units === null || m['sourceCurrency'] !== token.id || !Number.isSafeInteger(expires)) return null;
  const seconds = m['estimatedSeconds'];
  const fits = Number.isSafeInteger(seconds) && (seconds as number) >= 0 && (seconds as number) <= maxSeconds;
  return { units, expiresAt: (expires as number) * 1_000, seconds: fits ? (seconds as number) : 0, tool: sentence(m['toolName']).slice(0, 40) };
}

const stages = ['sent', 'bridging', 'arrived', 'refunding', 'refunded', 'recovered', 'broken', 'unknown', 'settled'] as const;
export type Stage = (typeof stages)[number];

/** How far money on a bridge is. Texts are "" where they are not known. */
export interface News {
  readonly stage: Stage;
  /** Where it was sent, for people. */
  readonly chain: string;
  readonly amount: string;
  readonly hash: Hex | '';
  readonly url: string;
  /** Milliseconds since 1970. */
  readonly sentAt: number;
  /** That it should take in all, 0 if not known. */
  readonly seconds: number;
  /** What brought it, or gave it back. */
  readonly endUrl: string;
  /** Its chain has shown that the money left the wallet. */
  readonly left: boolean;
}

/** It has paid: what was given for it is told. */
export const settled = (n: News): boolean => n.stage === 'settled';
const over: readonly Stage[] = ['refunded', 'recovered', 'broken', 'unknown'];
/** It came to an end without paying. */
export const ended = (n: News): boolean => over.includes(n.stage);

/** Reads a status' route; null if it is none. */
export function readNews(value: Readonly<Record<string, unknown>> | null): News | null {
  const stage = stages.find((s) => s === value?.['progress']);
  if (!value || !stage) return null;
  const units = sentence(value['amount']);
  const seconds = value['seconds'];
  const sentAt = typeof value['sentAt'] === 'string' ? Date.parse(value['sentAt']) : NaN;
  return {
    stage,
    chain: sentence(value['chain']).slice(0, 60),
    amount: units && sentence(`${units} ${value['symbol']}`).slice(0, 60),
    hash: isHash(value['txHash']) ? value['txHash'] : '',
    url: webUrl(value['explorerUrl']),
    sentAt: Number.isNaN(sentAt) ? 0 : sentAt,
    seconds: Number.isSafeInteger(seconds) && (seconds as number) > 0 ? (seconds as number) : 0,
    endUrl: webUrl(value['endUrl']),
    left: value['left'] === true,
  };
}
