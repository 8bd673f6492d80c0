// What the server says of a wallet's smart account, held against what this script
// knows by itself, and the calls of the one operation that pays. No DOM.
import type { Check, PayReply } from './api.ts';
import { type Chain, type Hex, type Payment, sameHex } from './data.ts';
import { type Offer, readOffer } from './gasless-data.ts';
import { type Derived, type Domain, type Kind, type Permit, approveData, entryPoint, kindOf, pullData, readApproval } from './gasless-op.ts';
import type { GaslessHost } from './gasless-types.ts';
import type { KitCall } from './kit-types.ts';
import { display } from './units.ts';
import type { Call, RegistryChain } from './verify.ts';

/** A permit may not be good for longer than the server's ten minutes and a clock's difference. */
const longest = 660_000;

/** A wallet's smart account, ready to pay. */
export interface Ready {
  readonly offer: Offer;
  readonly kind: Kind;
  readonly derived: Derived;
  readonly owner: Hex;
  /** What the account is to do with the money, verified. */
  readonly steps: readonly Call[];
  /** What the server has checked of them. */
  readonly checks: readonly Check[];
  /** Has the page show the route that the steps are of, where they are of one. */
  readonly take: () => void;
  /** When it was read, milliseconds since 1970. */
  readonly at: number;
}

/** The payment's asset, or that of the chosen way, which is what is pulled. */
export const tokenOf = (host: GaslessHost): Payment['assets'][0] => (host.f.other?.leaving ?? host.f.payment).assets[0];
/** An amount of it for people. */
export const sum = (host: GaslessHost, units: bigint): string => `${display(units, tokenOf(host).decimals)} ${tokenOf(host).symbol}`;

/** Reads and proves an answer of /gasless; null if it is none, or for accounts that this script does not know. Throws Refusal. */
export function prove(host: GaslessHost, value: unknown, known: RegistryChain, owner: Hex, chain: Chain): Ready | null {
  const { tools } = host;
  const offer = readOffer(value);
  const kind = offer && kindOf(offer.kind);
  if (!offer || !kind) return null;
  const same = (check: 'op_sender' | 'op_factory' | 'op_calls' | 'op_permit', field: string, expected: string, found: string): void => {
    if (!sameHex(expected, found)) throw new tools.Refusal(check, field, expected, found.slice(0, 100));
  };
  const derived = kind.derive(tools.keccak, owner);
  same('op_sender', 'chain of the smart account', String(chain.id), String(offer.chainId));
  same('op_sender', 'EntryPoint', entryPoint, offer.entryPoint);
  same('op_sender', 'smart account', derived.address, offer.account);
  if (!offer.deployed) {
    same('op_factory', 'factory of the smart account', derived.factory, offer.factory);
    same('op_factory', 'what the factory is told', derived.factoryData, offer.factoryData);
  }
  // Under the one key only one of several operations can be carried out.
  if (offer.nonce >> 64n) throw new tools.Refusal('op_nonce', 'nonce of the smart account', 'one with the key 0', String(offer.nonce));
  const token = tokenOf(host);
  same('op_calls', 'token', token.address, offer.token.address);
  same('op_calls', 'token', `${token.symbol} ${token.decimals}`, `${offer.token.symbol} ${offer.token.decimals}`);

  const reply = tools.readPay(offer.calls);
  const bad = reply.checks.find((c) => c.outcome === 'failed');
  if (bad) throw new tools.Refusal(bad.name as 'op_calls', 'check of the server', 'passed', bad.detail);
  const { calls: steps, take } = stepsOf(host, reply, known, derived.address, owner);
  // What the steps take of the token is what is pulled: it was verified, the amount is the server's word.
  const approved = steps.filter((c) => sameHex(c.to, token.address)).map((c) => readApproval(c.data)?.amount ?? 0n);
  same('op_calls', 'amount that the smart account takes', String(approved.reduce((a, b) => a + b, 0n)), String(offer.amount));

  const { permit } = offer;
  if (permit) {
    same('op_permit', 'token of the permit', token.address, permit.verifyingContract);
    same('op_permit', 'chain of the permit', String(chain.id), String(permit.chainId));
    const end = permit.deadline * 1_000;
    if (end <= host.now() || end > host.now() + longest) throw new tools.Refusal('op_permit', 'end of the permit', 'within ten minutes', String(permit.deadline));
  }
  return { offer: { ...offer, token: { ...offer.token, asset: token.id } }, kind, derived, owner, steps, checks: reply.checks, take, at: host.now() };
}

