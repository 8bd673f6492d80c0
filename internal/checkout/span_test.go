package checkout_test

import (
	"context"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// span is a chain with a bridge, as a Tracker shows them: what each says is set
// by the test.
type span struct {
	mu    sync.Mutex
	proof rail.Proof
	news  rail.News
	fail  error
	asked struct{ proofs, news int }
}

func (s *span) Prove(context.Context, *payment.Payment, payment.Attempt) (rail.Proof, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked.proofs++
	return s.proof, s.fail
}

func (s *span) News(context.Context, payment.Attempt) (rail.News, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked.news++
	return s.news, s.fail
}

func (s *span) set(f func(*span)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *span) shows(p rail.Proof) { s.set(func(s *span) { s.proof = p }) }
func (s *span) says(how payment.Progress, tx ...string) {
	s.set(func(s *span) { s.news = rail.News{Progress: how, Tx: slices.Concat(tx, []string{""})[0]} })
}

// proven is a route that pays so many units of a payment made at the beginning.
func proven(pays int64) rail.Proof {
	return rail.Proof{
		Route: payment.Route{
			ID: hash(0xabc), From: "USDT-arbitrum-one", Amount: big.NewInt(pays + 3), To: base, Tool: "across", Expect: 2 * time.Minute,
			SentAt: begin.Add(20 * time.Second), Progress: payment.Bridging, Pays: big.NewInt(pays), Fallback: fallback.String(), Final: true,
		},
		Payer: signer.String(), Until: begin.Add(2 * time.Hour),
	}
}

func seeing(how payment.Progress) rail.Proof {
	return rail.Proof{Route: payment.Route{Progress: how, To: base}}
}

// bridgeWorld is a world with a bridge that knows of nothing yet.
func bridgeWorld(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.span = &span{proof: seeing(payment.Sent), news: rail.News{Progress: payment.Sent}}
	w.restart()
	must(t, w.sweep(1, block(1, 0)))
	return w
}

// announce tells of the source transaction and returns the job's arguments.
func (w *world) announce(p *payment.Payment) string {
	w.t.Helper()
	a, err := w.Report(w.t.Context(), p.ID, arbitrum, hash(sent), rail.Payer{Wallet: signer})
	must(w.t, err)
	return checkout.Follow{Payment: p.ID, Key: a.Key}.Args()
}

func (w *world) track(args string) time.Time {
	w.t.Helper()
	again, err := w.Track(w.t.Context(), args)
	must(w.t, err)
	return again
}

// bridged is a payment whose money is on its way.
func bridged(t testing.TB, units int64) (*world, *payment.Payment, string) {
	t.Helper()
	w := bridgeWorld(t)
	p := w.create(units)
	args := w.announce(p)
	w.span.shows(proven(units))
	w.span.says(payment.Bridging)
	w.track(args)
	w.wants(p, payment.Proven, payment.Bridging, true)
	return w, p, args
}

// arrival is the payment's event, in a block of the payment's chain, as the
// bridge's contracts make it.
func (w *world) arrival(p *payment.Payment, units int64, b checkout.Block) rail.Sighting {
	x := w.sighting(p, arrives, 2, units, b)
	x.Evidence.Payer, x.Evidence.Source = "", payment.Source{Route: hash(0xabc)}
	return x
}

// recovery is the receiver's event: the money came, the payment's call failed.
func (w *world) recovery(units int64) rail.Recovery {
	return rail.Recovery{
		Route: hash(0xabc), Chain: base, Token: w.usdc.Address, To: fallback, Amount: big.NewInt(units), Tx: hash(9000), At: begin,
	}
}

func (w *world) recovers(from int, to checkout.Block, rs ...rail.Recovery) {
	w.t.Helper()
	must(w.t, w.RecordSweep(w.t.Context(), checkout.Sweep{Chain: base, From: uint64(from), To: to, Recoveries: rs}))
}

func (w *world) attempt(p *payment.Payment) payment.Attempt {
	w.t.Helper()
	as := w.load(p.ID).Attempts
	if len(as) != 1 {
		w.t.Fatalf("%d attempts", len(as))
	}
	return as[0]
}

// wants checks the only attempt, and whether it keeps the payment from being
// paid otherwise.
func (w *world) wants(p *payment.Payment, stage payment.AttemptStage, how payment.Progress, held bool) {
	w.t.Helper()
	a := w.attempt(p)
	if a.Stage != stage || a.Route.Progress != how {
		w.t.Errorf("the attempt is %s/%s, want %s/%s", a.Stage, a.Route.Progress, stage, how)
	}
	got := w.load(p.ID)
	if _, under := got.UnderWay(w.now()); under != held {
		w.t.Errorf("the payment is held: %t, want %t", under, held)
	}
	err := w.Payable(got)
	if f := fault.From(err); held && got.Standing.State == payment.Open && (f == nil || f.Code != "bridging") {
		w.t.Errorf("payable: %v, want bridging", err)
	}
}

// told is the kinds of a payment's log that came after its making.
func (w *world) told(p *payment.Payment, want ...payment.EventKind) {
	w.t.Helper()
	if got := w.kinds(p.ID)[1:]; !slices.Equal(got, want) {
		w.t.Errorf("log: %v, want %v", got, want)
	}
}

func (w *world) last(p *payment.Payment) payment.Event {
	w.t.Helper()
	events := w.events(p.ID)
	return events[len(events)-1]
}
