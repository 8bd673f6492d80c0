// Whether an operation makes a payment and does nothing else. The rules and the
// checks' names are those of the server's internal/userop. It trusts nothing that
// built, sponsored or passed the operation on. Knows no page, wallet or network.
import type { Check } from './api.ts';
import { type Hex, isAddress, sameHex } from './data.ts';
import { type Derived, type Kind, readPermit } from './gasless-op.ts';
import type { OpCheck } from './gasless-types.ts';
import type { KitCall, UserOp } from './kit-types.ts';

/** What a paymaster has filled in, as the server passed it on. */
export interface Grant {
  readonly paymaster: string;
  readonly paymasterData: string;
}

/** The operation that pays, as far as it is known beforehand. */
export interface Expected {
  readonly kind: Kind;
  /** The account that follows from the connected wallet. */
  readonly account: Derived;
  readonly deployed: boolean;
  readonly owner: Hex;
  readonly nonce: bigint;
  /** What must be called, a permit first if there must be one. */
  readonly calls: readonly KitCall[];
  /** What the permit must be, null if there must be none. Times are seconds since 1970. */
  readonly permit: { readonly amount: bigint; readonly cap: bigint; readonly now: number; readonly until: number } | null;
  /** Wei for each unit of gas at the most, null if that is not known. */
  readonly maxFee: bigint | null;
  /** null before the sponsor was asked. */
  readonly grant: Grant | null;
}

/** Who pays for gas bounds it tighter: these are what no payment takes. */
const most = { call: 3_000_000n, account: 1_000_000n, deploy: 3_000_000n, bundler: 10_000_000n, paymaster: 1_000_000n };

const passed: Readonly<Record<OpCheck, string>> = {
  op_sender: 'The operation is of the smart account that belongs to your wallet.',
  op_factory: 'The account is made by its official contract, or is there already.',
  op_nonce: 'It is the account\'s next operation, and can be carried out once.',
  op_calls: 'It makes the calls of this payment and nothing else.',
  op_permit: 'The account may take no more of your money than you agreed to.',
  op_value: 'It sends no native currency.',
  op_gas: 'Its limits for gas are within bounds.',
  op_fees: 'Its price for gas is within bounds.',
  op_paymaster: 'Gas is paid for by the sponsor that answered.',
};

/** The checks of an operation, in their order. */
export const opChecks = Object.keys(passed) as OpCheck[];

/**
 * Compares an operation with what it must do. The answer always has the same nine
 * checks. One that nobody has sponsored yet is looked at for all but what the
 * sponsor fills in.
 */
export function checkOp(o: UserOp, want: Expected): Check[] {
  const wrong = new Map<OpCheck, string>();
  const refuse = (check: OpCheck, why: string): void => void (wrong.has(check) || wrong.set(check, why));
  const { account } = want;
  if (!sameHex(o.sender, account.address)) refuse('op_sender', `The sender differs: expected ${account.address}, got ${o.sender}.`);

  const made = o.factory !== undefined && o.factory !== '0x';
  if (made && !sameHex(o.factory, account.factory)) refuse('op_factory', `${o.factory} is not the account's official factory.`);
  else if (made && !sameHex(o.factoryData ?? '', account.factoryData)) refuse('op_factory', 'The factory would be told something else.');
  else if (!made && (o.factoryData ?? '0x') !== '0x') refuse('op_factory', 'There is data for no factory.');
  else if (made === want.deployed) refuse('op_factory', made ? 'The account is there already and cannot be made again.' : 'The account is not there yet and has to be made.');

  if (amount(o.nonce) !== want.nonce) refuse('op_nonce', `The nonce ${o.nonce} is not due: the next is ${want.nonce}.`);
  calls(o, want, refuse);
  gas(o, want, made, refuse);

  const { grant } = want;
  const sponsor = o.paymaster ?? '0x';
  if (!grant) {
    if (sponsor !== '0x' && !isAddress(sponsor)) refuse('op_paymaster', `${sponsor} is nobody.`);
  } else if (!isAddress(sponsor)) {
    refuse('op_paymaster', 'Nobody pays for the gas.');
  } else if (!sameHex(sponsor, grant.paymaster)) {
    refuse('op_paymaster', `The paymaster differs: expected ${grant.paymaster}, got ${sponsor}.`);
  } else if (!sameHex(o.paymasterData ?? '0x', grant.paymasterData)) {
    refuse('op_paymaster', 'The paymaster\'s data differ.');
  }

  return opChecks.map((name): Check => {
    const why = wrong.get(name);
    return why ? { name, outcome: 'failed', detail: why } : { name, outcome: 'passed', detail: passed[name] };
  });
}

