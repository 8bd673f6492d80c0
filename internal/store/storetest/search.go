package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// shelf is arrivals in two merchants' hands, stored and in memory.
type shelf struct {
	merchants []payment.MerchantID
	all       []checkout.Arrival
	owner     map[payment.ID]*payment.Payment
}

// stock stores payments of one and of two requests with transfers of every stage.
func (f *fixture) stock(t testing.TB) *shelf {
	t.Helper()
	s := &shelf{owner: map[payment.ID]*payment.Payment{}, merchants: []payment.MerchantID{f.merchant(t).ID, f.merchant(t).ID}}
	assets := []asset.ID{"USDC-base", "USDT-base", "ETH-base"}
	for i := range 40 {
		p := f.draw(s.merchants[i%2], 1+i%3/2)
		p.Terms.ClientID = []string{"", "cli_1", "cli_2"}[i%3]
		p.Terms.Reference = []string{"", "order 1", "order 2"}[i%5/2]
		p.Terms.Access = []payment.Access{{}, {Allowed: []payment.Address20{address(1)}, Screen: true}, {HidePayee: true}, {Screen: true, HideUntilApproved: true}}[i/2%4]
		for j := range p.Terms.Requests {
			p.Terms.Requests[j].Asset = assets[(i+j)%3]
			p.Terms.Requests[j].Payee = address(500 + i%4)
		}
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
		s.owner[p.ID] = p
		for j := range 1 + i%3 {
			x := transfer(fmt.Sprintf("key %d %d", i, j), uint64(i/2))
			x.Request = j % len(p.Terms.Requests)
			r := p.Terms.Requests[x.Request]
			x.Asset, x.Stage = r.Asset, []payment.Stage{payment.Final, payment.Final, payment.Pending, payment.Dropped}[(i+j)%4]
			x.Evidence.Payer = address(600 + i%3).String()
			if i%4 == 1 {
				x.Evidence.Source = payment.Source{Route: hash(i)}
				if i%8 == 1 {
					x.Evidence.Source = payment.Source{Route: hash(i), Chain: 137, Tx: hash(8000 + i/16), Asset: "USDT-matic", Amount: big256()}
				}
			}
			if i%7 == 0 {
				x.Evidence.Payer = r.Payee.String() // who pays itself is found once
			}
			if i%6 == 2 && j == 0 { // through a smart account, of somebody who pays by himself, too, or is paid
				owner := []asset.Address{address(600 + i/6%3), r.Payee, address(700)}[i/6%3]
				a := payment.Attempt{Key: "op", Kind: "user_op", Chain: x.Evidence.Chain, Handle: hash(9000 + i), Payer: x.Evidence.Payer, Stage: payment.Executed, At: start}
				if i%4 == 0 {
					a.Op = &payment.Op{Owner: owner.String(), Nonce: "0", Amount: big256()}
				} else {
					a.Kind, a.Owner = "tx", owner.String()
				}
				p.Attempts = []payment.Attempt{a}
				f.write(t, func(tx checkout.Tx) error {
					_, err := tx.PutAttempt(t.Context(), p.ID, p.Attempts[0])
					return err
				})
			}
			f.put(t, p.ID, x)
			if x.Stage != payment.Final {
				continue
			}
			s.all = append(s.all, checkout.Arrival{
				Payment: p.ID, State: p.Standing.State, Order: p.Terms.Reference, Transfer: x,
				RequestID: r.ID, Reference: r.Reference, Invoiced: r.Asset, Payee: r.Payee, FeePayee: r.FeePayee(), Holder: p.Holder(x),
			})
		}
	}
	slices.SortFunc(s.all, func(a, b checkout.Arrival) int {
		return cmp.Or(b.Transfer.At.Compare(a.Transfer.At), strings.Compare(b.Transfer.Key, a.Transfer.Key))
	})
	return s
}

// find is a search by looking at everything.
func (s *shelf) find(q checkout.Search) (found []checkout.Arrival, total int) {
	for _, a := range s.all {
		p, x := s.owner[a.Payment], a.Transfer
		fits := p.Terms.Merchant == q.Merchant && (!q.Shown || !p.Terms.Access.HidePayee && !p.Terms.Access.HideUntilApproved) && (q.ClientID == "" || p.Terms.ClientID == q.ClientID) &&
			(q.Dialect == "" || p.Terms.Dialect == q.Dialect) &&
			(q.Tx == "" || x.Evidence.Tx == q.Tx || x.Evidence.Source.Tx == q.Tx) &&
			(q.Came == checkout.AnyWay || (q.Came == checkout.OverBridge) == (x.Evidence.Source.Route != "")) && (q.RequestID == "" || a.RequestID == q.RequestID) &&
			(q.Reference == "" || a.Reference == q.Reference) && (q.Order == "" || a.Order == q.Order) &&
			(q.Invoiced == "" || a.Invoiced == q.Invoiced) && (q.Asset == "" || given(x) == q.Asset) &&
			(q.Wallet.IsZero() || x.Evidence.Payer == q.Wallet.String() || a.Payee == q.Wallet || a.Holder == q.Wallet.String()) &&
			(q.From.IsZero() || !x.At.Before(q.From)) && (q.To.IsZero() || !x.At.After(q.To))
		if !fits {
			continue
		}
		if total >= q.Offset && len(found) < q.Limit {
			found = append(found, a)
		}
		total++
	}
	return found, total
}