function stepsOf(host: GaslessHost, reply: PayReply, known: RegistryChain, account: Hex, owner: Hex): { readonly calls: readonly Call[]; take(): void } {
  const { f, tools } = host;
  const steps = f.other ? f.other.prove(reply, account, owner) : { calls: tools.verifyPlan(known, f.revealed(), reply.transactions, reply.chainId), take: () => undefined };
  for (const c of steps.calls) if (c.value > 0n) throw new tools.Refusal('op_value', 'native currency', '0', String(c.value));
  return steps;
}

const call = (c: Pick<Call, 'to' | 'data'>): KitCall => ({ to: c.to, data: c.data, value: 0n });

export function permitOf({ offer, derived, owner }: Ready, cap: bigint): { readonly domain: Domain; readonly permit: Permit } | null {
  const { permit: terms } = offer;
  if (!terms) return null;
  const { nonce, deadline, ...domain } = terms;
  return { domain, permit: { owner, spender: derived.address, value: cap, nonce, deadline: BigInt(deadline) } };
}

/** The calls of the operation, behind the permit. */
export const callsOf = (r: Ready): readonly KitCall[] => [
  { to: r.offer.token.address, data: pullData(r.owner, r.derived.address, r.offer.amount), value: 0n },
  ...r.steps.map(call),
];

/** The same for the payer to read, with what comes before them: `cap` is what the account is allowed, null if it may take enough. */
export function shownCalls(host: GaslessHost, r: Ready, cap: bigint | null): readonly Call[] {
  const { offer, owner, derived } = r;
  const { checksum } = host.tools;
  const [to, account] = [checksum(offer.token.address), checksum(derived.address)];
  const units = (n: bigint): string => `${n} (${sum(host, n)})`;
  const asset = host.f.other ? -1 : 0;
  const targetName = `${offer.token.symbol} token`;
  const one = (kind: Call['kind'], data: Hex, signature: string, args: Call['args']): Call => Object.freeze({ kind, asset, to, data, value: 0n, targetName, signature, args });
  const before: Call[] = [];
  const terms = cap !== null && permitOf(r, cap);
  if (terms) {
    const { domain, permit } = terms;
    before.push(
      // Its bytes are there once the wallet has signed.
      one('permit', '0x', 'permit(address,address,uint256,uint256,uint8,bytes32,bytes32)', [
        ['owner', owner], ['spender', `${account} (your smart account)`], ['approved amount', units(permit.value)], ['number of the permit', String(permit.nonce)],
        ['good until', new Date(Number(permit.deadline) * 1_000).toISOString()], ['name in your wallet', `${domain.name}, version ${domain.version}`],
      ]),
    );
  } else if (cap !== null) {
    // Tokens that ask for it: from something to something else only by way of nothing.
    if (offer.allowance > 0n && tokenOf(host).resetAllowance) before.push(revokeCall(host, derived.address, offer.token.address));
    before.push(one('allow', approveData(derived.address, cap), 'approve(address,uint256)', [['spender', `${account} (your smart account)`], ['approved amount', units(cap)]]));
  }
  const pull = one('pull', pullData(owner, derived.address, offer.amount), 'transferFrom(address,address,uint256)', [['from', owner], ['to', `${account} (your smart account)`], ['amount', units(offer.amount)]]);
  return [...before, pull, ...r.steps];
}

/** Takes from an account what it may take of a token of the chain. */
export function revokeCall(host: GaslessHost, account: string, token: string): Call {
  const { checksum, registry } = host.tools;
  const { tokens = [] } = registry[host.f.connection.chain.id] ?? {};
  const asset = tokens.findIndex((t) => sameHex(t.address, token));
  return Object.freeze<Call>({
    kind: 'revoke', asset, to: checksum(token), data: approveData(account, 0n), value: 0n, targetName: `${tokens[asset]?.symbol} token`,
    signature: 'approve(address,uint256)', args: [['spender', `${checksum(account)} (your smart account)`], ['approved amount', '0']],
  });
}

const names: readonly string[] = ['light-account-2.0.0', 'safe-4337-0.3.0'];

/** Whether an account is the wallet's, of whichever kind. */
export const isOwn = (host: GaslessHost, account: string, owner: Hex): boolean => names.some((n) => sameHex(kindOf(n)?.derive(host.tools.keccak, owner).address ?? '', account));

/** A step that takes from the wallet's own smart account what it may take of a token of the chain; null for other steps. */
export function readRevoke(host: GaslessHost, step: unknown, owner: Hex): Call | null {
  const { to, data, value } = (step ?? {}) as { readonly to?: unknown; readonly data?: unknown; readonly value?: unknown };
  const approval = readApproval(data);
  const known = host.tools.registry[host.f.connection.chain.id]?.tokens.some((t) => !t.native && sameHex(t.address, String(to)));
  if (!known || approval?.amount !== 0n || !/^0x0*$/.test(String(value))) return null;
  return isOwn(host, approval.spender, owner) ? revokeCall(host, approval.spender, String(to)) : null;
}
