package merchant

import (
	"context"
	"sync"
	"time"

	"quittance/internal/payment"
)

// directoryTTL is how long a revoked key may still work and a renamed merchant
// keep its old name on a node that has just looked it up. It counts from before
// the look-up: what changed during it must not live longer.
const directoryTTL = 5 * time.Second

// touchEvery is how exactly the last use of a client id is known.
const touchEvery = time.Minute

// directorySize bounds each table; a full one is emptied, which costs look-ups
// and nothing else.
const directorySize = 10_000

// Directory answers the two look-ups of every request, whose key is this and
// what is this merchant's name, from memory for a few seconds.
type Directory struct {
	store Store
	now   func() time.Time

	mu        sync.Mutex
	keys      map[keyID]entry[Credential]
	merchants map[payment.MerchantID]entry[Merchant]
}

type keyID struct {
	kind CredentialKind
	hash string
}

type entry[T any] struct {
	value T
	until time.Time
}

// NewDirectory returns a Directory over a store.
func NewDirectory(s Store) *Directory {
	return &Directory{store: s, now: time.Now, keys: map[keyID]entry[Credential]{}, merchants: map[payment.MerchantID]entry[Merchant]{}}
}

// Authenticate is the package's Authenticate with a memory for secrets that
// worked. Refusals are never remembered: a new key works at once.
func (d *Directory) Authenticate(ctx context.Context, kind CredentialKind, secret string) (Credential, error) {
	id := keyID{kind, HashSecret(secret)}
	d.mu.Lock()
	e, ok := d.keys[id]
	d.mu.Unlock()
	if ok && d.now().Before(e.until) {
		return e.value, nil
	}
	asked := d.now()
	c, err := Authenticate(ctx, d.store, kind, secret)
	if err != nil {
		return Credential{}, err
	}
	d.touch(ctx, &c, asked)
	d.mu.Lock()
	put(d.keys, id, c, asked)
	d.mu.Unlock()
	return c, nil
}

// touch notes that a client id was used. A use that cannot be noted is no reason
// to refuse it.
func (d *Directory) touch(ctx context.Context, c *Credential, now time.Time) {
	at := now.UTC().Truncate(touchEvery)
	if c.Kind != ClientID || !c.LastUsedAt.Before(at) || d.store.TouchCredential(ctx, c.ID, at) != nil {
		return
	}
	c.LastUsedAt = at
}

// Forget makes this node look a credential up again at its next use; other nodes
// do within seconds.
func (d *Directory) Forget(c Credential) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.keys, keyID{c.Kind, c.Hash})
}

// Merchant looks a merchant up.
func (d *Directory) Merchant(ctx context.Context, id payment.MerchantID) (Merchant, error) {
	d.mu.Lock()
	e, ok := d.merchants[id]
	d.mu.Unlock()
	if ok && d.now().Before(e.until) {
		return e.value, nil
	}
	asked := d.now()
	m, err := d.store.Merchant(ctx, id)
	if err != nil {
		return Merchant{}, err
	}
	d.mu.Lock()
	put(d.merchants, id, m, asked)
	d.mu.Unlock()
	return m, nil
}

// Destinations returns a merchant's active destinations.
func (d *Directory) Destinations(ctx context.Context, id payment.MerchantID) ([]Destination, error) {
	return d.store.ActiveDestinations(ctx, id)
}

func put[K comparable, T any](m map[K]entry[T], k K, v T, asked time.Time) {
	if len(m) >= directorySize {
		clear(m)
	}
	m[k] = entry[T]{value: v, until: asked.Add(directoryTTL)}
}
