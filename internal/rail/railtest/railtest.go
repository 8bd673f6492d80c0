// Package railtest is the suite that every rail passes: what checkout, pages and
// dialects rely on, whatever way the money moves. It knows the contract of
// package rail and no rail in particular; nothing but tests may import it.
package railtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Now is the time at which the suite's payments are open: they are made an hour
// before and may be paid for a day.
var Now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Subject is a rail with the world it works in.
type Subject struct {
	Rail  rail.Rail
	Payer rail.Payer // holds enough for every payment of the suite

	// Payable are payments the rail can pay, Foreign ones it cannot. Open makes
	// them.
	Payable map[string]*payment.Payment
	Foreign map[string]*payment.Payment

	// Outside counts the questions put to anything outside the process so far.
	Outside func() int
	// Silence makes everything outside stop answering until the returned
	// function is called; nil for rails that ask nobody.
	Silence func() (speak func())
	// CarryOut does what the instruction asks of the payer, waits until it has
	// happened, and returns what the rail makes of the evidence; of a bank's booking
	// Rail, Key, Handle, Amount and At.
	CarryOut func(t *testing.T, in rail.Instruction) []rail.Sighting
}

// Open makes a payment of requests and has the rail name them.
func Open(t testing.TB, r rail.Rail, requests ...payment.Request) *payment.Payment {
	t.Helper()
	p := &payment.Payment{ID: "01RAILTEST", Terms: payment.Terms{
		Merchant: "01MERCHANT", Dialect: "test", Requests: requests,
		CreatedAt: Now.Add(-time.Hour), ExpiresAt: Now.Add(24 * time.Hour), Grace: time.Minute,
	}}
	for i := range p.Terms.Requests {
		q := &p.Terms.Requests[i]
		q.Index = i
		if n, ok := r.(rail.Naming); ok {
			if err := n.Name(p, q); err != nil {
				t.Fatalf("name request %d: %v", i, err)
			}
		}
	}
	assess(p)
	return p
}

func assess(p *payment.Payment) {
	p.Standing = payment.Assess(p.Terms, p.Transfers, p.Attempts, Now)
}

// With returns a copy of the payment with more transfers, assessed.
func With(p *payment.Payment, transfers ...payment.Transfer) *payment.Payment {
	c := *p
	c.Transfers = append(append([]payment.Transfer{}, p.Transfers...), transfers...)
	assess(&c)
	return &c
}

// Received is a transfer of value to a payment's first request.
func Received(p *payment.Payment, key string, amount, fee *big.Int, stage payment.Stage) payment.Transfer {
	return ReceivedBy(p, 0, key, amount, fee, stage)
}

// ReceivedBy is a transfer of value to one of a payment's requests.
func ReceivedBy(p *payment.Payment, index int, key string, amount, fee *big.Int, stage payment.Stage) payment.Transfer {
	return payment.Transfer{
		Key: key, Request: index, Rail: "railtest", Asset: p.Terms.Requests[index].Asset, Amount: amount, Credit: amount, Fee: fee,
		Stage: stage, At: Now,
	}
}

