package storetest

import (
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/payment"
)

// op is a user operation of which nothing is left out.
func op() *payment.Op {
	return &payment.Op{
		Owner: address(3).String(), Nonce: big256().String(), Next: 1 << 62, Token: "USDC-base", Amount: big256(),
		Fate: payment.FateFailed, ExecutedBy: hash(5), Why: "no \"money\" ☕",
	}
}

// grant is an unsent grant of some wei for a payment.
func (f *fixture) grant(p *payment.Payment, wei int64, at time.Time) checkout.Grant {
	return checkout.Grant{ID: f.id(), Payment: p.ID, Chain: chain, Owner: address(3), Wei: big.NewInt(wei), At: at}
}

func (f *fixture) grants(t testing.TB, gs ...checkout.Grant) {
	t.Helper()
	f.write(t, func(tx checkout.Tx) error {
		for _, g := range gs {
			if err := tx.PutGrant(t.Context(), g); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *fixture) granted(t testing.TB, on asset.ChainID, op string) (g *checkout.Grant) {
	t.Helper()
	f.write(t, func(tx checkout.Tx) (err error) {
		g, err = tx.Grant(t.Context(), on, op)
		return err
	})
	return g
}

func (f *fixture) grantSums(t testing.TB, g checkout.Grant, unsent time.Time) (s checkout.GrantSums) {
	t.Helper()
	f.write(t, func(tx checkout.Tx) (err error) {
		s, err = tx.GrantSums(t.Context(), g, unsent)
		return err
	})
	return s
}

func sums(n int, ofPayment, ofWallet, ofChain int64) checkout.GrantSums {
	return checkout.GrantSums{Grants: n, Payment: big.NewInt(ofPayment), WalletDay: big.NewInt(ofWallet), ChainDay: big.NewInt(ofChain)}
}

var gasless = map[string]func(*testing.T, *fixture){
	"what is known of a user operation comes out as it went in": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		full := payment.Attempt{
			Key: "op:1:1", Kind: "user_op", Chain: chain, Handle: hash(1), Stage: payment.Announced,
			Until: start.Add(time.Hour), At: start, Payer: address(1).String(), Op: op(),
		}
		bare := payment.Attempt{
			Key: "op:1:2", Kind: "user_op", Chain: chain, Handle: hash(2), Stage: payment.Announced, At: start, Payer: address(1).String(),
			Op: &payment.Op{Owner: address(3).String(), Nonce: "0", Token: "USDC-base", Amount: big.NewInt(1)},
		}
		for _, a := range []payment.Attempt{full, bare} {
			if !f.attempt(t, p.ID, a) || f.attempt(t, p.ID, a) {
				t.Error("the first time is a change, the second is none")
			}
		}
		exact(t, "stored", f.node(t).load(t, p.ID).Attempts, []payment.Attempt{full, bare})
		next := *bare.Op
		next.Next = 9
		bare.Op = &next
		full.Stage, full.Reason = payment.Abandoned, payment.ReasonOpFailed
		if !f.attempt(t, p.ID, bare) || !f.attempt(t, p.ID, full) {
			t.Error("that the search has got further, or an end, is no change")
		}
		exact(t, "changed", f.load(t, p.ID).Attempts, []payment.Attempt{full, bare})
		full.Op.Why = "\xff\x00"
		f.attempt(t, p.ID, full)
		if got := f.load(t, p.ID).Attempts[0].Op.Why; got != "\uFFFD\uFFFD" {
			t.Errorf("a stranger's text is stored as %q", got)
		}
	},

	"a grant comes out as it went in": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		g := f.grant(p, 0, start)
		g.Wei, _ = new(big.Int).SetString("9223372036854775807999999999", 10)
		f.grants(t, g)
		if got := f.granted(t, chain, ""); got != nil {
			t.Errorf("one without an operation is found as %+v", got)
		}
		g.OpHash, g.Account, g.Until, g.Op, g.Wei = hash(1), address(4), start.Add(time.Minute), op(), big.NewInt(1_000_000_001)
		f.grants(t, g)
		exact(t, "answered", f.node(t).granted(t, chain, hash(1)), &g)
		g.Sent, g.Settled, g.Wei = true, true, big.NewInt(7)
		f.grants(t, g)
		exact(t, "settled", f.granted(t, chain, hash(1)), &g)
		if f.granted(t, 137, hash(1)) != nil || f.granted(t, chain, hash(2)) != nil {
			t.Error("found on another chain, or by another hash")
		}
		own := f.grant(p, 5, start)
		own.OpHash, own.Sent = hash(2), true
		f.grants(t, own)
		exact(t, "a wallet's own", f.granted(t, chain, hash(2)), &own)
		f.write(t, func(tx checkout.Tx) error {
			return errors.Join(tx.DropGrant(t.Context(), g.ID), tx.DropGrant(t.Context(), g.ID))
		})
		if f.granted(t, chain, hash(1)) != nil {
			t.Error("it is still there")
		}
	},

	"grants that cannot be are refused": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		put := func(g checkout.Grant) error {
			return f.Write(t.Context(), func(tx checkout.Tx) error { return tx.PutGrant(t.Context(), g) })
		}
		g := f.grant(p, 1, start)
		g.OpHash = hash(1)
		f.grants(t, g)
		twice := f.grant(f.payment(t, 1), 1, start)
		twice.OpHash = hash(1)
		refused(t, "another of the same operation", put(twice), fault.Conflict, "already_exists")
		nobody := f.grant(&payment.Payment{ID: "01KE0000000000000000000000"}, 1, start)
		if err := put(nobody); !fault.Is(err, fault.NotFound) {
			t.Errorf("of no payment: %v", err)
		}
		for _, wei := range []*big.Int{big.NewInt(-1), big256()} {
			g := f.grant(p, 0, start)
			g.Wei = wei
			if put(g) == nil {
				t.Errorf("%s wei are stored", wei)
			}
		}
	},

	"what counts against a budget is added up": func(t *testing.T, f *fixture) {
		p, other := f.payment(t, 1), f.payment(t, 1)
		hour := start.Add(-time.Hour)
		asks := f.grant(p, 0, start)
		exact(t, "before any", f.grantSums(t, asks, hour), sums(0, 0, 0, 0))
		old, sent := f.grant(p, 1, hour), f.grant(p, 2, hour.Add(-time.Hour))
		sent.Sent = true
		fresh := f.grant(p, 999_999_999, hour.Add(time.Microsecond))
		yesterday := f.grant(p, 10, start.Add(-24*time.Hour))
		yesterday.Sent = true
		f.grants(t, old, sent, fresh, yesterday)
		exact(t, "of one payment", f.grantSums(t, asks, hour), sums(4, 1_000_000_011, 1_000_000_001, 1_000_000_001))
		same, wallet, elsewhere := f.grant(other, 100, start), f.grant(other, 1000, start), f.grant(other, 5, start)
		wallet.Owner, elsewhere.Chain = address(9), 137
		f.grants(t, same, wallet, elsewhere)
		exact(t, "of others too", f.node(t).grantSums(t, asks, hour), sums(4, 1_000_000_011, 1_000_000_101, 1_000_001_101))
		asks.Chain = 137
		exact(t, "on another chain", f.grantSums(t, asks, hour), sums(4, 1_000_000_011, 5, 5))
		asks = f.grant(other, 0, start.Add(12*time.Hour))
		exact(t, "on the next day", f.grantSums(t, asks, hour), sums(3, 1105, 0, 0))
		large := f.grant(other, 0, start)
		large.Wei, _ = new(big.Int).SetString("4611686018427387903999999999", 10) // two of them fit
		larger := large
		larger.ID = f.id()
		f.grants(t, large, larger)
		if got, want := f.grantSums(t, f.grant(p, 0, start), hour).ChainDay, new(big.Int).Add(new(big.Int).Lsh(large.Wei, 1), big.NewInt(1_000_001_101)); got.Cmp(want) != 0 {
			t.Errorf("the sum is %s, want %s", got, want)
		}
	},

	"two nodes do not spend the last of a budget both": func(t *testing.T, f *fixture) {
		const budget = 5
		nodes := []*fixture{f, f.node(t)}
		var spending sync.WaitGroup
		var mu sync.Mutex
		granted := 0
		for i := range 16 {
			node, p := nodes[i%2], f.payment(t, 1)
			g := f.grant(p, 1, start)
			spending.Go(func() {
				err := node.Write(t.Context(), func(tx checkout.Tx) error {
					if _, err := tx.Payment(t.Context(), p.ID); err != nil {
						return err
					}
					s, err := tx.GrantSums(t.Context(), g, start.Add(-time.Hour))
					if err != nil {
						return err
					}
					if s.ChainDay.Cmp(big.NewInt(budget)) >= 0 {
						return errRollback
					}
					return tx.PutGrant(t.Context(), g)
				})
				if err != nil && !errors.Is(err, errRollback) {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					granted++
					mu.Unlock()
				}
			})
		}
		spending.Wait()
		if got := f.grantSums(t, f.grant(f.payment(t, 1), 0, start), start.Add(-time.Hour)); granted != budget || got.ChainDay.Int64() != budget {
			t.Errorf("%d were granted, %s are spent, of %d", granted, got.ChainDay, budget)
		}
	},

	"what was not used is forgotten, what was spent stays": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		unsent, sent := f.grant(p, 1, start), f.grant(p, 2, start)
		sent.Sent = true
		f.grants(t, unsent, sent)
		f.grantSums(t, unsent, start)
		for _, c := range []struct {
			after        time.Duration
			grants, days int
		}{{48*time.Hour - time.Microsecond, 2, 1}, {48 * time.Hour, 1, 1}, {72 * time.Hour, 1, 0}} {
			_, err := f.PruneExpired(t.Context(), start.Add(c.after))
			must(t, err)
			if rows := Rows(t, f.dsn); rows["gas_grants"] != c.grants || rows["gas_days"] != c.days {
				t.Errorf("after %s: %d grants, %d days, want %d, %d", c.after, rows["gas_grants"], rows["gas_days"], c.grants, c.days)
			}
		}
	},

	"a user operation is followed in a lane of its own": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		follow := checkout.Follow{Kind: checkout.GaslessTrackKind, Payment: p.ID, Key: "op:137:" + hash(1), Chain: 137, At: start}
		f.write(t, func(tx checkout.Tx) error { return tx.Follow(t.Context(), follow) })
		jobs, err := f.Claim(t.Context(), start, time.Minute, job.Room{Free: 5, Laned: 5, PerLane: 5})
		must(t, err)
		if len(jobs) != 1 || jobs[0].Kind != "op.track" || jobs[0].Args != follow.Args() || jobs[0].Lane != "op.track 137" {
			t.Errorf("jobs %+v", jobs)
		}
	},
}
