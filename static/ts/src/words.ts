// What the page says, for payers who may be doing this for the first time: what
// happened, whether money moved, what to do now. No hexadecimal, no jargon.
import type { Admission, ApiError } from './api.ts';
import type { Payment } from './data.ts';
import type { WalletFault } from './rpc.ts';
import type { StepKind } from './verify.ts';

export interface Words {
  readonly kind: 'info' | 'warn' | 'error';
  readonly title: string;
  readonly text: string;
}

// The scripts carry only those that they say: nothing happens when one is made.
const info = (title: string, text: string): Words => ({ kind: 'info', title, text });
const warn = (title: string, text: string): Words => ({ kind: 'warn', title, text });
const error = (title: string, text: string): Words => ({ kind: 'error', title, text });

export const safetyPassed = {
  title: 'This is a safe smart contract',
  text: 'The smart contract you are interacting with is an official Request Network smart contract, it is audited and valid.',
};
export const safetyPending = {
  title: 'Still checking the smart contract',
  text: 'You can read everything here, but nothing can be signed before every check has passed.',
};
export const unsafeText = 'There is an issue with this payment call data. Please contact the recipient to send you a new payment link.';

/** The checks' names for the payer, as the server words them. */
export const checkTitles: Readonly<Record<string, string>> = {
  contract_official: 'Official contract',
  code_pinned: 'Contract code unchanged',
  calldata_matches: 'Payment instructions match this page',
  approval_exact: 'Approval for the exact amount only',
  simulation_matches: 'Test run moves exactly this amount',
  page_registry: 'Contract checked again in your browser',
  page_calldata: 'Instructions checked again in your browser',
};

/** What the page's own check of calldata has found, when it has passed. */
export const calldataPassed = (p: Payment): string =>
  p.batch
    ? `The call to the batch contract makes exactly the ${p.items.length} payments shown, in this order, and nothing else.`
    : 'Asset, recipient, amount, fee and reference are exactly those shown.';

/** What the server calls its reasons for not letting a wallet in. */
export const accessCodes: readonly string[] = ['wallet_not_allowed', 'wallet_required', 'screening_rejected', 'payee_rejected', 'screening_unavailable'];

/** Why the connected wallet may not pay, and what the notice's button does about it. */
export function accessWords({ verdict, reason }: Admission): Words & { readonly retry: string } {
  const other = 'Choose another wallet';
  if (verdict === 'error') {
    return { ...warn('Your wallet could not be checked just now', 'Wallets are screened before they can pay here, and the screening does not answer. Nothing was paid. Wait a moment, then try again.'), retry: 'Try again' };
  }
  if (reason === 'screening_rejected') {
    return { ...warn('This wallet cannot be used here', 'Wallets are screened before they can pay here, and this one was not let in. This can have many reasons and need not be about you. Nothing was paid. Please contact the recipient, or choose another wallet.'), retry: other };
  }
  if (reason === 'payee_rejected') {
    return { ...warn('This payment cannot be made', 'The account that was to receive it did not pass a screening. Nothing was paid. Please contact the recipient.'), retry: '' };
  }
  return { ...warn('This payment is for another wallet', 'The recipient has named the wallets that may pay, and the one you have connected is not among them. Nothing was paid. Choose the right wallet or account, or contact the recipient.'), retry: other };
}

export const declined = /* @__PURE__ */ info('You declined in your wallet. Nothing was paid.', 'That is fine. You can try again whenever you are ready.');

export function walletWords(fault: WalletFault): Words {
  switch (fault) {
    case 'rejected':
      return declined;
    case 'busy':
      return info('Your wallet is already asking you something', 'Open your wallet, answer the waiting request, then try again here. Nothing was paid.');
    case 'silent':
      return warn('Your wallet has not answered', 'Open your wallet and look for a waiting request. If there is none, unlock it and try again. Nothing was paid.');
    case 'unknown_chain':
    case 'unsupported':
      return warn('Your wallet cannot do this', 'It may not support this network. You can choose another wallet. Nothing was paid.');
    case 'failed':
      return error('Your wallet reported a problem', 'Nothing was paid as far as we can tell. Look into your wallet, then try again.');
  }
}

export const switchFailed = /* @__PURE__ */ warn(
  'Your wallet is still on another network',
  'Switch the network in your wallet by hand, or choose another wallet. Nothing was paid.',
);