// Settled are transfers that pay requests from first to before end in full.
func Settled(p *payment.Payment, first, end int, stage payment.Stage) []payment.Transfer {
	var xs []payment.Transfer
	for i := first; i < end; i++ {
		q := p.Terms.Requests[i]
		xs = append(xs, ReceivedBy(p, i, fmt.Sprintf("settled %d", i), q.Due, q.FeeAmount(), stage))
	}
	return xs
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	if s.Rail.ID() == "" {
		t.Fatal("the rail has no id")
	}
	if len(s.Payable) == 0 || len(s.Foreign) == 0 {
		t.Fatal("the suite needs payments that fit the rail and such that do not")
	}
	for name, p := range s.Foreign {
		t.Run("foreign/"+name, func(t *testing.T) { s.foreign(t, p) })
	}
	for name, p := range s.Payable {
		t.Run(name, func(t *testing.T) {
			t.Run("offers are pure", func(t *testing.T) { s.offers(t, p) })
			t.Run("the target is proven without a wallet", func(t *testing.T) { s.guard(t, p) })
			t.Run("prepare is repeatable", func(t *testing.T) { s.prepare(t, p) })
			t.Run("a Safe's calls are known again", func(t *testing.T) { s.safe(t, p) })
			t.Run("prepare refuses what was not offered", func(t *testing.T) { s.notOffered(t, p) })
			t.Run("nothing is offered when it is over", func(t *testing.T) { s.over(t, p) })
			t.Run("the rest is offered", func(t *testing.T) { s.rest(t, p) })
			if len(p.Terms.Requests) > 1 {
				t.Run("what is paid is left out", func(t *testing.T) { s.leftOut(t, p) })
			}
			if s.Silence != nil {
				t.Run("silence is unavailable", func(t *testing.T) { s.silence(t, p) })
			}
			t.Run("what is carried out is seen", func(t *testing.T) { s.carriedOut(t, p) })
		})
	}
}

// image is a payment as text, to see whether anything in it was changed.
func image(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (s Subject) offer(t *testing.T, p *payment.Payment, payer rail.Payer) []rail.Option {
	t.Helper()
	options, err := s.Rail.Offer(t.Context(), p, payer)
	if err != nil {
		t.Fatalf("offer: %v", err)
	}
	return options
}

func (s Subject) first(t *testing.T, p *payment.Payment) rail.Option {
	t.Helper()
	options := s.offer(t, p, s.Payer)
	if len(options) == 0 {
		t.Fatal("nothing is offered")
	}
	return options[0]
}

// booked wants bookings to pay what the rail can pay, also once it is over, and nothing else.
func (s Subject) booked(t *testing.T, p *payment.Payment, want bool) {
	b, ok := s.Rail.(rail.Booked)
	if !ok {
		return
	}
	over := With(p)
	over.Terms.CanceledAt = Now.Add(-time.Minute)
	for _, p := range []*payment.Payment{p, over} {
		if got := b.Books(p); got != want {
			t.Errorf("bookings pay it: %t, want %t", got, want)
		}
	}
}

func (s Subject) foreign(t *testing.T, p *payment.Payment) {
	s.booked(t, p, false)
	if got := s.offer(t, p, s.Payer); len(got) != 0 {
		t.Errorf("offered %+v", got)
	}
	if g, ok := s.Rail.(rail.Guard); ok {
		if got := g.Guard(t.Context(), p); len(got) != 0 {
			t.Errorf("guarded: %+v", got)
		}
	}
}

func (s Subject) offers(t *testing.T, p *payment.Payment) {
	s.booked(t, p, true)
	before, asked := image(t, p), s.Outside()
	first := s.offer(t, p, s.Payer)
	if len(first) == 0 {
		t.Fatal("nothing is offered")
	}
	seen := map[string]bool{}
	for _, o := range first {
		if o.Rail != s.Rail.ID() || !strings.HasPrefix(o.ID, string(s.Rail.ID())+":") || seen[o.ID] {
			t.Errorf("option %q of rail %q: ids must be unique and begin with the rail's", o.ID, o.Rail)
		}
		seen[o.ID] = true
		if (o.Chain == 0) != (o.Type == rail.Bank) || o.Type == rail.Bank && o.Asset != "" || len(o.Costs) == 0 {
			t.Errorf("incomplete option %+v", o)
		}
		for _, c := range o.Costs {
			if c.Amount == nil || c.Amount.Sign() <= 0 || c.Asset == "" {
				t.Errorf("incomplete option %+v", o)
			}
		}
	}
	if again := s.offer(t, p, s.Payer); !reflect.DeepEqual(again, first) {
		t.Errorf("asked again: got %+v, want %+v", again, first)
	}
	// Whoever gets an option may reckon with its amount in place.
	want := image(t, first)
	first[0].Costs[0].Amount.SetInt64(0)
	if again := image(t, s.offer(t, p, s.Payer)); again != want {
		t.Errorf("after a caller changed its copy: got %s, want %s", again, want)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Rail.Offer(t.Context(), p, s.Payer); err != nil {
				t.Errorf("offer: %v", err)
			}
		})
	}
	wg.Wait()
	if after := image(t, p); after != before {
		t.Errorf("the payment was changed from %s to %s", before, after)
	}
	if n := s.Outside() - asked; n != 0 {
		t.Errorf("offering asked the outside %d times", n)
	}
}

