package payment_test

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/payment"
)

const (
	usdc asset.ID      = "USDC-base"
	home asset.ChainID = 84532
)

var dollar = asset.Token{ID: usdc, Chain: home, Decimals: 6}

// shares is a payment in euros to several payees, of cents each.
func shares(cents ...int64) *payment.Payment {
	p := &payment.Payment{ID: "P", Terms: payment.Terms{CreatedAt: quoted.Add(-time.Hour), ExpiresAt: payment.Endless}}
	for i, c := range cents {
		p.Terms.Requests = append(p.Terms.Requests, payment.Request{
			Index: i, ID: fmt.Sprint("request ", i), Asset: asset.EUR, Due: money.Cents(c), Payee: asset.Address{19: byte(i + 1)}, Chain: home,
			Salt: fmt.Sprint("salt ", i), Reference: fmt.Sprint("reference ", i), Topic: fmt.Sprint("topic ", i),
		})
	}
	return p
}

// ask freezes quotes of all that is missing at one price.
func ask(t testing.TB, p *payment.Payment, of asset.Token, price int64, at time.Time) {
	t.Helper()
	is := payment.Assess(p.Terms, p.Transfers, p.Attempts, at)
	for i, r := range p.Terms.Requests {
		missing := is.Requests[i].Missing(r.Due)
		if missing.Sign() == 0 {
			continue
		}
		q, err := payment.FreezeQuote(fmt.Sprint(of.ID, i, at), i, missing, of, money.Price{Value: big.NewInt(price)}, at, at.Add(payment.QuoteLife))
		if err != nil {
			t.Fatal(err)
		}
		q.Asked = true
		p.Quotes = append(p.Quotes, q)
	}
}

// send has units of an asset arrive for a request, at a quote that is good then.
func send(t testing.TB, p *payment.Payment, request int, of asset.ID, units *big.Int, stage payment.Stage, at time.Time) {
	t.Helper()
	q, ok := p.ActiveQuote(request, of, at)
	if !ok {
		t.Fatalf("no quote of %s for request %d", of, request)
	}
	p.Transfers = append(p.Transfers, payment.Transfer{
		Key: fmt.Sprint("transfer ", len(p.Transfers)), Request: request, Asset: of, Amount: units, Credit: q.Credit(units), Quote: q.ID, Stage: stage, At: at,
	})
}

