package storetest

import (
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// branch makes a merchant's branch active, with free addresses at some indexes.
func (f *fixture) branch(t testing.TB, m payment.MerchantID, indexes ...uint32) merchant.Branch {
	t.Helper()
	b := merchant.Branch{ID: f.id(), Merchant: m, XPub: "xpub" + f.id(), Asset: "USDC-base", Life: time.Hour, Active: true, CreatedAt: start}
	must(t, f.SetBranch(t.Context(), b))
	must(t, f.AddAddresses(t.Context(), f.derive(b, indexes...)))
	return b
}

// derive makes a branch's addresses, the same for the same index.
func (f *fixture) derive(b merchant.Branch, indexes ...uint32) []merchant.DepositAddress {
	var as []merchant.DepositAddress
	for _, i := range indexes {
		a := address(int(i))
		copy(a[1:12], b.ID[len(b.ID)-11:])
		as = append(as, merchant.DepositAddress{Address: a, Merchant: b.Merchant, Branch: b.ID, Index: i, CheckedAt: start})
	}
	return as
}

func (f *fixture) take(t testing.TB, m payment.MerchantID, id payment.ID) (a asset.Address, err error) {
	t.Helper()
	err = f.Write(t.Context(), func(tx checkout.Tx) (err error) {
		a, err = tx.TakeAddress(t.Context(), m, id, 3, start.Add(time.Minute))
		return err
	})
	return a, err
}

func (f *fixture) free(t testing.TB, b merchant.Branch) []uint32 {
	t.Helper()
	as, err := f.FreeAddresses(t.Context(), b.ID)
	must(t, err)
	var indexes []uint32
	for _, a := range as {
		indexes = append(indexes, a.Index)
	}
	return indexes
}

var branches = map[string]func(*testing.T, *fixture){
	"a merchant has one active branch, and keeps the others": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		_, err := f.Branch(t.Context(), m)
		refused(t, "before any", err, fault.NotFound, "no_deposit_key")
		_, err = f.BranchByID(t.Context(), "nobody's")
		refused(t, "an unknown one", err, fault.NotFound, "deposit_key_not_found")
		first := f.branch(t, m)
		second := f.branch(t, m)
		foreign := f.branch(t, other)
		got, err := f.node(t).Branch(t.Context(), m)
		must(t, err)
		exact(t, "active", got, second)

		again := first
		again.Asset, again.Life, again.NextIndex, again.CreatedAt = "ETH-base", 0, 77, start.Add(time.Hour)
		must(t, f.SetBranch(t.Context(), again))
		first.Asset, first.Life, second.Active = "ETH-base", 0, false
		all, err := f.Branches(t.Context())
		must(t, err)
		exact(t, "all", all, []merchant.Branch{first, second, foreign})
		got, err = f.BranchByID(t.Context(), second.ID)
		must(t, err)
		exact(t, "one that rests", got, second)

		stolen := foreign
		stolen.Merchant = m
		refused(t, "another's", f.SetBranch(t.Context(), stolen), fault.Conflict, "key_taken")
		got, err = f.Branch(t.Context(), m)
		must(t, err)
		exact(t, "after another's was refused", got, first)
		stolen.ID, stolen.Merchant = f.id(), "01KE0000000000000000000009"
		refused(t, "nobody's", f.SetBranch(t.Context(), stolen), fault.NotFound, "merchant_not_found")
	},

	"nodes that set branches at once leave one active": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		var each sync.WaitGroup
		for i := range 8 {
			b := merchant.Branch{ID: f.id(), Merchant: m, XPub: "x", CreatedAt: start.Add(time.Duration(i))}
			each.Go(func() {
				if err := f.SetBranch(t.Context(), b); err != nil {
					t.Error(err)
				}
			})
		}
		each.Wait()
		all, err := f.Branches(t.Context())
		must(t, err)
		active := slices.DeleteFunc(slices.Clone(all), func(b merchant.Branch) bool { return !b.Active })
		if len(all) != 8 || len(active) != 1 {
			t.Errorf("%d branches, of which %d are active", len(all), len(active))
		}
	},

	"indexes are claimed once": func(t *testing.T, f *fixture) {
		b := f.branch(t, f.merchant(t).ID)
		var mu sync.Mutex
		var each sync.WaitGroup
		var firsts []uint32
		for range 10 {
			each.Go(func() {
				first, err := f.ClaimIndexes(t.Context(), b.ID, 7)
				mu.Lock()
				defer mu.Unlock()
				if firsts = append(firsts, first); err != nil {
					t.Error(err)
				}
			})
		}
		each.Wait()
		slices.Sort(firsts)
		exact(t, "firsts", firsts, []uint32{0, 7, 14, 21, 28, 35, 42, 49, 56, 63})
		got, err := f.Branch(t.Context(), b.Merchant)
		must(t, err)
		if got.NextIndex != 70 {
			t.Errorf("the next is %d", got.NextIndex)
		}
		_, err = f.ClaimIndexes(t.Context(), "nobody's", 1)
		refused(t, "nobody's", err, fault.NotFound, "deposit_key_not_found")
		// BIP-32 has indexes below 2^31 for public keys.
		_, err = f.ClaimIndexes(t.Context(), b.ID, 1<<31-69)
		refused(t, "one too many", err, fault.Conflict, "key_used_up")
		if first, err := f.ClaimIndexes(t.Context(), b.ID, 1<<31-70); err != nil || first != 70 {
			t.Errorf("all that are left begin at %d, %v", first, err)
		}
	},

	"addresses are given out in order, once, and of the active branch": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		_, err := f.take(t, m, "P")
		refused(t, "without a branch", err, fault.NotFound, "no_deposit_key")
		resting := f.branch(t, m, 1)
		b := f.branch(t, m, 9, 4, 6)
		foreign := f.branch(t, f.merchant(t).ID, 2)
		exact(t, "free", f.free(t, b), []uint32{4, 6, 9})
		for i, want := range []uint32{4, 6, 9} {
			id := payment.ID(f.id())
			a, err := f.take(t, m, id)
			must(t, err)
			full := f.derive(b, want)[0]
			full.Payment, full.Request, full.TakenAt = id, 3, start.Add(time.Minute)
			got, err := f.DepositAddress(t.Context(), a)
			must(t, err)
			full.Seq = got.Seq
			exact(t, "taken", got, full)
			if n := len(f.free(t, b)); n != 2-i {
				t.Errorf("%d are free after %d were taken", n, i+1)
			}
		}
		_, err = f.take(t, m, "P")
		refused(t, "none left", err, fault.Unavailable, "no_address")
		exact(t, "of the others", [][]uint32{f.free(t, resting), f.free(t, foreign)}, [][]uint32{{1}, {2}})
		_, err = f.DepositAddress(t.Context(), address(1))
		refused(t, "an unknown address", err, fault.NotFound, "deposit_address_not_found")
	},

	"an address comes back with a transaction that fails": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		b := f.branch(t, m, 1, 2)
		if err := f.Write(t.Context(), func(tx checkout.Tx) error {
			if _, err := tx.TakeAddress(t.Context(), m, "P", 0, start); err != nil {
				return err
			}
			return errRollback
		}); err != errRollback { //nolint:errorlint // it must come back as it is
			t.Fatal(err)
		}
		exact(t, "free", f.free(t, b), []uint32{1, 2})
	},

	"many creations at once get an address each": func(t *testing.T, f *fixture) {
		const count = 40
		m := f.merchant(t).ID
		var indexes []uint32
		for i := range uint32(count) {
			indexes = append(indexes, i)
		}
		b := f.branch(t, m, indexes...)
		other := f.node(t)
		var mu sync.Mutex
		var each sync.WaitGroup
		all := map[asset.Address]int{}
		for i := range count {
			on := []*fixture{f, other}[i%2]
			id := payment.ID(f.id())
			each.Go(func() {
				a, err := on.take(t, m, id)
				mu.Lock()
				defer mu.Unlock()
				if all[a]++; err != nil {
					t.Error(err)
				}
			})
		}
		each.Wait()
		if len(all) != count || len(f.free(t, b)) != 0 {
			t.Errorf("%d creations got %d addresses, %v are free", count, len(all), f.free(t, b))
		}
	},

	"checked again, and dropped": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		b := f.branch(t, m, 1, 2, 3)
		taken, err := f.take(t, m, "P")
		must(t, err)
		as := f.derive(b, 1, 2, 3)
		later := start.Add(time.Hour)
		for _, a := range as {
			must(t, f.RefreshAddress(t.Context(), a.Address, later))
		}
		must(t, f.DropAddress(t.Context(), taken))
		must(t, f.DropAddress(t.Context(), as[1].Address))
		must(t, f.DropAddress(t.Context(), address(7)))
		all, err := f.AddressesAfter(t.Context(), 0, 10)
		must(t, err)
		if len(all) != 2 || !all[0].CheckedAt.Equal(start) || all[0].Payment != "P" || !all[1].CheckedAt.Equal(later) || all[1].Index != 3 {
			t.Errorf("left: %+v", all)
		}
		must(t, f.AddAddresses(t.Context(), as)) // only what is gone comes back
		exact(t, "free", f.free(t, b), []uint32{2, 3})
		if got, err := f.DepositAddress(t.Context(), taken); err != nil || got.Payment != "P" {
			t.Errorf("the taken one is %+v, %v", got, err)
		}
	},

	"numbers rise in the order in which addresses become visible": func(t *testing.T, f *fixture) {
		b := f.branch(t, f.merchant(t).ID)
		other := f.node(t)
		var adding sync.WaitGroup
		for n := range uint32(8) {
			on := []*fixture{f, other}[n%2]
			adding.Go(func() {
				for i := range uint32(10) {
					var indexes []uint32
					for j := range n + 1 {
						indexes = append(indexes, n*1000+i*100+j)
					}
					if err := on.AddAddresses(t.Context(), f.derive(b, indexes...)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { adding.Wait(); close(done) }()
		var known int64
		seen := 0
		for over := false; !over; {
			select {
			case <-done:
				over = true
			default:
			}
			for {
				page, err := f.AddressesAfter(t.Context(), known, 7)
				must(t, err)
				for _, a := range page {
					if a.Seq <= known {
						t.Fatalf("%d after %d", a.Seq, known)
					}
					known = a.Seq
				}
				if seen += len(page); len(page) == 0 {
					break
				}
			}
		}
		if seen != 10*(1+2+3+4+5+6+7+8) {
			t.Errorf("whoever reads on from the last number saw %d", seen)
		}
		must(t, f.AddAddresses(t.Context(), nil))
	},
}

// dollars draws a payment of some cents to an address, not stored yet.
func (f *fixture) dollars(m payment.MerchantID, cents int64) *payment.Payment {
	p := f.draw(m, 1)
	p.Terms.Dialect, p.Terms.Alias, p.Terms.SecretHash, p.Terms.Metadata = "spacepay", "alias-"+f.id(), "0badc0de", `{"a":"☕\u0000"}`
	r := &p.Terms.Requests[0]
	r.Asset, r.Due, r.Topic, r.Reference, r.Salt = asset.USD, money.Cents(cents), "", "", ""
	r.Handles = []payment.Handle{{Rail: "deposit", Value: r.Payee.Lower()}}
	p.Standing = payment.Assess(p.Terms, nil, nil, start)
	return p
}

func quote(id string, after time.Duration) payment.Quote {
	return payment.Quote{
		ID: id, Asset: "ETH-base", Chain: chain, Due: money.Cents(250), Units: big256(),
		Price: money.Price{Value: big.NewInt(374205353900), At: start.Add(-time.Second), Source: "chainlink"}, Asked: true,
		CreatedAt: start.Add(after), ExpiresAt: start.Add(after + payment.QuoteLife),
	}
}

var quotes = map[string]func(*testing.T, *fixture){
	"a payment in dollars": func(t *testing.T, f *fixture) {
		p := f.dollars(f.merchant(t).ID, 250)
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
		sameStored(t, "from the cache", f.load(t, p.ID), p)
		sameStored(t, "from the database", f.node(t).load(t, p.ID), p)
		got, err := f.PaymentByAlias(t.Context(), "spacepay", p.Terms.Alias)
		must(t, err)
		sameStored(t, "by its alias", got, p)
		for _, alias := range []string{"", "\x00", p.Terms.Alias + "\x00", "ALIAS", "%"} {
			_, err = f.PaymentByAlias(t.Context(), "spacepay", alias)
			refused(t, "the alias "+alias, err, fault.NotFound, "payment_not_found")
		}
		_, err = f.PaymentByAlias(t.Context(), "request", p.Terms.Alias)
		refused(t, "another dialect's alias", err, fault.NotFound, "payment_not_found")
		owners, err := f.Owners(t.Context(), "deposit", []string{p.Terms.Requests[0].Payee.Lower(), address(1).Lower()})
		must(t, err)
		exact(t, "owners", owners, map[string]checkout.Owner{p.Terms.Requests[0].Payee.Lower(): {Payment: p.ID}})
	},

	"an alias and an address are taken once": func(t *testing.T, f *fixture) {
		p := f.dollars(f.merchant(t).ID, 250)
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
		for what, spoil := range map[string]func(*payment.Payment){
			"alias":   func(q *payment.Payment) { q.Terms.Alias = p.Terms.Alias },
			"address": func(q *payment.Payment) { q.Terms.Requests[0].Handles = p.Terms.Requests[0].Handles },
		} {
			q := f.dollars(p.Terms.Merchant, 250)
			spoil(q)
			err := f.Write(t.Context(), func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), q) })
			refused(t, "the same "+what, err, fault.Conflict, "payment_exists")
		}
		elsewhere := f.dollars(p.Terms.Merchant, 250)
		elsewhere.Terms.Dialect, elsewhere.Terms.Alias = "links", p.Terms.Alias
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), elsewhere) })
	},

	"quotes come in the order in which they were made": func(t *testing.T, f *fixture) {
		p := f.dollars(f.merchant(t).ID, 250)
		second, first, third := quote(f.id(), time.Minute), quote(f.id(), 0), quote(f.id(), time.Minute)
		second.Asked, second.Price.Source, third.Request = false, "price-api", 2
		f.write(t, func(tx checkout.Tx) error {
			must(t, tx.InsertPayment(t.Context(), p))
			must(t, tx.InsertQuote(t.Context(), p.ID, second))
			got, err := tx.Payment(t.Context(), p.ID)
			must(t, err)
			exact(t, "inside", got.Quotes, []payment.Quote{second})
			return tx.InsertQuote(t.Context(), p.ID, first)
		})
		f.write(t, func(tx checkout.Tx) error { return tx.InsertQuote(t.Context(), p.ID, third) })
		exact(t, "stored", f.load(t, p.ID).Quotes, []payment.Quote{first, second, third})
		err := f.Write(t.Context(), func(tx checkout.Tx) error { return tx.InsertQuote(t.Context(), p.ID, first) })
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("the same again: %v", err)
		}
		err = f.Write(t.Context(), func(tx checkout.Tx) error {
			return tx.InsertQuote(t.Context(), "01KE0000000000000000000000", quote(f.id(), 0))
		})
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("of nobody's payment: %v", err)
		}
	},

	"quotes that ended are forgotten unless something counts by them": func(t *testing.T, f *fixture) {
		p := f.dollars(f.merchant(t).ID, 250)
		counted, old, young := quote(f.id(), 0), quote(f.id(), 0), quote(f.id(), time.Minute)
		x := transfer("deposit:"+f.id(), 1)
		x.Quote = counted.ID
		f.write(t, func(tx checkout.Tx) error {
			must(t, tx.InsertPayment(t.Context(), p))
			for _, q := range []payment.Quote{counted, old, young} {
				must(t, tx.InsertQuote(t.Context(), p.ID, q))
			}
			_, err := tx.PutTransfer(t.Context(), p.ID, x)
			return err
		})
		f.load(t, p.ID)
		f.write(t, func(tx checkout.Tx) error { return tx.ForgetQuotes(t.Context(), p.ID, young.ExpiresAt) })
		exact(t, "kept", f.load(t, p.ID).Quotes, []payment.Quote{counted, young})
		exact(t, "on another node", f.node(t).load(t, p.ID).Quotes, []payment.Quote{counted, young})
	},

	"what may be sent is what open payments asked for": func(t *testing.T, f *fixture) {
		p := f.dollars(f.merchant(t).ID, 250)
		f.branch(t, p.Terms.Merchant)
		shown, made := quote(f.id(), 0), quote(f.id(), 0)
		shown.Asset, made.Asset, made.Asked = asset.ID("S"+f.id()), asset.ID("M"+f.id()), false
		f.write(t, func(tx checkout.Tx) error {
			must(t, tx.InsertPayment(t.Context(), p))
			must(t, tx.InsertQuote(t.Context(), p.ID, made))
			return tx.InsertQuote(t.Context(), p.ID, shown)
		})
		at := func(now time.Time) (until time.Time) {
			all, err := f.Quoted(t.Context(), now)
			must(t, err)
			if _, ok := all[made.Asset]; ok {
				t.Error("one that nobody was shown is among them")
			}
			return all[shown.Asset]
		}
		if until := at(p.Terms.ExpiresAt.Add(-time.Second)); !until.Equal(p.Terms.ExpiresAt) {
			t.Errorf("while it is open: until %s", until)
		}
		if until := at(p.Terms.ExpiresAt); !until.IsZero() {
			t.Errorf("when its time is over: until %s", until)
		}
		canceled := f.load(t, p.ID)
		canceled.Standing.State = payment.Canceled
		f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), canceled) })
		if until := at(p.Terms.CreatedAt); !until.IsZero() {
			t.Errorf("when it was called off: until %s", until)
		}
	},

	"a credit is given once": func(t *testing.T, f *fixture) {
		p := f.dollars(f.merchant(t).ID, 250)
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
		x := transfer("a", 10)
		x.Credit, x.Stage = new(big.Int), payment.Final
		f.put(t, p.ID, x)
		credit := func(id payment.ID, key string, units int64, quote string) (changed bool) {
			f.write(t, func(tx checkout.Tx) (err error) {
				changed, err = tx.Credit(t.Context(), id, key, big.NewInt(units), quote)
				return err
			})
			return changed
		}
		if credit(p.ID, "b", 1, "Q") || credit(payment.ID(f.id()), "a", 1, "Q") {
			t.Error("credited what is not there")
		}
		if !credit(p.ID, "a", 7, "Q") || credit(p.ID, "a", 8, "R") {
			t.Error("not credited once")
		}
		x.Credit, x.Quote = big.NewInt(7), "Q"
		exact(t, "credited", f.onlyTransfer(t, p.ID), x)
		again := x
		again.Credit, again.Quote = big.NewInt(9), "R"
		if f.put(t, p.ID, again) {
			t.Error("a later quote is a change")
		}
	},

	"what was not priced yet is priced when it is seen again": func(t *testing.T, f *fixture) {
		p := f.dollars(f.merchant(t).ID, 250)
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
		x := transfer("a", 10)
		x.Credit = new(big.Int)
		f.put(t, p.ID, x)
		moved := transfer("a", 11)
		moved.Credit = new(big.Int)
		f.put(t, p.ID, moved)
		exact(t, "moved", f.onlyTransfer(t, p.ID), moved)
		moved.Credit, moved.Quote = big.NewInt(5), "Q"
		if !f.put(t, p.ID, moved) {
			t.Error("a price is no change")
		}
		exact(t, "priced", f.onlyTransfer(t, p.ID), moved)
		other := transfer("a", 12) // a reorganisation put another amount there
		other.Amount, other.Credit, other.Quote = big.NewInt(9), big.NewInt(8), "R"
		f.put(t, p.ID, other)
		exact(t, "another amount", f.onlyTransfer(t, p.ID), other)
		unpriced := transfer("a", 13)
		unpriced.Amount, unpriced.Credit = big.NewInt(4), new(big.Int)
		f.put(t, p.ID, unpriced)
		exact(t, "another one without a price", f.onlyTransfer(t, p.ID), unpriced)
	},

	"an event keeps the quote": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		x := transfer("a", 10)
		x.Quote = "Q"
		e := payment.Event{ID: f.id(), Payment: p.ID, Merchant: p.Terms.Merchant, Dialect: "spacepay", Kind: payment.EventCreated, Request: 0, Transfer: &x, At: start}
		f.write(t, func(tx checkout.Tx) error { return tx.AppendEvent(t.Context(), e) })
		es, err := f.Events(t.Context(), p.ID)
		must(t, err)
		exact(t, "its transfer", es[0].Transfer, &x)
	},
}