type Refuse = (check: OpCheck, why: string) => void;

/** A quantity; -1 for what is none, which equals nothing and is out of all bounds. */
const amount = (v: unknown): bigint => (v === undefined || v === '0x' ? 0n : typeof v === 'string' && /^0x[0-9a-f]{1,64}$/i.test(v) ? BigInt(v) : -1n);

function calls(o: UserOp, want: Expected, refuse: Refuse): void {
  const got = want.kind.decode(o.callData.toLowerCase());
  if (!got) return refuse('op_calls', 'The calls cannot be read.');
  got.forEach((c, i) => c.value && refuse('op_value', `Call ${i + 1} sends ${c.value} wei.`));
  permit(got[0], want, refuse);
  if (got.length !== want.calls.length) return refuse('op_calls', `Expected ${want.calls.length} calls, got ${got.length}.`);
  got.forEach((c, i) => {
    const w = want.calls[i];
    if (!w || !sameHex(c.to, w.to)) refuse('op_calls', `Call ${i + 1}: the target differs: expected ${w?.to}, got ${c.to}.`);
    else if (c.value !== w.value || !sameHex(c.data, w.data)) refuse('op_calls', `Call ${i + 1}: the calldata or the value differs.`);
  });
}

function permit(first: KitCall | undefined, want: Expected, refuse: Refuse): void {
  const p = readPermit(first?.data ?? '');
  const rule = want.permit;
  if (!rule) return p ? refuse('op_permit', 'No permit is needed.') : undefined;
  if (!p) return refuse('op_permit', 'The permit is missing: the account could take nothing.');
  if (!sameHex(p.owner, want.owner)) refuse('op_permit', `The permit is of ${p.owner} and not of your wallet.`);
  else if (!sameHex(p.spender, want.account.address)) refuse('op_permit', `The permit is for ${p.spender} and not for your account.`);
  else if (p.value < rule.amount) refuse('op_permit', `The permit is for too little: ${p.value}.`);
  else if (p.value > rule.cap) refuse('op_permit', `The permit is for more than you agreed to: ${p.value}, at most ${rule.cap}.`);
  else if (p.deadline < BigInt(rule.now)) refuse('op_permit', 'The permit is over.');
  else if (p.deadline > BigInt(rule.until)) refuse('op_permit', 'The permit would be good for too long.');
}

function gas(o: UserOp, want: Expected, made: boolean, refuse: Refuse): void {
  const bound = (check: OpCheck, what: string, got: bigint, limit: bigint): void => {
    if (got < 0n || got > limit) refuse(check, `${got} ${what} are too much: at most ${limit}.`);
  };
  const parts = [amount(o.paymasterVerificationGasLimit), amount(o.paymasterPostOpGasLimit)];
  bound('op_gas', 'gas for the calls', amount(o.callGasLimit), most.call);
  bound('op_gas', 'gas for the account', amount(o.verificationGasLimit), made ? most.deploy : most.account);
  bound('op_gas', 'gas for the bundler', amount(o.preVerificationGas), most.bundler);
  for (const part of parts) bound('op_gas', 'gas for the paymaster', part, most.paymaster);
  if (want.maxFee === null) return;
  bound('op_fees', 'wei for each unit of gas', amount(o.maxFeePerGas), want.maxFee);
  bound('op_fees', 'wei for each unit of gas as a tip', amount(o.maxPriorityFeePerGas), want.maxFee);
}

