// What the page says about Safes. What the server says too has its words.
import type { News } from './safe-data.ts';
import type { SafeCheck } from './safe-types.ts';
import type { Words } from './words.ts';

const info = (title: string, text: string): Words => ({ kind: 'info', title, text });
const warn = (title: string, text: string): Words => ({ kind: 'warn', title, text });
const error = (title: string, text: string): Words => ({ kind: 'error', title, text });

/** The checks' names for the payer, as the server words them. */
export const titles: Readonly<Record<SafeCheck, string>> = {
  safe_hash: 'What the owners sign is this transaction',
  safe_target: 'Official Safe contract for batches',
  safe_operation: 'Nothing takes over the Safe',
  safe_calls: 'The Safe makes these calls and no others',
  safe_value: 'No coins beyond the payment\'s own',
  safe_refund: 'Nobody is paid for executing it',
  safe_gas: 'It can be executed',
  safe_nonce: 'Its place in the Safe\'s queue',
};
export const titleOf = (check: string): string => (Object.hasOwn(titles, check) ? titles[check as SafeCheck] : '');

export const propose = 'Propose to your Safe';
export const beneath = 'Your Safe asks you to confirm. Nothing is paid before its owners have signed.';
export const confirming = 'Confirm in your Safe…';
export const gas = 'paid by the owner who executes it';
export const rejectIt = 'Do not sign this transaction. The owners should reject it in their Safe app.';

/** "2 of 3 owners must sign", "" if that is not known. */
const must = (threshold: number, owners: number): string => (threshold && owners ? `${threshold} of ${owners} owners must sign` : '');

export const accountTitle = (threshold: number, owners: number): string => `You pay from a Safe${threshold && owners ? `: ${must(threshold, owners)}` : ''}`;
export const accountText = (several: boolean): string =>
  `${several ? 'All steps are proposed to it as one transaction.' : 'The payment is proposed to it as a transaction.'} Nothing leaves the Safe before enough owners have signed and one of them has executed it.`;
export const readOnly = 'You are not an owner of this Safe, so you cannot propose anything to it. Connect as one of its owners in your Safe app.';
export const elsewhere = (safe: string, payment: string): Words =>
  warn(`This Safe is on ${safe}`, `This payment is on ${payment}. Open the page in a Safe on ${payment}, or choose a way to pay from ${safe} above, if there is one.`);
export const elsewhereGo = 'Not from this Safe';
/** A network that the page does not know by name. */
export const otherNetwork = 'another network';

export const mute = {
  title: 'The page around this one does not answer',
  text: 'If this is your Safe app, close this page there and open it again. You can also pay with a wallet of your browser.',
};

export const stillAsking = warn(
  'Your Safe app has not answered yet',
  'Take your time to read and sign there. If it shows nothing, start again. If the transaction shows up twice later, sign only one of them and reject the other.',
);
export const noHash = warn(
  'Your wallet did not say what it proposed',
  'Look into your Safe app. If the transaction is there, sign and execute it: the payment appears here once it is executed. If it is not, try again.',
);
export const oneByOne = warn(
  'This wallet cannot propose several steps at once',
  'A Safe has to sign this payment as one transaction. Open this page inside your Safe app, or connect the Safe in another way. Nothing was proposed.',
);
export const moved = info('Your wallet changed', 'The account or the network in your wallet is another one now. Nothing was proposed. Check it and go on.');
export const refused = (said: string): Words =>
  error('The transaction cannot make this payment', `${said} ${rejectIt}`.trim());
export const already = warn(
  'A Safe transaction already waits for this payment',
  'Only one can make it. Reject the one you have just proposed in your Safe app, or the earlier one.',
);
export const letGo = warn(
  'The proposed transaction has waited too long',
  'This payment is not kept for it any more. Reject it in your Safe app before you pay in another way, so that nobody pays twice.',
);
/** It waits, and this payment is over: executing it would send money too late. */
export const tooLate = 'A transaction for it still waits in your Safe: reject it there. Money that it sends now comes too late.';

