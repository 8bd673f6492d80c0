package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// later is when everything that a test does was long ago.
var later = start.AddDate(1, 0, 0)

// archive archives all that may be, in steps, and returns how many that were.
func (f *fixture) archive(t testing.TB, quiet time.Time) (moved int) {
	t.Helper()
	for after := payment.ID(""); ; {
		a, err := f.Archive(t.Context(), after, quiet)
		must(t, err)
		if moved += a.Moved; a.Last == "" {
			return moved
		}
		after = a.Last
	}
}

// closedRow stores a payment that ended in a state, and what it came by.
func (f *fixture) closedRow(t testing.TB, state payment.State) *payment.Payment {
	t.Helper()
	p := f.dollars(f.merchant(t).ID, 250)
	f.insert(t, p)
	x := transfer("key of "+string(p.ID), 7)
	x.Stage = payment.Final
	f.write(t, func(tx checkout.Tx) error {
		p.Standing.State = state
		return errors.Join(
			tx.PutSecret(t.Context(), p.ID, "secret of "+string(p.ID)),
			tx.InsertQuote(t.Context(), p.ID, quote(f.id(), time.Minute)),
			tx.PutScreening(t.Context(), p.ID, screening(checkout.PayerRole, 1, checkout.Approved)),
			tx.PutSafeAsked(t.Context(), checkout.SafeAsked{Payment: p.ID, Chain: chain, Safe: address(3), Block: 7, At: start}),
			tx.AppendEvent(t.Context(), f.quiet(p, "created")),
			tx.AppendEvent(t.Context(), f.quiet(p, payment.EventRefunded)),
			tx.SaveStanding(t.Context(), p),
		)
	})
	f.put(t, p.ID, x)
	f.attempt(t, p.ID, payment.Attempt{Key: "tx", Kind: payment.KindTx, Chain: chain, Handle: hash(5), Payer: address(4).String(), Stage: payment.Announced, At: start, Route: route(1)})
	g := f.grant(p, 5, start)
	g.Sent, g.Settled, g.OpHash = true, true, hash(int(p.Terms.CreatedAt.Unix()))+string(p.ID)
	f.grants(t, g)
	f.due(t, later) // all is told
	return p
}

// quiet is an event of long ago.
func (f *fixture) quiet(p *payment.Payment, kind payment.EventKind) payment.Event {
	e := f.event(p, kind)
	e.At = start
	return e
}

// seenOf is all that can be asked about a payment.
func (f *fixture) seenOf(t testing.TB, p *payment.Payment) string {
	t.Helper()
	ctx, r := t.Context(), p.Terms.Requests[0]
	var say strings.Builder
	tell := func(what string, v any, err error) {
		must(t, err)
		if q, ok := v.(*payment.Payment); ok {
			fmt.Fprintf(&say, "%s: %+v %+v %+v %+v v%d\n", what, q.Terms, q.Standing, q.Transfers, q.Quotes, q.Version)
			for _, a := range q.Attempts {
				fmt.Fprintf(&say, " %+v %+v\n", a.Key, a.Route)
			}
			return
		}
		fmt.Fprintf(&say, "%s: %+v\n", what, v)
	}
	one, err := f.Payment(ctx, p.ID)
	tell("payment", one, err)
	one, err = f.PaymentByRequest(ctx, r.ID)
	tell("by request", one, err)
	if p.Terms.Alias != "" {
		one, err = f.PaymentByAlias(ctx, p.Terms.Dialect, p.Terms.Alias)
		tell("by alias", one, err)
	}
	for _, h := range r.Handles {
		owners, err := f.Owners(ctx, h.Rail, []string{h.Value, "nobody's"})
		tell("owner", owners, err)
	}
	events, err := f.Events(ctx, p.ID)
	tell("events", len(events), err)
	for _, e := range events {
		again, _, err := f.Event(ctx, e.ID)
		if !reflect.DeepEqual(e, again) {
			t.Errorf("event %+v is %+v by its id", e, again)
		}
		tell("event", fmt.Sprintf("%+v %+v", e.Transfer, e), err)
	}
	screened, err := f.Screenings(ctx, p.ID)
	tell("screenings", screened, err)
	safes, err := f.SafesAsked(ctx, p.ID, chain)
	tell("safes", safes, err)
	secret, err := f.Secret(ctx, p.ID)
	tell("secret", secret, err)
	return pointers.ReplaceAllString(say.String(), "")
}

