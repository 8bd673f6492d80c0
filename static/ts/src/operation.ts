// The page's script for operations of smart accounts, fetched where one may pay.
import { Operate } from './gasless-operate.ts';
import type { OperationModule } from './gasless-types.ts';

export const operating: OperationModule['operating'] = (host, load) => new Operate(host, load);
