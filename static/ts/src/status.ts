// Keeps the page informed of where the payment stands: server-sent events, and
// polling where these do not get through.

/** A stream that has said nothing by then is held back by something in between. */
const patience = 8_000;
const slowest = 30_000;

/** Where it comes from. */
export interface StatusSource<S> {
  /** The URL of the stream. */
  readonly events: string;
  status(): Promise<S>;
}

/** Calls `on` with every status that `read` finds to be one, from now on, until the returned function is called. */
export function watchStatus<S>(api: StatusSource<S>, read: (value: unknown) => S | null, on: (s: S) => void): () => void {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = 2_000;
  let source: EventSource | null = null;

  const poll = async (): Promise<void> => {
    try {
      const status = await api.status();
      wait = 2_000;
      if (!stopped) on(status);
    } catch {
      wait = Math.min(wait * 2, slowest);
    }
    // The stream may have spoken meanwhile: then it does the work again.
    if (!stopped && timer !== undefined) timer = setTimeout(poll, wait);
  };
  const startPolling = (ms: number): void => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(poll, ms);
  };
  const heard = (e: MessageEvent<unknown>): void => {
    let status: S | null = null;
    try {
      status = read(JSON.parse(String(e.data)));
    } catch {
      return;
    }
    if (!status || stopped) return;
    clearTimeout(timer);
    timer = undefined;
    on(status);
  };

  if (typeof EventSource === 'function') {
    source = new EventSource(api.events);
    source.addEventListener('status', heard);
    source.addEventListener('error', () => {
      // The browser reconnects by itself unless it was refused.
      if (timer === undefined) startPolling(source?.readyState === EventSource.CLOSED ? 0 : patience);
    });
    startPolling(patience);
  } else {
    startPolling(0);
  }
  return () => {
    stopped = true;
    clearTimeout(timer);
    source?.close();
  };
}