func TestInAsset(t *testing.T) {
	const par = 1_00000000
	now := quoted.Add(time.Minute)
	for _, c := range []struct {
		name  string
		p     func() *payment.Payment
		of    asset.ID
		after time.Duration
		dues  []string // "request units" of what is due, none if there is no such payment
		state payment.State
		until time.Duration // after quoted; 0 for never
	}{
		{"of both shares", func() *payment.Payment {
			p := shares(3000, 1999)
			ask(t, p, dollar, par, quoted)
			return p
		}, usdc, 0, []string{"request 0 30000000", "request 1 19990000"}, payment.Open, payment.QuoteLife},
		{"nobody has asked", func() *payment.Payment { return shares(3000) }, usdc, 0, nil, "", 0},
		{"another asset was asked for", func() *payment.Payment {
			p := shares(3000)
			ask(t, p, dollar, par, quoted)
			return p
		}, eth, 0, nil, "", 0},
		{"the quotes have ended", func() *payment.Payment {
			p := shares(3000)
			ask(t, p, dollar, par, quoted)
			return p
		}, usdc, payment.QuoteLife, nil, "", 0},
		{"the quote of one share has ended", func() *payment.Payment {
			p := shares(3000, 1999)
			ask(t, p, dollar, par, quoted)
			p.Quotes[1].ExpiresAt = now
			return p
		}, usdc, 0, nil, "", 0},
		{"the quotes end one after the other", func() *payment.Payment {
			p := shares(3000, 1999)
			ask(t, p, dollar, par, quoted)
			p.Quotes[1].ExpiresAt = quoted.Add(5 * time.Minute)
			return p
		}, usdc, 0, []string{"request 0 30000000", "request 1 19990000"}, payment.Open, 5 * time.Minute},
		{"a quote of another chain", func() *payment.Payment {
			p := shares(3000)
			ask(t, p, dollar, par, quoted)
			p.Quotes[0].Chain++
			return p
		}, usdc, 0, nil, "", 0},
		{"one share was paid", func() *payment.Payment {
			p := shares(3000, 1999)
			ask(t, p, dollar, par, quoted)
			send(t, p, 0, usdc, big.NewInt(30_000_000), payment.Pending, quoted)
			return p
		}, usdc, 0, []string{"request 1 19990000"}, payment.Open, payment.QuoteLife},
		{"the rest of one share, by a newer price", func() *payment.Payment {
			p := shares(3000, 1999)
			ask(t, p, dollar, par, quoted)
			send(t, p, 0, usdc, big.NewInt(10_000_000), payment.Final, quoted)
			ask(t, p, dollar, par/2, quoted.Add(time.Second))
			return p
		}, usdc, 0, []string{"request 0 40000000", "request 1 39980000"}, payment.Open, payment.QuoteLife + time.Second},
		{"what was taken back is missing", func() *payment.Payment {
			p := shares(3000)
			ask(t, p, dollar, par, quoted)
			send(t, p, 0, usdc, big.NewInt(30_000_000), payment.Dropped, quoted)
			return p
		}, usdc, 0, []string{"request 0 30000000"}, payment.Open, payment.QuoteLife},
		{"all has come", func() *payment.Payment {
			p := shares(3000, 1999)
			ask(t, p, dollar, par, quoted)
			send(t, p, 0, usdc, big.NewInt(30_000_000), payment.Final, quoted)
			send(t, p, 1, usdc, big.NewInt(10_000_000), payment.Final, quoted)
			send(t, p, 1, usdc, big.NewInt(9_990_001), payment.Pending, quoted)
			return p
		}, usdc, time.Hour, []string{"request 0 30000000", "request 1 19990001"}, payment.Seen, 0},
		{"all has come, one share in another asset", func() *payment.Payment {
			p := shares(3000, 1999)
			ask(t, p, dollar, par, quoted)
			ask(t, p, ether, 2000*par, quoted)
			send(t, p, 0, eth, big.NewInt(15e15), payment.Final, quoted)
			send(t, p, 1, usdc, big.NewInt(19_990_000), payment.Final, quoted)
			return p
		}, usdc, 0, []string{"request 1 19990000"}, payment.Paid, 0},
		{"all has come, in another asset", func() *payment.Payment {
			p := shares(3000)
			ask(t, p, dollar, par, quoted)
			send(t, p, 0, usdc, big.NewInt(30_000_000), payment.Final, quoted)
			return p
		}, eth, 0, nil, "", 0},
		{"called off", func() *payment.Payment {
			p := shares(3000)
			ask(t, p, dollar, par, quoted)
			p.Terms.CanceledAt = quoted
			return p
		}, usdc, 0, []string{"request 0 30000000"}, payment.Canceled, payment.QuoteLife},
		{"to a deposit address", func() *payment.Payment {
			p := shares(3000)
			ask(t, p, dollar, par, quoted)
			p.Terms.Requests[0].Chain = 0
			return p
		}, usdc, 0, nil, "", 0},
		{"nothing due", func() *payment.Payment { return shares() }, usdc, 0, nil, "", 0},
	} {
		p := c.p()
		in, ok := payment.InAsset(p, c.of, now.Add(c.after))
		if ok != (len(c.dues) > 0) || ok != (in != nil) {
			t.Errorf("%s: %+v", c.name, in)
			continue
		}
		if !ok {
			continue
		}
		var dues []string
		for i, r := range in.Terms.Requests {
			dues = append(dues, fmt.Sprint(r.ID, " ", r.Due))
			was := p.Terms.Requests[slices.IndexFunc(p.Terms.Requests, func(q payment.Request) bool { return q.ID == r.ID })]
			if r.Index != i || r.Asset != c.of || r.Fiat() || r.Payee != was.Payee || r.Reference != was.Reference || r.Topic != was.Topic || r.Salt != was.Salt {
				t.Errorf("%s: request %+v", c.name, r)
			}
		}
		until := payment.Endless
		if c.until > 0 {
			until = quoted.Add(c.until)
		}
		if !slices.Equal(dues, c.dues) || in.Standing.State != c.state || !in.Terms.ExpiresAt.Equal(until) || in.ID != p.ID {
			t.Errorf("%s: %v is %s, until %s", c.name, dues, in.Standing.State, in.Terms.ExpiresAt)
		}
	}
}

// Who looks at a payment in an asset goes on seeing it when the price is over, as one that
// has expired once nothing can come by that price any more.
func TestLastInAsset(t *testing.T) {
	const par = 1_00000000
	asked := func() *payment.Payment {
		p := shares(3000, 1999)
		ask(t, p, dollar, par, quoted)
		return p
	}
	over := payment.QuoteLife + payment.QuoteGrace
	for _, c := range []struct {
		name  string
		p     func() *payment.Payment
		after time.Duration
		dues  []int64
		state payment.State // "" if there is no such payment
	}{
		{"the price is good", asked, 0, []int64{30_000_000, 19_990_000}, payment.Open},
		{"what was sent may still come", asked, over, []int64{30_000_000, 19_990_000}, payment.Open},
		{"what comes now is too late", asked, over + 1, []int64{30_000_000, 19_990_000}, payment.Expired},
		{"of two prices the newer is the one", func() *payment.Payment {
			p := asked()
			ask(t, p, dollar, par/2, quoted.Add(time.Minute))
			return p
		}, over + time.Minute, []int64{60_000_000, 39_980_000}, payment.Open},
		{"a price that nobody was shown", func() *payment.Payment {
			p := asked()
			ask(t, p, dollar, par/2, quoted.Add(time.Minute))
			p.Quotes[2].Asked, p.Quotes[3].Asked = false, false
			return p
		}, over + 1, []int64{30_000_000, 19_990_000}, payment.Expired},
		{"one share was paid, and the price is over", func() *payment.Payment {
			p := asked()
			send(t, p, 0, usdc, big.NewInt(30_000_000), payment.Final, quoted)
			return p
		}, over + 1, []int64{19_990_000}, payment.Expired},
		{"called off", func() *payment.Payment {
			p := asked()
			p.Terms.CanceledAt = quoted
			return p
		}, over + 1, []int64{30_000_000, 19_990_000}, payment.Canceled},
		{"nobody has asked", func() *payment.Payment { return shares(3000) }, 0, nil, ""},
		{"another asset was asked for", func() *payment.Payment {
			p := shares(3000)
			ask(t, p, ether, 2000*par, quoted)
			return p
		}, 0, nil, ""},
	} {
		in, ok := payment.LastInAsset(c.p(), usdc, quoted.Add(c.after))
		if ok != (c.state != "") {
			t.Errorf("%s: %+v", c.name, in)
			continue
		}
		if !ok {
			continue
		}
		var dues []int64
		for i, r := range in.Terms.Requests {
			dues = append(dues, r.Due.Int64())
			if in.Standing.Requests[i].State != c.state {
				t.Errorf("%s: request %d is %s", c.name, i, in.Standing.Requests[i].State)
			}
		}
		if in.Standing.State != c.state || !slices.Equal(dues, c.dues) {
			t.Errorf("%s: %v is %s", c.name, dues, in.Standing.State)
		}
	}
}