// given is the asset that a payer gave for a transfer.
func given(x payment.Transfer) asset.ID { return cmp.Or(x.Evidence.Source.Asset, x.Asset) }

// draw makes a search of which each member is set now and then.
func (s *shelf) draw(r *rand.Rand) checkout.Search {
	some := s.all[r.IntN(len(s.all))]
	q := checkout.Search{Merchant: s.merchants[r.IntN(2)], Limit: 1 + r.IntN(12)}
	if r.IntN(3) == 0 {
		q.Offset = r.IntN(12)
	}
	maybe := func(set func()) {
		if r.IntN(5) == 0 {
			set()
		}
	}
	maybe(func() { q.ClientID = "cli_1" })
	maybe(func() { q.Dialect = s.owner[some.Payment].Terms.Dialect })
	if r.IntN(20) == 0 {
		q.Dialect = "none"
	}
	maybe(func() { q.Shown = true })
	maybe(func() { q.Tx = some.Transfer.Evidence.Tx })
	maybe(func() {
		if tx := some.Transfer.Evidence.Source.Tx; tx != "" {
			q.Tx = tx
		}
	})
	maybe(func() { q.Came = checkout.OverBridge })
	maybe(func() { q.Came = checkout.Directly })
	maybe(func() { q.RequestID = some.RequestID })
	maybe(func() { q.Reference = some.Reference })
	maybe(func() { q.Order = "order 1" })
	maybe(func() { q.Invoiced = some.Invoiced })
	maybe(func() { q.Asset = given(some.Transfer) })
	maybe(func() { q.Wallet = some.Payee })
	maybe(func() { q.Wallet = address(600 + r.IntN(3)) })
	maybe(func() { q.Wallet = address(700) })
	maybe(func() { q.From = start.Add(time.Duration(r.IntN(20)) * time.Second) })
	maybe(func() { q.To = start.Add(time.Duration(r.IntN(20)) * time.Second) })
	return q
}

var searches = map[string]func(*testing.T, *fixture){
	"finding what looking at everything finds": func(t *testing.T, f *fixture) {
		s := f.stock(t)
		r := rand.New(rand.NewPCG(3, 7))
		hits := 0
		for range 400 {
			q := s.draw(r)
			got, total, err := f.Arrivals(t.Context(), q)
			must(t, err)
			want, wantTotal := s.find(q)
			hits += len(want)
			if total != wantTotal {
				t.Fatalf("%+v: total %d, want %d", q, total, wantTotal)
			}
			exact(t, fmt.Sprintf("%+v", q), got, want)
		}
		if hits < 100 {
			t.Errorf("%d hits: the searches try nothing", hits)
		}
	},

	"a transfer is found once it is final": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		q := checkout.Search{Merchant: p.Terms.Merchant, Limit: 10}
		x := transfer("a", 5)
		for _, step := range []struct {
			stage payment.Stage
			want  int
		}{{payment.Pending, 0}, {payment.Dropped, 0}, {payment.Pending, 0}, {payment.Final, 1}} {
			x.Stage = step.stage
			f.put(t, p.ID, x)
			got, total, err := f.Arrivals(t.Context(), q)
			must(t, err)
			if len(got) != step.want || total != step.want {
				t.Errorf("%s: found %d of %d, want %d", step.stage, len(got), total, step.want)
			}
		}
	},

	"outside text in a search": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		for _, text := range []string{"'", "' OR 1=1 --", "%", "\x00", "\xff", strings.Repeat("x", 1<<16)} {
			q := checkout.Search{Merchant: p.Terms.Merchant, Limit: 10, Order: text, RequestID: text, Asset: asset.ID(text)}
			if got, total, err := f.Arrivals(t.Context(), q); err != nil || len(got) != 0 || total != 0 {
				t.Errorf("%.20q: got %v of %d, %v", text, got, total, err)
			}
		}
	},
}