func (s Subject) guard(t *testing.T, p *payment.Payment) {
	g, ok := s.Rail.(rail.Guard)
	if !ok {
		t.Skip("this rail has no guard")
	}
	before, asked := image(t, p), s.Outside()
	checks := g.Guard(t.Context(), p)
	wantChecks(t, checks)
	if again := g.Guard(t.Context(), p); !reflect.DeepEqual(again, checks) {
		t.Errorf("asked again: got %+v, want %+v", again, checks)
	}
	if after := image(t, p); after != before {
		t.Errorf("the payment was changed from %s to %s", before, after)
	}
	if n := s.Outside() - asked; n != 0 {
		t.Errorf("the guard asked the outside %d times", n)
	}
}

// wantChecks wants checks with names, answers and words, none twice and none refused.
func wantChecks(t *testing.T, checks []rail.Check) {
	t.Helper()
	if len(checks) == 0 {
		t.Error("no checks")
	}
	seen := map[string]bool{}
	for _, c := range checks {
		if c.Name == "" || c.Detail == "" || seen[c.Name] || (c.Outcome != rail.Passed && c.Outcome != rail.Waiting) {
			t.Errorf("check %+v", c)
		}
		seen[c.Name] = true
	}
}

func (s Subject) prepare(t *testing.T, p *payment.Payment) {
	o, before := s.first(t, p), image(t, p)
	for who, payer := range map[string]rail.Payer{"nobody": {}, "the payer": s.Payer} {
		in, err := s.Rail.Prepare(t.Context(), p, o.ID, payer)
		if err != nil {
			t.Errorf("for %s: %v", who, err)
			continue
		}
		again, err := s.Rail.Prepare(t.Context(), p, o.ID, payer)
		if err != nil || !reflect.DeepEqual(again, in) {
			t.Errorf("for %s, again: got %s %v, want %s", who, image(t, again), err, image(t, in))
		}
		switch in := in.(type) {
		case *rail.Deposit:
			wantDeposit(t, in, p, o)
		case *rail.BankTransfer:
			wantTransfer(t, in, p, o)
		}
		if calls := callsOf(in); calls != nil {
			wantCalls(t, calls, o, payer)
		}
	}
	if after := image(t, p); after != before {
		t.Errorf("the payment was changed from %s to %s", before, after)
	}
}

// callsOf are the calls of an instruction, nil if it has none.
func callsOf(in rail.Instruction) *rail.Calls {
	switch in := in.(type) {
	case *rail.Calls:
		return in
	case *rail.Deposit:
		return in.Calls
	}
	return nil
}

// wantDeposit wants what was offered, to the payment's own address.
func wantDeposit(t *testing.T, d *rail.Deposit, p *payment.Payment, o rail.Option) {
	t.Helper()
	wantChecks(t, d.Checks)
	if d.Address != p.Terms.Requests[0].Payee || d.Asset != o.Asset || d.Amount == nil || d.Amount.Cmp(o.Costs[0].Amount) != 0 || d.URI == "" || d.Quote.Asset != o.Asset {
		t.Errorf("deposit %+v of option %+v", d, o)
	}
}

