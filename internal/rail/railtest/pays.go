package railtest

import (
	"cmp"
	"math/big"
	"slices"
	"testing"

	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// rest pays less than what is due beforehand: what is offered must shrink by
// exactly that, an estimate by anything, and grow again when the part is dropped.
func (s Subject) rest(t *testing.T, p *payment.Payment) {
	whole := s.first(t, p)
	if p.Terms.Requests[0].Due.Cmp(big.NewInt(2)) < 0 {
		t.Fatal("the suite needs payments of at least 2 base units")
	}
	part, due := big.NewInt(1), p.Terms.Requests[0].Due
	if whole.Estimated {
		part.Quo(due, big.NewInt(5))
	}
	if p.Terms.Requests[0].Fiat() { // what is asked for is rounded up below a tenth of a cent, by a bank to one
		part = money.Cents(money.WholeCents(new(big.Int).Quo(due, big.NewInt(5))).Int64())
	}
	rest := s.first(t, With(p, Received(p, "1", part, nil, payment.Pending)))
	want := new(big.Int).Sub(whole.Costs[0].Amount, part)
	exact, less := rest.Costs[0].Amount.Cmp(want) == 0, rest.Costs[0].Amount.Cmp(whole.Costs[0].Amount) < 0
	if rest.ID != whole.ID || !exact && !(whole.Estimated && less) {
		t.Errorf("after %s of %s: got %+v, want %s of %s", part, whole.Costs[0].Amount, rest, want, whole.ID)
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

func (s Subject) carriedOut(t *testing.T, p *payment.Payment) {
	indexes := make([]int, len(p.Terms.Requests))
	for i := range indexes {
		indexes[i] = i
	}
	s.pay(t, p, indexes...)
}

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
	_, addressed := s.Rail.(rail.Addressed) // its evidence may be a balance, which no contract tells of
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
		if x.At.IsZero() || calls != nil && (x.Chain != calls.Chain || x.Evidence.Tx == "" || x.Evidence.BlockHash == "" || x.Contract.IsZero() && !addressed) {
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
