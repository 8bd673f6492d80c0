// The names of an operation's checks.
import type { OpCheck } from './gasless-types.ts';

/** The checks' names for the payer, as the server words them. */
const titles: Readonly<Record<OpCheck, string>> = {
  op_sender: 'Your own smart account, and no other',
  op_factory: 'Made by the official contract',
  op_nonce: 'It can be carried out once',
  op_calls: 'It makes this payment and nothing else',
  op_permit: 'It may take what you agreed to, and no more',
  op_value: 'No coins go with it',
  op_gas: 'The gas is within bounds',
  op_fees: 'The price of gas is within bounds',
  op_paymaster: 'The gas is paid by the sponsor',
};
export const titleOf = (check: string): string => (Object.hasOwn(titles, check) ? titles[check as OpCheck] : '');
