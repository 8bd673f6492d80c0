// What a deposit's page says. What the server says too is said in its words, which
// are in templates/depositwords.go.
import type { State } from './data.ts';
import type { DepositPage, DepositStatus, Quote, Transfer } from './deposit-data.ts';
import { type Words, unsafeText } from './words.ts';

/** Whether an amount of the payment's currency is more than nothing. */
export const some = (amount: string): boolean => amount !== '0.00';

/** Some of the amount has arrived and the rest is still to be sent. */
export const isPartial = (s: DepositStatus): boolean => s.state === 'open' && some(s.received);

export const moreWords = (p: DepositPage, s: DepositStatus, q: Quote | null): string =>
  q ? `Send ${q.amount} ${q.symbol} more.` : `${s.missing} ${p.currency} is still to be sent.`;

export const partialWords = (p: DepositPage, s: DepositStatus): string => `You have sent ${s.received} of ${s.amount} ${p.currency}.`;

/** What has arrived and has no price yet. */
export const unpriced = (s: DepositStatus): string =>
  s.transfers
    .filter((t) => t.worth === '' && t.stage !== 'dropped')
    .map((t) => `${t.amount} ${t.symbol}`)
    .join(' and ');

/** A price with the decimals it needs, two at the least. */
function rateWords(rate: bigint): string {
  const text = rate.toString().padStart(9, '0');
  return `${text.slice(0, -8)}.${text.slice(-8).replace(/0+$/, '').padEnd(2, '0')}`;
}

export const worthWords = (p: DepositPage, s: DepositStatus, q: Quote): string =>
  `${s.missing} ${p.currency} at ${rateWords(q.rate)} ${p.currency} for 1 ${q.symbol}`;

export function titleWords(p: DepositPage, s: DepositStatus, state: State): string {
  const titles: Readonly<Partial<Record<State, string>>> = {
    open: `Pay ${s.missing} ${p.currency} to ${p.merchant}`,
    seen: `Confirming your payment to ${p.merchant}`,
    paid: `Paid: ${p.merchant}`,
    expired: `Expired payment link: ${p.merchant}`,
    canceled: `Canceled payment: ${p.merchant}`,
    failed: `Too little was sent: ${p.merchant}`,
  };
  return titles[state] ?? 'Do not pay: unsafe payment';
}

export const transfersTitle = (state: State): string =>
  state === 'open' ? 'What has arrived so far' : state === 'seen' ? 'Your payment is on its way' : state === 'paid' ? 'What was sent' : 'What has arrived';

export function countsAs(p: DepositPage, t: Transfer): string {
  if (t.stage === 'dropped') return 'does not count';
  if (t.worth === '') return 'no price yet';
  return t.late ? `${t.worth} ${p.currency}, too late` : `counts as ${t.worth} ${p.currency}`;
}

export function settledWords(t: Transfer): string {
  if (t.stage === 'dropped') return 'Taken back by the network';
  return t.stage === 'final' ? 'Confirmed' : `${t.confirmations} of ${t.required} confirmations`;
}

/** A day for people: "12 January 2026". */
export const day = (ms: number): string => new Date(ms).toLocaleString('en-GB', { dateStyle: 'long', timeZone: 'UTC' });

/** An instant for people: "12 January 2026 at 14:30 UTC". */
export const moment = (ms: number): string => `${day(ms)} at ${new Date(ms).toISOString().slice(11, 16)} UTC`;

/** The checks' names for the payer, as the server words them. */
export const depositChecks: Readonly<Record<string, string>> = {
  address_matches: 'The address belongs to the recipient\'s key',
  calldata_matches: 'Payment instructions match this page',
  simulation_matches: 'Test run moves exactly this amount',
  page_address: 'Your wallet pays the address on this page',
  page_bank: 'Bank details checked again in your browser',
  page_registry: 'Token and network checked again in your browser',
  page_calldata: 'Instructions checked again in your browser',
};

/** What a failed check means to the payer; what the server has refused it words itself. */
export const refusedWords = (check: string): string =>
  check === 'page_address' || check === 'page_registry' || check === 'page_bank'
    ? 'What this page says about where to send the money does not fit together. Somebody may have changed it on the way. Please contact the recipient to send you a new payment link.'
    : check === 'address_matches'
      ? 'The address of this payment could not be traced back to the recipient. Please contact the recipient to send you a new payment link.'
      : unsafeText;

export const renewed = (q: Quote): Words => ({
  kind: 'info', title: `The price was renewed: send exactly ${q.amount} ${q.symbol}`,
  text: 'The amount is another one than before. If you have sent the old one already, do not send it again: it is on its way and counts.',
});

export const changed = (q: Quote): Words => ({
  kind: 'warn', title: `The amount has changed: ${q.amount} ${q.symbol}`, text: 'Nothing was sent. Look at it again, then go on.',
});

export const lateNews: Words = {
  kind: 'warn', title: 'The price has run out while your wallet was open', text: 'If you have not confirmed yet, reject it in your wallet and get a new price here.',
};

export const quoteFailed: Words = { kind: 'error', title: 'No price could be asked for', text: 'The payment service could not be reached. Nothing was paid. Check your connection and try again.' };

export const announcements: Readonly<Record<State, string>> = {
  open: 'This payment can be paid now.',
  seen: 'Your payment is on its way.',
  paid: 'Payment complete.',
  expired: 'This payment link has expired.',
  canceled: 'This payment was canceled.',
  failed: 'Too little arrived in time. This payment has failed.',
  blocked: 'This payment cannot be made.',
  unsafe: 'Stop. A safety check failed. Do not pay.',
};
