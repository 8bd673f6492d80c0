// The one call that pays a deposit from a wallet: a plain transfer of the displayed
// amount to the displayed address. Anything else is refused. Knows no DOM, wallet or
// network.
import { checksum, signature, transfer } from './calldata.ts';
import { type Hex, fields, isAddress } from './data.ts';
import type { Quote } from './deposit-data.ts';
import { type Call, Refusal, clip, readCall, readValue, same } from './verify.ts';

/** Checks an answer of /pay, which says again what is paid to whom, and its only transaction. Throws Refusal. */
export function verifyDepositPay(q: Quote, reply: Readonly<Record<string, unknown>>, transactions: unknown, chainId: unknown): Call {
  same('page_registry', 'chain', q.chainId, chainId);
  same('page_address', 'address', q.address, reply['address']);
  same('page_address', 'amount', String(q.units), reply['units']);
  if (!Array.isArray(transactions)) throw new Refusal('page_calldata', 'transactions', 'a list', clip(transactions));
  same('page_calldata', 'number of transactions', 1, transactions.length);
  return verifyDepositCall(q, transactions[0]);
}

/** Checks that a transaction is a transfer of exactly the quote's amount to its address, and nothing else. Throws Refusal. */
export function verifyDepositCall(q: Quote, transaction: unknown): Call {
  const t = fields(transaction);
  if (!t) throw new Refusal('page_calldata', 'transaction', 'a transaction', clip(transaction));
  if (t['chainId'] !== undefined) same('page_registry', 'chain', `0x${q.chainId.toString(16)}`, t['chainId']);
  const to = isAddress(t['to']) ? checksum(t['to']) : clip(t['to']);
  const value = q.native ? q.units : 0n;
  let data: Hex = '0x';
  if (q.native) {
    same('page_calldata', 'payee', q.address, to);
    same('page_calldata', 'encoding', '0x', t['data']);
  } else {
    same('page_registry', 'target', q.token, to);
    const read = readCall(transfer, t['data']);
    same('page_calldata', 'payee', q.address, read.values['payee']);
    same('page_calldata', 'amount', q.units, read.values['amount']);
    data = read.data;
  }
  same('page_calldata', 'value', value, readValue(t['value']));
  return Object.freeze({
    kind: 'pay', asset: 0, to: q.native ? q.address : q.token, data, value,
    targetName: q.native ? 'this payment\'s own address' : `${q.symbol} token`, signature: q.native ? '' : signature(transfer), args: [],
  });
}