// Whatever has come before: who pays what is due in an asset has paid all that is missing,
// and for no unit less; the payment in the asset is paid then as well.
func TestInAssetPays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens := []asset.Token{dollar, ether, {ID: "WBTC-base", Chain: home, Decimals: 8}}
		p := shares(rapid.SliceOfN(rapid.Int64Range(1, 1_000_000), 1, 5).Draw(t, "cents")...)
		now := quoted
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			of := rapid.SampledFrom(tokens).Draw(t, "asset")
			in := pays(t, p, of, now)
			if in == nil {
				return
			}
			for _, r := range in.Terms.Requests { // a part of it
				part := new(big.Int).Mul(r.Due, big.NewInt(rapid.Int64Range(0, 100).Draw(t, "percent")))
				if part.Quo(part, big.NewInt(100)).Sign() > 0 {
					stage := rapid.SampledFrom([]payment.Stage{payment.Pending, payment.Final, payment.Dropped}).Draw(t, "stage")
					send(nop{}, p, position(p, r.ID), of.ID, part, stage, now)
				}
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * time.Minute)
		}
	})
}

// nop fails by a panic, which rapid shows.
type nop struct{ testing.TB }

func (nop) Helper()                           {}
func (nop) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (nop) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func position(p *payment.Payment, id string) int {
	return slices.IndexFunc(p.Terms.Requests, func(r payment.Request) bool { return r.ID == id })
}

// pays asks for an asset and tries out, on a copy, what paying all of it makes of the
// payment. nil if nothing is missing.
func pays(t *rapid.T, p *payment.Payment, of asset.Token, now time.Time) *payment.Payment {
	before := payment.Assess(p.Terms, p.Transfers, p.Attempts, now)
	if before.State != payment.Open {
		return nil
	}
	ask(nop{}, p, of, rapid.Int64Range(1, 1e13).Draw(t, "price"), now)
	kept := *p
	kept.Terms.Requests, kept.Transfers, kept.Quotes = slices.Clone(p.Terms.Requests), slices.Clone(p.Transfers), slices.Clone(p.Quotes)
	in, ok := payment.InAsset(p, of.ID, now)
	if !ok || in.Standing.State != payment.Open || !reflect.DeepEqual(&kept, p) {
		t.Fatalf("%+v of %+v", in, p)
	}
	all := kept
	all.Transfers = slices.Clone(kept.Transfers)
	for _, r := range in.Terms.Requests {
		at := position(p, r.ID)
		send(nop{}, &all, at, of.ID, r.Due, payment.Final, now)
		q, _ := p.ActiveQuote(at, of.ID, now)
		less := new(big.Int).Sub(r.Due, big.NewInt(1))
		missing := before.Requests[at].Missing(p.Terms.Requests[at].Due)
		if less.Mul(less, q.Due).Cmp(new(big.Int).Mul(missing, q.Units)) >= 0 {
			t.Fatalf("%s units are due for %s, and a unit less is worth it", r.Due, missing)
		}
	}
	if is := payment.Assess(all.Terms, all.Transfers, nil, now); is.State != payment.Paid && is.State != payment.Seen {
		t.Fatalf("all that was due has come, and it is %s", is.State)
	}
	done, ok := payment.InAsset(&all, of.ID, now.Add(time.Hour))
	if !ok {
		t.Fatalf("%+v was paid in %s", all, of.ID)
	}
	for i, r := range done.Terms.Requests {
		if done.Standing.Requests[i].Received.Cmp(r.Due) != 0 {
			t.Fatalf("%s of %s has come", done.Standing.Requests[i].Received, r.Due)
		}
	}
	return in
}
