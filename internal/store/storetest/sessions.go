package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
)

var sessions = map[string]func(*testing.T, *fixture){
	"a wallet acts for one merchant": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		w := merchant.Wallet{Address: address(1), Merchant: m, Contract: 8453, CreatedAt: start}
		must(t, f.AddWallet(t.Context(), w))
		must(t, f.AddWallet(t.Context(), merchant.Wallet{Address: address(2), Merchant: m, CreatedAt: start.Add(1000)}))
		refused(t, "again", f.AddWallet(t.Context(), w), fault.Conflict, "wallet_taken")
		refused(t, "another's", f.AddWallet(t.Context(), merchant.Wallet{Address: address(1), Merchant: other}), fault.Conflict, "wallet_taken")
		refused(t, "nobody's", f.AddWallet(t.Context(), merchant.Wallet{Address: address(3), Merchant: "nobody"}), fault.NotFound, "not_found")

		all, err := f.Wallets(t.Context(), m)
		must(t, err)
		exact(t, "wallets", all, []merchant.Wallet{w, {Address: address(2), Merchant: m, CreatedAt: start.Add(1000)}})
		if got, err := f.Wallet(t.Context(), address(1)); err != nil || got != w {
			t.Errorf("acts for %+v, %v", got, err)
		}
		_, err = f.Wallet(t.Context(), address(3))
		refused(t, "a stranger", err, fault.NotFound, "wallet_not_found")
	},

	"a wallet that is removed is signed out": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		for i := range 2 {
			must(t, f.AddWallet(t.Context(), merchant.Wallet{Address: address(i), Merchant: m, CreatedAt: start}))
		}
		gone, _ := merchant.NewSession(m, address(0), chain, start)
		kept, _ := merchant.NewSession(m, address(1), chain, start)
		must(t, f.InsertSession(t.Context(), gone))
		must(t, f.InsertSession(t.Context(), kept))
		refused(t, "by another merchant", f.RemoveWallet(t.Context(), other, address(0)), fault.NotFound, "wallet_not_found")
		must(t, f.RemoveWallet(t.Context(), m, address(0)))
		refused(t, "again", f.RemoveWallet(t.Context(), m, address(0)), fault.NotFound, "wallet_not_found")
		_, err := f.Session(t.Context(), gone.Hash, start)
		refused(t, "its session", err, fault.NotFound, "session_not_found")
		if _, err := f.Session(t.Context(), kept.Hash, start); err != nil {
			t.Errorf("the other's session: %v", err)
		}
	},

	"a nonce is used once, for its purpose and in time": func(t *testing.T, f *fixture) {
		n := merchant.NewNonce(merchant.NonceDestination, `{"a":"ü"}`, start)
		must(t, f.InsertNonce(t.Context(), n))
		refused(t, "twice", f.InsertNonce(t.Context(), n), fault.Conflict, "nonce_taken")
		_, err := f.UseNonce(t.Context(), merchant.NonceSignIn, n.Value, start)
		refused(t, "for another purpose", err, fault.NotFound, "nonce_not_found")
		_, err = f.UseNonce(t.Context(), n.Purpose, "\xff\x00", start)
		refused(t, "of no text", err, fault.NotFound, "nonce_not_found")
		for range 2 { // looking does not use it
			seen, err := f.Nonce(t.Context(), n.Purpose, n.Value, n.ExpiresAt.Add(-1))
			must(t, err)
			exact(t, "looked at", seen, n)
		}
		_, err = f.Nonce(t.Context(), n.Purpose, n.Value, n.ExpiresAt)
		refused(t, "looking too late", err, fault.NotFound, "nonce_not_found")
		_, err = f.Nonce(t.Context(), merchant.NonceSignIn, n.Value, start)
		refused(t, "looking for another purpose", err, fault.NotFound, "nonce_not_found")
		got, err := f.UseNonce(t.Context(), n.Purpose, n.Value, n.ExpiresAt.Add(-1))
		must(t, err)
		exact(t, "nonce", got, n)
		_, err = f.UseNonce(t.Context(), n.Purpose, n.Value, start)
		refused(t, "again", err, fault.NotFound, "nonce_not_found")

		late := merchant.NewNonce(merchant.NonceSignIn, "", start)
		must(t, f.InsertNonce(t.Context(), late))
		_, err = f.UseNonce(t.Context(), late.Purpose, late.Value, late.ExpiresAt)
		refused(t, "too late", err, fault.NotFound, "nonce_not_found")
	},

	"of many on two nodes one gets the nonce": func(t *testing.T, f *fixture) {
		nodes := []*fixture{f, f.node(t)}
		for range 5 {
			n := merchant.NewNonce(merchant.NonceSignIn, "", start)
			must(t, f.InsertNonce(t.Context(), n))
			var won atomic.Int32
			var group sync.WaitGroup
			for i := range 20 {
				group.Go(func() {
					switch _, err := nodes[i%2].UseNonce(t.Context(), n.Purpose, n.Value, start); {
					case err == nil:
						won.Add(1)
					case !fault.Is(err, fault.NotFound):
						t.Error(err)
					}
				})
			}
			group.Wait()
			if won.Load() != 1 {
				t.Errorf("%d got it", won.Load())
			}
		}
	},

	"a nonce that an effect used is free again if the effect fails": func(t *testing.T, f *fixture) {
		n := merchant.NewNonce(merchant.NonceSignIn, "", start)
		must(t, f.InsertNonce(t.Context(), n))
		_, _, err := f.Once(t.Context(), nil, start, func(ctx context.Context) (a checkout.Answer, err error) {
			if _, err := f.UseNonce(ctx, n.Purpose, n.Value, start); err != nil {
				return a, err
			}
			return a, errRollback
		})
		if !errors.Is(err, errRollback) {
			t.Errorf("got %v", err)
		}
		if _, err := f.UseNonce(t.Context(), n.Purpose, n.Value, start); err != nil {
			t.Errorf("after the failure: %v", err)
		}
	},

	"a session lives on with use, up to its end": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		s, secret := merchant.NewSession(m, address(9), chain, start)
		if merchant.HashSecret(secret) != s.Hash {
			t.Fatal("the hash is not the secret's")
		}
		must(t, f.InsertSession(t.Context(), s))
		other := f.node(t)
		got, err := other.Session(t.Context(), s.Hash, start)
		must(t, err)
		exact(t, "session", got, s)

		now := start
		for now.Add(merchant.SessionIdle - time.Second).Before(s.EndsAt) {
			now = now.Add(merchant.SessionIdle - time.Second)
			got, err := f.Session(t.Context(), s.Hash, now)
			must(t, err)
			want := now.Add(merchant.SessionIdle)
			if want.After(s.EndsAt) {
				want = s.EndsAt
			}
			if !got.ExpiresAt.Equal(want) {
				t.Fatalf("at %s it lasts until %s, want %s", now, got.ExpiresAt, want)
			}
			stored, err := other.Session(t.Context(), s.Hash, now)
			must(t, err)
			if !stored.ExpiresAt.Equal(want) {
				t.Fatalf("another node has %s, want %s", stored.ExpiresAt, want)
			}
		}
		_, err = f.Session(t.Context(), s.Hash, s.EndsAt)
		refused(t, "after its end", err, fault.NotFound, "session_not_found")
	},

	"a session that is not used ends": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		s, _ := merchant.NewSession(m, address(9), chain, start)
		must(t, f.InsertSession(t.Context(), s))
		early := start.Add(merchant.SessionIdle/2 - time.Second)
		got, err := f.Session(t.Context(), s.Hash, early)
		must(t, err)
		if !got.ExpiresAt.Equal(s.ExpiresAt) {
			t.Error("a use in the first half moved its end")
		}
		_, err = f.Session(t.Context(), s.Hash, s.ExpiresAt)
		refused(t, "unused", err, fault.NotFound, "session_not_found")
		_, err = f.Session(t.Context(), hash(1), start)
		refused(t, "unknown", err, fault.NotFound, "session_not_found")
	},

	"a session that is ended is over on all nodes": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		s, _ := merchant.NewSession(m, address(9), chain, start)
		must(t, f.InsertSession(t.Context(), s))
		must(t, f.EndSession(t.Context(), s.Hash))
		must(t, f.EndSession(t.Context(), s.Hash))
		_, err := f.node(t).Session(t.Context(), s.Hash, start)
		refused(t, "ended", err, fault.NotFound, "session_not_found")
		nobody, _ := merchant.NewSession("nobody", address(9), chain, start)
		refused(t, "of no merchant", f.InsertSession(t.Context(), nobody), fault.NotFound, "not_found")
	},

	"what is over is forgotten": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		var kept merchant.Nonce
		for i := range 700 {
			kept = merchant.NewNonce(merchant.NonceSignIn, "", start.Add(time.Duration(i)*time.Millisecond))
			must(t, f.InsertNonce(t.Context(), kept))
		}
		s, _ := merchant.NewSession(m, address(9), chain, start)
		must(t, f.InsertSession(t.Context(), s))
		if n, err := f.PruneExpired(t.Context(), start); n != 0 || err != nil {
			t.Errorf("forgot %d too early, %v", n, err)
		}
		if n, err := f.PruneExpired(t.Context(), kept.ExpiresAt.Add(-1)); n != 699 || err != nil {
			t.Errorf("forgot %d, %v, want 699", n, err)
		}
		if _, err := f.UseNonce(t.Context(), kept.Purpose, kept.Value, start); err != nil {
			t.Errorf("the youngest is gone: %v", err)
		}
		if n, err := f.PruneExpired(t.Context(), s.ExpiresAt); n != 1 || err != nil {
			t.Errorf("forgot %d, %v, want the session", n, err)
		}
	},

	"signing in finds the merchant, or makes one where that is open": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		must(t, f.AddWallet(t.Context(), merchant.Wallet{Address: address(1), Merchant: m, CreatedAt: start}))
		s, secret, err := merchant.SignIn(t.Context(), f.Store, merchant.Proof{Wallet: address(1), Chain: chain}, false, start)
		must(t, err)
		if s.Merchant != m || s.Wallet != address(1) {
			t.Errorf("signed in as %+v", s)
		}
		if _, err := f.Session(t.Context(), merchant.HashSecret(secret), start); err != nil {
			t.Error(err)
		}
		_, _, err = merchant.SignIn(t.Context(), f.Store, merchant.Proof{Wallet: address(1), Chain: chain, ByContract: true}, true, start)
		refused(t, "a contract at the address of a key", err, fault.Forbidden, "contract_unknown")
		_, _, err = merchant.SignIn(t.Context(), f.Store, merchant.Proof{Wallet: address(2), Chain: chain}, false, start)
		refused(t, "a stranger", err, fault.Forbidden, "wallet_unknown")
		first, _, err := merchant.SignIn(t.Context(), f.Store, merchant.Proof{Wallet: address(2), Chain: chain}, true, start)
		must(t, err)
		again, _, err := merchant.SignIn(t.Context(), f.Store, merchant.Proof{Wallet: address(2), Chain: chain}, false, start)
		must(t, err)
		if first.Merchant != again.Merchant || first.Merchant == m {
			t.Errorf("signed in as %s and then %s", first.Merchant, again.Merchant)
		}
	},
}
