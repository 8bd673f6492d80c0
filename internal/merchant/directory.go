package merchant

import (
	"context"
	"sync"
	"time"

	"quittance/internal/payment"
)

// directoryTTL is how long a revoked key may still work and a renamed merchant
// keep its old name on a node that has just looked it up.
const directoryTTL = 5 * time.Second

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
	c, err := Authenticate(ctx, d.store, kind, secret)
	if err != nil {
		return Credential{}, err
	}
	d.mu.Lock()
	put(d.keys, id, c, d.now())
	d.mu.Unlock()
	return c, nil
}

// Merchant looks a merchant up.
func (d *Directory) Merchant(ctx context.Context, id payment.MerchantID) (Merchant, error) {
	d.mu.Lock()
	e, ok := d.merchants[id]
	d.mu.Unlock()
	if ok && d.now().Before(e.until) {
		return e.value, nil
	}
	m, err := d.store.Merchant(ctx, id)
	if err != nil {
		return Merchant{}, err
	}
	d.mu.Lock()
	put(d.merchants, id, m, d.now())
	d.mu.Unlock()
	return m, nil
}

// Destinations returns a merchant's active destinations.
func (d *Directory) Destinations(ctx context.Context, id payment.MerchantID) ([]Destination, error) {
	all, err := d.store.Destinations(ctx, id)
	if err != nil {
		return nil, err
	}
	active := all[:0]
	for _, x := range all {
		if x.Active {
			active = append(active, x)
		}
	}
	return active, nil
}

func put[K comparable, T any](m map[K]entry[T], k K, v T, now time.Time) {
	if len(m) >= directorySize {
		clear(m)
	}
	m[k] = entry[T]{value: v, until: now.Add(directoryTTL)}
}