/** What is known of a transaction, for its words. */
export interface Standing {
  readonly executed: boolean;
  /** Nothing is told of it but that there is one. */
  readonly nameless: boolean;
  readonly owners: number;
  readonly threshold: number;
  /** null: nobody told. */
  readonly signed: number | null;
}

const enough = (s: Standing): boolean => s.signed !== null && s.threshold > 0 && s.signed >= s.threshold;

export function waiting(s: Standing): { readonly title: string; readonly text: string } {
  if (s.executed) {
    return { title: 'The Safe has sent the payment', text: 'Its transaction was executed, and the network is confirming it. This page updates by itself, and you can also close it. Do not pay again.' };
  }
  if (s.nameless) {
    return {
      title: 'A payment from a Safe is waiting',
      text: 'Somebody who has this link says that a Safe, an account with several owners, is about to pay. It cannot be paid in another way meanwhile, so that nobody pays twice.',
    };
  }
  if (enough(s)) {
    return { title: 'Signed, and waiting to be executed', text: 'Enough owners have signed. One of them now has to execute the transaction in their Safe app. Nothing has left the Safe yet.' };
  }
  const who = must(s.threshold, s.owners) || 'Its owners must sign';
  return { title: 'Waiting for signatures', text: `The payment was proposed to a Safe. ${who} it, and then one of them executes it. Nothing leaves the Safe before that.` };
}

/** The line beneath the bar, "" where nobody told who has signed. */
export const signatures = (s: Standing): string => (s.signed !== null && s.threshold ? `${s.signed} of ${s.threshold} signatures` : '');
/** What is said of an owner whose signature was not seen. */
export const unsigned = (s: Standing): string => (s.signed !== null && !enough(s) ? 'No signature seen yet' : '');

export function queue(nonce: number | null, ahead: number | null): string {
  if (nonce === null) return '';
  const number = `Number ${nonce} (nonce)`;
  if (ahead === null) return number;
  return ahead === 0 ? `${number}, the next one` : `${number}, ${ahead} ${ahead === 1 ? 'comes' : 'come'} before it`;
}

/** "2 January 2026 at 12:15 UTC", and how long that is. */
export function date(at: number, left: string): string {
  const day = new Date(at).toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
  return `${day} at ${new Date(at).toISOString().slice(11, 16)} UTC${left ? ` (${left} left)` : ''}`;
}

/** Why it will not pay any more; open tells that the payment can still be made. */
export function ending({ stage, executed, own }: Pick<News, 'stage' | 'executed' | 'own'>, open: boolean): { readonly title: string; readonly text: string } | null {
  const again = open ? 'You can pay now, from a Safe or from any other wallet.' : 'Please contact the recipient: they decide how to go on, and can send you a new payment link.';
  switch (stage) {
    case 'failed':
      return {
        title: 'The Safe\'s transaction failed',
        text: `The Safe executed it, but the payment in it did not go through. No money has left the Safe; only a network fee was spent. It cannot be executed a second time. ${again}`,
      };
    case 'late':
      return {
        title: 'The Safe\'s transaction came too late',
        text: executed
          ? `It was executed only after its time had passed. If it has sent money, that came too late for this payment. ${again}`
          : // Who may not know its transaction cannot tell that there is none.
            `It was not executed in time${own ? ', and nothing has left the Safe' : ''}. Please do not execute it any more, and reject it in your Safe app: money that it sends now comes too late. ${again}`,
      };
    case 'foreign':
      return {
        title: 'The Safe\'s transaction does not pay this',
        text: `What was proposed to the Safe is something else, and makes no part of this payment. Please look at it in your Safe app before you sign it. ${again}`,
      };
    case 'replaced':
      return {
        title: 'The Safe used another transaction instead',
        text: `Its owners executed another one with the same number, so the proposed payment can never be executed. Nothing was paid. ${again}`,
      };
  }
  return null;
}