// seenIn is what lists and searches say of a merchant.
func (f *fixture) seenIn(t testing.TB, m payment.MerchantID, dialect string) string {
	t.Helper()
	ctx := t.Context()
	var say strings.Builder
	for n := range 32 {
		l := checkout.Listing{Merchant: m, Dialect: dialect, ByAmount: n&1 > 0, ByPaid: n&2 > 0, Ascending: n&4 > 0, Limit: 7, Offset: n & 8, Deleted: true}
		if n&16 > 0 {
			l.Search = "order"
		}
		found, total, err := f.List(ctx, l)
		must(t, err)
		fmt.Fprintln(&say, "list", n, total)
		for _, p := range found {
			fmt.Fprintln(&say, " ", p.ID, p.Standing.State)
		}
		q := checkout.IncomeQuery{Merchant: m, Dialect: dialect, Limit: 5, Offset: n & 7}
		if q.Search = l.Search; n&8 > 0 {
			q.From = start.Add(time.Hour)
		}
		rows, total, err := f.Income(ctx, q)
		must(t, err)
		fmt.Fprintln(&say, "income", n, total)
		for _, i := range rows {
			fmt.Fprintln(&say, " ", i.Payment.ID, i.Transfer != nil, i.At)
		}
		s := checkout.Search{Merchant: m, Limit: 9, Offset: n & 3, Shown: n&4 > 0}
		s.Came = []checkout.Came{checkout.AnyWay, checkout.Directly, checkout.OverBridge}[n%3]
		switch n / 4 {
		case 1:
			s.Wallet = address(600)
		case 2:
			s.Wallet = address(501)
		case 3:
			s.Asset = "USDC-base"
		case 4:
			s.Dialect = dialect
		case 5:
			s.Order = "order 1"
		case 6:
			s.ClientID = "cli_1"
		case 7:
			s.Tx = hash(9003)
		}
		arrivals, total, err := f.Arrivals(ctx, s)
		must(t, err)
		fmt.Fprintln(&say, "search", n, total)
		for _, a := range arrivals {
			fmt.Fprintln(&say, " ", a.Payment, a.Transfer.Key, a.State, a.Order, a.RequestID, a.Holder)
		}
	}
	return say.String()
}

// spare stores closed payments of every kind that lists and searches know, in what order
// the others are kept by something that happened later.
func (f *fixture) spare(t testing.TB) (merchants []payment.MerchantID, all []*payment.Payment) {
	t.Helper()
	m, listed := f.listed(t)
	n, earned := f.income(t)
	stocked := f.stock(t)
	merchants = append(stocked.merchants, m, n)
	all = append(all, listed...)
	for _, e := range earned {
		if !slices.Contains(all, e.p) {
			all = append(all, e.p)
		}
	}
	for _, p := range stocked.owner {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *payment.Payment) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for i, p := range all {
		f.write(t, func(tx checkout.Tx) error {
			stored, err := tx.Payment(t.Context(), p.ID)
			if err != nil || stored.Standing.State == payment.Paid {
				return err
			}
			stored.Standing.State = []payment.State{payment.Expired, payment.Failed, payment.Canceled, payment.Open}[i%4]
			return tx.SaveStanding(t.Context(), stored)
		})
	}
	f.due(t, later) // all is told
	return merchants, all
}

