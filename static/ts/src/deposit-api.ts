// What a deposit's page asks its server.
import type { Api } from './api.ts';
import { ApiError, Endpoint } from './endpoint.ts';
import type { Hex } from './data.ts';
import { type DepositStatus, readDepositStatus } from './deposit-data.ts';

const read = (value: unknown): DepositStatus => {
  const status = readDepositStatus(value);
  if (!status) throw new ApiError(0, 'malformed', '', '');
  return status;
};

export class DepositApi extends Endpoint {
  constructor(path: string, fetcher: typeof fetch) {
    super(`${path}/`, fetcher);
  }

  /** The URL of the status stream, with quotes of this asset. */
  events(asset: string): string {
    return `${this.base}events${query(asset)}`;
  }

  /** Where the payment stands, with the quote of this asset if there is one. Throws ApiError. */
  async status(asset: string): Promise<DepositStatus> {
    return read(await this.json(`status${query(asset)}`));
  }

  /** The status with a quote of this asset, a new one if wanted. Throws ApiError. */
  async quote(asset: string, fresh: boolean): Promise<DepositStatus> {
    return read(await this.json('quote', new URLSearchParams(fresh ? { asset, fresh: '1' } : { asset })));
  }

  /** The transfer for this wallet, as it comes. Throws ApiError. */
  pay(asset: string, wallet: Hex): Promise<unknown> {
    return this.json(`pay?asset=${encodeURIComponent(asset)}&wallet=${wallet}`);
  }

  /** Tells the server where to look. Throws ApiError. */
  async intent(body: Parameters<Api['intent']>[0]): Promise<void> {
    await this.json('intent', body);
  }
}

const query = (asset: string): string => (asset ? `?asset=${encodeURIComponent(asset)}` : '');
