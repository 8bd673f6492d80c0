// The page's script for Safes, fetched where one may pay: the app around the
// page is a Safe's, the connected account is one, or one has been asked to pay.
import { appAround } from './safe-frame.ts';
import { SafePay } from './safe-pay.ts';
import type { SafeModule } from './safe-types.ts';
import { SafeView } from './safe-view.ts';

export const start: SafeModule['start'] = (host) => new SafePay(host, new SafeView(), host.framed ? appAround(window) : null);