// wantTransfer wants what was offered, to the account and with the text that the payment was
// given, in words and in the code alike.
func wantTransfer(t *testing.T, b *rail.BankTransfer, p *payment.Payment, o rail.Option) {
	t.Helper()
	given := p.Terms.Requests[0].Bank
	if given == nil || b.BankTransfer != *given || b.Reference == "" || !strings.Contains(b.Text, b.Reference) || money.Cents(b.Cents).Cmp(o.Costs[0].Amount) != 0 {
		t.Fatalf("transfer %+v of option %+v, the payment's is %+v", b, o, given)
	}
	if !slices.ContainsFunc(p.Terms.Requests[0].Handles, func(h payment.Handle) bool { return h.Rail == string(o.Rail) && h.Value == b.Reference }) {
		t.Errorf("handles %+v do not name %s", p.Terms.Requests[0].Handles, b.Reference)
	}
	lines := strings.Split(b.Code, "\n")
	for _, field := range []string{b.Holder, b.Account, b.Text, fmt.Sprintf("EUR%d.%02d", b.Cents/100, b.Cents%100)} {
		if !slices.Contains(lines, field) {
			t.Errorf("the code %q does not say %q", b.Code, field)
		}
	}
}

func wantCalls(t *testing.T, c *rail.Calls, o rail.Option, payer rail.Payer) {
	t.Helper()
	wantChecks(t, c.Checks)
	same := func(h rail.Holding, want rail.Cost) bool {
		return h.Asset == want.Asset && h.Needed != nil && h.Needed.Cmp(want.Amount) == 0
	}
	if c.Chain != o.Chain || !slices.EqualFunc(c.Funds.Assets, o.Costs, same) {
		t.Errorf("calls on chain %d take %+v, want what was offered: %+v", c.Chain, c.Funds.Assets, o)
	}
	if len(c.Steps) == 0 || c.Steps[len(c.Steps)-1].Kind != rail.Pay {
		t.Errorf("the last step must pay: %+v", c.Steps)
	}
	for i, step := range c.Steps {
		if step.To.IsZero() || step.Value == nil || (step.Kind == rail.Pay) != (i == len(c.Steps)-1) {
			t.Errorf("step %d: %+v", i, step)
		}
		known := slices.ContainsFunc(o.Costs, func(cost rail.Cost) bool { return cost.Asset == step.Asset })
		if known != (step.Kind != rail.Pay) {
			t.Errorf("step %d is for the allowance of %q: %+v", i, step.Asset, o.Costs)
		}
	}
	known := !payer.Wallet.IsZero()
	read := !slices.ContainsFunc(c.Funds.Assets, func(h rail.Holding) bool { return h.Balance == nil })
	if known != read || known != c.Funds.EnoughBalance() || known != c.Funds.EnoughGas() {
		t.Errorf("wallet %s: funds %+v", payer.Wallet, c.Funds)
	}
	if known {
		for _, check := range c.Checks {
			if check.Outcome != rail.Passed {
				t.Errorf("with a funded wallet: %+v", check)
			}
		}
	}
}

