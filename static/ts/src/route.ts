// The page's second script, fetched when a payer picks a way over a bridge or an
// exchange: the proof that such a route does what the page displays. It trusts
// neither the server nor whoever the server asked for the route.
import { verifierBy } from './route-plan.ts';
import type { RouteModule } from './route-types.ts';
import { networks as pinned } from './routes.gen.ts';

export const verifyRoute: RouteModule['verifyRoute'] = verifierBy(pinned);
export const networks: RouteModule['networks'] = pinned;