export function apiWords(err: ApiError): Words {
  if (err.status === 429) return warn('Too many tries in a short time', 'Wait a minute, then try again. Nothing was paid.');
  if (err.status === 404) return error('This payment was not found', 'Check the link, or contact the recipient of this payment.');
  if (err.status >= 400 && err.status < 500 && err.said) return error('This payment cannot go on', err.said);
  return error('The payment service could not be reached', 'Nothing was paid. Check your connection and try again.');
}

export const sendSilent = (pay: boolean): Words =>
  warn(
    'Your wallet has not answered yet',
    pay
      ? 'Open your wallet and look for a waiting request. If there really is none, start again. If one shows up later, confirm only one of them.'
      : 'Open your wallet and look for a waiting request. If there is none, start again.',
  );

export const noHash = /* @__PURE__ */ warn(
  'Your wallet did not say what it sent',
  'If you confirmed there, wait: the payment appears here as soon as the network shows it. Look into your wallet before you try again.',
);

export const askedBefore = /* @__PURE__ */ warn(
  'Look into your wallet first',
  'This page was reloaded while your wallet was asking you to confirm. If you confirmed, do not pay again: the payment appears here by itself.',
);

export const alreadySent = (amount: string): Words =>
  warn(`You already sent ${amount}`, 'The network has not shown it yet. Do not pay again. Connect the same wallet so that this page can look what became of it.');

export const announced = /* @__PURE__ */ warn(
  'A payment was already sent from this link',
  'It has not been seen on the network yet. Wait a little: it appears here by itself. Go on only if you know that it failed.',
);

export const otherTab = /* @__PURE__ */ info('You are paying in another tab', 'Go on there. This tab follows by itself.');

export const reorged = /* @__PURE__ */ warn(
  'The network took a payment back',
  'This happens rarely and is nobody\'s fault. It is usually included again within minutes. Wait, and look into your wallet before you pay again.',
);

export const amountChanged = /* @__PURE__ */ warn('The amount has changed', 'Part of it has arrived meanwhile. Reload this page to see what is left to pay.');

export const checksPending = /* @__PURE__ */ warn('The safety check has not finished', 'Nothing can be signed before every check has passed. Wait a moment and try again.');

export const accountChanged = /* @__PURE__ */ info('Your wallet changed', 'The account or the network in your wallet is another one now. Nothing was paid. Check it and go on.');

export const broken = /* @__PURE__ */ error('Something went wrong on this page', 'Nothing was signed by this. Reload the page to go on. If you already paid, do not pay again.');

export function endWords(kind: StepKind, outcome: 'failed' | 'replaced' | 'dropped'): Words {
  const pay = kind === 'pay';
  if (outcome === 'failed') {
    return error(
      `The ${pay ? 'payment' : kind === 'swap' ? 'exchange' : 'approval'} did not go through`,
      'The network refused the transaction. Nothing was paid, only a network fee was spent. You can try again.',
    );
  }
  if (outcome === 'replaced') {
    return warn(
      'The transaction was replaced in your wallet',
      pay
        ? 'If you canceled it there, nothing was paid and you can try again. If you sent it again there, wait: it appears here by itself.'
        : 'If you canceled it there, you can try again.',
    );
  }
  return warn(
    'The network does not know the transaction any more',
    pay
      ? 'Nothing was paid so far. If your wallet still shows it as waiting, cancel it there before you try again.'
      : 'If your wallet still shows it as waiting, cancel it there before you try again.',
  );
}

export const progressSent = {
  title: 'Payment sent',
  text: 'Waiting for the network to include it. This page updates by itself. Do not pay again.',
};
export const progressAgain = {
  title: 'You already sent this payment',
  text: 'Waiting for the network to include it. This page updates by itself. Do not pay again.',
};
export const progressMined = {
  title: 'Payment included',
  text: 'The network has included your payment and it is being confirmed. This page updates by itself. Do not pay again.',
};
export const progressReorged = {
  title: 'One moment more',
  text: 'The network took your payment back and usually includes it again within minutes. This happens rarely. Do not pay again.',
};

/** The fields that verify.ts can refuse, for the line that names what differs. */
export function difference(field: string, expected: string, found: string): string {
  return `${field} (expected ${expected}, found ${found})`;
}