// safe prepares for the payer as a Safe: no gas is asked for, and the rail knows
// its calls again when somebody else shows them, but not with one more. At a quote, which
// ends before owners have signed, it is refused.
func (s Subject) safe(t *testing.T, p *payment.Payment) {
	claimer, ok := s.Rail.(rail.Claimer)
	if !ok {
		t.Skip("this rail claims nothing")
	}
	payer := s.Payer
	payer.Safe = true
	o := s.first(t, p)
	in, err := s.Rail.Prepare(t.Context(), p, o.ID, payer)
	if o.Asset != "" {
		if offered := s.offer(t, p, payer); len(offered) != 0 || in != nil || !fault.Is(err, fault.Invalid) {
			t.Errorf("at a quote: offered %+v, prepared %v, %v", offered, in, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	calls := in.(*rail.Calls)
	wantCalls(t, calls, o, payer)
	values := new(big.Int)
	bare := make([]rail.Call, len(calls.Steps))
	for i, step := range calls.Steps {
		values.Add(values, step.Value)
		bare[i] = rail.Call{To: step.To, Data: step.Data, Value: step.Value}
	}
	if calls.Funds.NativeNeeded.Cmp(values) != 0 {
		t.Errorf("needs %s wei, the calls move %s", calls.Funds.NativeNeeded, values)
	}
	claim, ok := claimer.Claims(p, calls.Chain, payer, bare, Now)
	if !ok || claim.Type != o.Type || claim.Cost.Asset != o.Costs[0].Asset || claim.Cost.Amount.Sign() <= 0 {
		t.Errorf("claim %+v, %t of %+v", claim, ok, o)
	}
	for what, more := range map[string][]rail.Call{
		"behind": append(slices.Clone(bare), bare[len(bare)-1]), "before": append([]rail.Call{bare[len(bare)-1]}, bare...),
	} {
		if _, ok := claimer.Claims(p, calls.Chain, payer, more, Now); ok {
			t.Errorf("claimed with a call %s", what)
		}
	}
}

func (s Subject) wantFault(t *testing.T, p *payment.Payment, optionID string, kinds ...fault.Kind) {
	t.Helper()
	in, err := s.Rail.Prepare(t.Context(), p, optionID, s.Payer)
	for _, k := range kinds {
		if fault.Is(err, k) && in == nil {
			return
		}
	}
	t.Errorf("option %q: got %v %v, want a fault of %v", optionID, in, err, kinds)
}

func (s Subject) notOffered(t *testing.T, p *payment.Payment) {
	o := s.first(t, p)
	for _, id := range []string{"", o.ID + "x", o.ID[:len(o.ID)-1], strings.ToUpper(o.ID), "other:" + o.ID, string(s.Rail.ID())} {
		s.wantFault(t, p, id, fault.NotFound)
	}
}

func (s Subject) over(t *testing.T, p *payment.Payment) {
	o, count := s.first(t, p), len(p.Terms.Requests)
	canceled, expired := With(p), With(p)
	canceled.Terms.CanceledAt = Now.Add(-time.Minute)
	assess(canceled)
	expired.Terms.ExpiresAt = Now.Add(-time.Minute)
	assess(expired)
	for name, tt := range map[string]struct {
		p     *payment.Payment
		kinds []fault.Kind
	}{
		"paid":     {With(p, Settled(p, 0, count, payment.Final)...), []fault.Kind{fault.Conflict}},
		"seen":     {With(p, Settled(p, 0, count, payment.Pending)...), []fault.Kind{fault.Conflict}},
		"canceled": {canceled, []fault.Kind{fault.Conflict, fault.Forbidden}},
		"expired":  {expired, []fault.Kind{fault.Conflict, fault.Forbidden}},
	} {
		if got := s.offer(t, tt.p, s.Payer); len(got) != 0 {
			t.Errorf("%s: offered %+v", name, got)
		}
		s.wantFault(t, tt.p, o.ID, tt.kinds...)
	}
}

// rest pays less than what is due beforehand: what is offered must shrink by
// exactly that, and grow again when the part is dropped.
func (s Subject) rest(t *testing.T, p *payment.Payment) {
	whole := s.first(t, p)
	if p.Terms.Requests[0].Due.Cmp(big.NewInt(2)) < 0 {
		t.Fatal("the suite needs payments of at least 2 base units")
	}
	part := big.NewInt(1)
	if due := p.Terms.Requests[0].Due; p.Terms.Requests[0].Fiat() { // what is asked for is rounded up below a tenth of a cent, by a bank to one
		part = money.Cents(money.WholeCents(new(big.Int).Quo(due, big.NewInt(5))).Int64())
	}
	rest := s.first(t, With(p, Received(p, "1", part, nil, payment.Pending)))
	if want := new(big.Int).Sub(whole.Costs[0].Amount, part); rest.ID != whole.ID || rest.Costs[0].Amount.Cmp(want) != 0 {
		t.Errorf("after 1 of %s: got %+v, want %s of %s", whole.Costs[0].Amount, rest, want, whole.ID)
	}
	again := s.first(t, With(p, Received(p, "1", part, nil, payment.Dropped)))
	if again.Costs[0].Amount.Cmp(whole.Costs[0].Amount) != 0 {
		t.Errorf("after the part was dropped: got %s, want %s", again.Costs[0].Amount, whole.Costs[0].Amount)
	}
}

// leftOut pays all requests but the last beforehand: it alone is offered, by the
// same id, and carried out it completes the payment.
func (s Subject) leftOut(t *testing.T, p *payment.Payment) {
	last := len(p.Terms.Requests) - 1
	rest := With(p, Settled(p, 0, last, payment.Final)...)
	whole, o := s.first(t, p), s.first(t, rest)
	if o.ID != whole.ID || len(o.Costs) != 1 || o.Costs[0].Asset != cmp.Or(o.Asset, p.Terms.Requests[last].Asset) {
		t.Errorf("got %+v, want %s for the last request alone", o, whole.ID)
	}
	s.pay(t, rest, last)
}

func (s Subject) silence(t *testing.T, p *payment.Payment) {
	o := s.first(t, p)
	speak := s.Silence()
	defer speak()
	s.wantFault(t, p, o.ID, fault.Unavailable)
}

func (s Subject) carriedOut(t *testing.T, p *payment.Payment) {
	indexes := make([]int, len(p.Terms.Requests))
	for i := range indexes {
		indexes[i] = i
	}
	s.pay(t, p, indexes...)
}

// nativeDeposits is the rail whose evidence may be a balance, which no contract tells of.
const nativeDeposits rail.ID = "deposit"

// pay carries out what is prepared and wants one sighting for each of the
// requests, which together complete the payment. Seen again they change nothing.
func (s Subject) pay(t *testing.T, p *payment.Payment, indexes ...int) {
	t.Helper()
	in, err := s.Rail.Prepare(t.Context(), p, s.first(t, p).ID, s.Payer)
	if err != nil {
		t.Fatal(err)
	}
	seen := s.CarryOut(t, in)
	if len(seen) != len(indexes) {
		t.Fatalf("seen %+v, want %d transfers", seen, len(indexes))
	}
	calls := callsOf(in)
	var transfers []payment.Transfer
	keys := map[string]bool{}
	for _, index := range indexes {
		q := p.Terms.Requests[index]
		at := slices.IndexFunc(seen, func(x rail.Sighting) bool {
			return (q.Topic == "" || x.Handle == q.Topic) && x.To == q.Payee && x.Amount.Cmp(q.Due) == 0
		})
		if at < 0 {
			t.Fatalf("seen %+v, want %s to %s by the name %s", seen, q.Due, q.Payee, q.Topic)
		}
		x := seen[at]
		seen = slices.Delete(seen, at, at+1)
		if x.Rail != s.Rail.ID() || x.Key == "" || x.Handle == "" || keys[x.Key] {
			t.Errorf("seen %+v, want a key of its own and a handle", x)
		}
		keys[x.Key] = true
		if q.Fee != nil && (x.Fee.Cmp(q.Fee.Amount) != 0 || x.FeeTo != q.Fee.Payee) {
			t.Errorf("seen a fee of %s to %s, want %+v", x.Fee, x.FeeTo, q.Fee)
		}
		if x.At.IsZero() || calls != nil && (x.Chain != calls.Chain || x.Evidence.Tx == "" || x.Evidence.BlockHash == "" || x.Contract.IsZero() && x.Rail != nativeDeposits) {
			t.Errorf("incomplete evidence: %+v", x)
		}
		transfers = append(transfers, payment.Transfer{
			Key: x.Key, Request: index, Rail: string(x.Rail), Asset: q.Asset, Amount: x.Amount, Credit: x.Amount, Fee: x.Fee,
			Stage: payment.Final, At: Now, Evidence: x.Evidence,
		})
	}
	settled := With(p, transfers...)
	if settled.Standing.State != payment.Paid || settled.Standing.Oddity != payment.None {
		t.Errorf("recorded: %+v, want paid", settled.Standing)
	}
}