var archives = map[string]func(*testing.T, *fixture){
	"what is closed and quiet": func(t *testing.T, f *fixture) {
		ctx := t.Context()
		states := map[payment.State]bool{payment.Open: false, payment.Seen: false, payment.Paid: true, payment.Failed: true, payment.Expired: true, payment.Canceled: true}
		for state, moves := range states {
			f.closedRow(t, state)
			if moved := f.archive(t, later); (moved == 1) != moves {
				t.Errorf("%s: %d payments were archived", state, moved)
			}
		}
		if moved := f.archive(t, later); moved != 0 {
			t.Errorf("%d payments were archived twice", moved)
		}
		reasons := map[string]func(*payment.Payment, checkout.Tx) error{
			"a pending transfer": func(p *payment.Payment, tx checkout.Tx) error {
				_, err := tx.PutTransfer(ctx, p.ID, transfer("pending", 8))
				return err
			},
			"an attempt that is followed": func(p *payment.Payment, tx checkout.Tx) error {
				_, err := tx.PutAttempt(ctx, p.ID, payment.Attempt{Key: "b", Kind: payment.KindBridge, Chain: chain, Stage: payment.Proven, At: start})
				return err
			},
			"an attempt that may still happen": func(p *payment.Payment, tx checkout.Tx) error {
				_, err := tx.PutAttempt(ctx, p.ID, payment.Attempt{Key: "c", Kind: payment.KindTx, Chain: chain, Stage: payment.Announced, At: start, Until: later.Add(1)})
				return err
			},
			"gas that is not settled": func(p *payment.Payment, tx checkout.Tx) error {
				g := f.grant(p, 5, start)
				g.Sent, g.OpHash = true, hash(4711)
				return tx.PutGrant(ctx, g)
			},
			"a quote": func(p *payment.Payment, tx checkout.Tx) error {
				return tx.InsertQuote(ctx, p.ID, quote(f.id(), 366*24*time.Hour))
			},
			"something that happened": func(p *payment.Payment, tx checkout.Tx) error {
				e := f.quiet(p, "created")
				e.At = later
				return tx.AppendEvent(ctx, e)
			},
		}
		for reason, do := range reasons {
			p := f.closedRow(t, payment.Paid)
			f.write(t, func(tx checkout.Tx) error { return do(p, tx) })
			if moved := f.archive(t, later); moved != 0 {
				t.Errorf("a payment was archived in spite of %s", reason)
			}
		}
		p := f.closedRow(t, payment.Paid)
		f.append(t, f.quiet(p, payment.EventPaid))
		if moved := f.archive(t, later); moved != 0 {
			t.Error("a payment was archived of which something is to be told")
		}
		f.closedRow(t, payment.Paid)
		f.archive(t, later)
		p = f.closedRow(t, payment.Paid)
		must(t, f.SaveDeliveries(ctx, nil, []webhook.Delivery{{ID: f.id(), EventID: "E", Payment: p.ID, Merchant: p.Terms.Merchant, Endpoint: "W", State: webhook.Queued, CreatedAt: start}}))
		if moved := f.archive(t, later); moved != 0 {
			t.Error("a payment was archived whose webhook is under way")
		}
		if moved := f.archive(t, start); moved != 0 {
			t.Error("a payment was archived at once")
		}
	},
	"everything reads as before, after each step": func(t *testing.T, f *fixture) {
		merchants, all := f.spare(t)
		look := func() (now []string) {
			for _, m := range merchants {
				for _, d := range []string{"request", "spacepay", "secpaid"} {
					now = append(now, f.seenIn(t, m, d))
				}
			}
			for _, p := range all {
				now = append(now, f.seenOf(t, p))
			}
			return now
		}
		before, moved, steps := look(), 0, 0
		for after := payment.ID(""); ; steps++ {
			a, err := f.Archive(t.Context(), after, later)
			must(t, err)
			moved += a.Moved
			for i, now := range look() {
				if now != before[i] {
					t.Fatalf("after %d payments were archived, what was\n%s\nis\n%s", moved, before[i], now)
				}
			}
			if after = a.Last; after == "" {
				break
			}
		}
		if cold := f.node(t); moved < 40 || steps < 2 || cold.seenOf(t, all[0]) != before[len(before)-len(all)] {
			t.Errorf("%d payments were archived in %d steps, or another node sees another thing", moved, steps)
		}
	},
	"whoever writes brings it back": func(t *testing.T, f *fixture) {
		ctx := t.Context()
		writers := map[string]func(*payment.Payment, checkout.Tx) error{
			"loading it for a change": func(p *payment.Payment, tx checkout.Tx) error { _, err := tx.Payment(ctx, p.ID); return err },
			"a transfer": func(p *payment.Payment, tx checkout.Tx) error {
				x := transfer("late", 9)
				x.At = later.AddDate(10, 0, 0)
				changed, err := tx.PutTransfer(ctx, p.ID, x)
				if err == nil && !changed {
					err = errors.New("a new transfer is no news")
				}
				return err
			},
			"an attempt": func(p *payment.Payment, tx checkout.Tx) error {
				_, err := tx.PutAttempt(ctx, p.ID, payment.Attempt{Key: "tx", Kind: payment.KindTx, Chain: chain, Stage: payment.Executed, At: start})
				return err
			},
			"an event": func(p *payment.Payment, tx checkout.Tx) error {
				return tx.AppendEvent(ctx, f.quiet(p, payment.EventLate))
			},
			"a screening": func(p *payment.Payment, tx checkout.Tx) error {
				return tx.PutScreening(ctx, p.ID, screening(checkout.PayerRole, 2, checkout.Approved))
			},
			"a quote":      func(p *payment.Payment, tx checkout.Tx) error { return tx.InsertQuote(ctx, p.ID, quote(f.id(), 0)) },
			"fewer quotes": func(p *payment.Payment, tx checkout.Tx) error { return tx.ForgetQuotes(ctx, p.ID, later) },
			"a credit": func(p *payment.Payment, tx checkout.Tx) error {
				_, err := tx.Credit(ctx, p.ID, "key of "+string(p.ID), big.NewInt(5), "Q")
				return err
			},
			"a grant": func(p *payment.Payment, tx checkout.Tx) error { return tx.PutGrant(ctx, f.grant(p, 5, start)) },
			"its grants": func(p *payment.Payment, tx checkout.Tx) error {
				_, err := tx.GrantSums(ctx, f.grant(p, 5, start), start)
				return err
			},
			"a Safe": func(p *payment.Payment, tx checkout.Tx) error {
				return tx.PutSafeAsked(ctx, checkout.SafeAsked{Payment: p.ID, Chain: chain, Safe: address(3), Block: 7, At: later})
			},
		}
		for what, do := range writers {
			p := f.closedRow(t, payment.Paid)
			before, version := f.seenOf(t, p), f.load(t, p.ID).Version
			if f.archive(t, later) == 0 {
				t.Fatal("nothing was archived")
			}
			there := f.archived(t)
			errUndone := errors.New("undone")
			if err := f.Write(ctx, func(tx checkout.Tx) error { return errors.Join(do(p, tx), errUndone) }); !errors.Is(err, errUndone) || fault.Is(err, fault.NotFound) {
				t.Fatalf("%s: %v", what, err)
			}
			if now := f.seenOf(t, p); now != before || f.archived(t) != there {
				t.Errorf("%s: what was undone is not", what)
			}
			f.write(t, func(tx checkout.Tx) error {
				if err := do(p, tx); err != nil {
					return err
				}
				q, err := tx.Payment(ctx, p.ID)
				if err != nil || q.Version != version {
					return fmt.Errorf("the payment has version %d, not %d: %w", q.Version, version, err)
				}
				return tx.SaveStanding(ctx, q)
			})
			if f.archived(t) != there-1 {
				t.Errorf("%s leaves the payment in the archive", what)
			}
			f.seenOf(t, p)
		}
	},
	"what is taken stays taken": func(t *testing.T, f *fixture) {
		ctx := t.Context()
		p := f.closedRow(t, payment.Paid)
		f.archive(t, later)
		q := f.dollars(p.Terms.Merchant, 100)
		q.Terms.Alias = p.Terms.Alias
		err := f.Write(ctx, func(tx checkout.Tx) error { return tx.InsertPayment(ctx, q) })
		refused(t, "its alias", err, fault.Conflict, "payment_exists")
		other := f.payment(t, 1)
		err = f.Write(ctx, func(tx checkout.Tx) error {
			_, err := tx.PutTransfer(ctx, other.ID, transfer("key of "+string(p.ID), 7))
			return err
		})
		refused(t, "a transfer of an archived payment", err, fault.Conflict, "transfer_taken")
		f.write(t, func(tx checkout.Tx) error { // its own again is no news
			x := transfer("key of "+string(p.ID), 7)
			x.Stage = payment.Final
			changed, err := tx.PutTransfer(ctx, p.ID, x)
			if err == nil && changed {
				err = errors.New("the same transfer counts twice")
			}
			return err
		})
	},
	"a part that is undone": func(t *testing.T, f *fixture) {
		p := f.closedRow(t, payment.Paid)
		f.archive(t, later)
		ctx, refuse := t.Context(), errors.New("refused")
		_, _, err := f.Once(ctx, nil, start, func(ctx2 context.Context) (checkout.Answer, error) {
			put := func(then error) error {
				return f.Write(ctx2, func(tx checkout.Tx) error {
					return errors.Join(tx.AppendEvent(ctx2, f.quiet(p, payment.EventLate)), then)
				})
			}
			if err := put(refuse); !errors.Is(err, refuse) {
				return checkout.Answer{}, fmt.Errorf("the part that fails: %w", err)
			}
			return checkout.Answer{}, put(nil)
		})
		must(t, err)
		if es, err := f.Events(ctx, p.ID); err != nil || len(es) != 3 || f.archived(t) != 0 {
			t.Errorf("%d events, %v", len(es), err)
		}
	},
	"several nodes, and money that comes late": func(t *testing.T, f *fixture) {
		const count = 60
		var all []*payment.Payment
		for range count {
			all = append(all, f.closedRow(t, payment.Paid))
		}
		rows := Rows(t, f.dsn)
		nodes := []*fixture{f, f.node(t), f.node(t)}
		var busy sync.WaitGroup
		for _, n := range nodes[:2] {
			busy.Go(func() { n.archive(t, later) })
		}
		for i, p := range all {
			if i%3 > 0 {
				continue
			}
			busy.Go(func() {
				err := nodes[2].Write(t.Context(), func(tx checkout.Tx) error {
					q, err := tx.Payment(t.Context(), p.ID)
					if err != nil {
						return err
					}
					x := transfer("late "+string(p.ID), 9)
					x.At, x.Stage = later, payment.Final
					if _, err := tx.PutTransfer(t.Context(), p.ID, x); err != nil {
						return err
					}
					return tx.SaveStanding(t.Context(), q)
				})
				if err != nil {
					t.Errorf("late money of %s: %v", p.ID, err)
				}
			})
		}
		for n := range 200 { // nobody ever misses one while it moves
			if _, err := f.Payment(t.Context(), all[n*7%count].ID); err != nil {
				t.Fatal(err)
			}
		}
		busy.Wait()
		f.archive(t, later)
		after := Rows(t, f.dsn)
		for name, n := range rows {
			if late := map[string]int{"transfers": count / 3}[name]; !slices.Contains([]string{"handle_marks", "mark_batches"}, name) && !strings.HasSuffix(name, "_old") && after[name]+after[name+"_old"] != n+late {
				t.Errorf("of %d rows of %s, %d and %d are left", n, name, after[name], after[name+"_old"])
			}
		}
		if after["payments"] != count/3 || after["payments_old"] != count-count/3 {
			t.Errorf("%d payments are here and %d in the archive", after["payments"], after["payments_old"])
		}
		for i, p := range all {
			if want := []int{2, 1, 1}[i%3]; len(f.load(t, p.ID).Transfers) != want {
				t.Errorf("payment %s has not %d transfers", p.ID, want)
			}
		}
	},
}

// archived is how many payments are in the archive.
func (f *fixture) archived(t testing.TB) int { return Rows(t, f.dsn)["payments_old"] }

// pointers are what differs between two equal values that are printed.
var pointers = regexp.MustCompile(`0xc[0-9a-f]{9}\b`)
