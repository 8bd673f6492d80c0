package crosschain_test

import (
	"context"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
)

// aSafe is the payer as a Safe.
var aSafe = rail.Payer{Wallet: payer.Wallet, Safe: true}

// twin answers whether a Safe is the same on another chain.
type twin struct {
	asked atomic.Int32
	mu    sync.Mutex
	err   error
	wait  chan struct{} // nothing is answered before it is closed, unless nil
}

func (s *twin) answer(err error, wait chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.wait = err, wait
}

func (s *twin) same(ctx context.Context, from, to asset.ChainID, wallet asset.Address) error {
	s.asked.Add(1)
	s.mu.Lock()
	err, wait := s.err, s.wait
	s.mu.Unlock()
	if from == to || wallet != payer.Wallet {
		return errors.New("asked about something else")
	}
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

var elsewhere = fault.Field("wallet", "safe_not_there", "This Safe is another one there.")

// safeWorld is a world whose payer is a Safe on every chain.
func safeWorld(t *testing.T) (*world, *twin) {
	t.Helper()
	w, s := newWorld(t), &twin{}
	w.config.SameSafe = s.same
	for _, n := range w.nodes {
		n.code = []byte{0x60, 0x80}
	}
	w.rail = crosschain.New(w.config)
	w.rail.SetPins(nil)
	w.connect(t)
	return w, s
}

func (w *world) prepareSafe(t *testing.T, p *payment.Payment, from asset.ID) *rail.Calls {
	t.Helper()
	in, err := w.rail.Prepare(t.Context(), p, w.optionID(t, from), aSafe)
	if err != nil {
		t.Fatal(err)
	}
	return in.(*rail.Calls)
}

// A Safe's calls are the same whatever it has allowed, and it needs no native
// currency but what a bridge takes.
func TestSafeCalls(t *testing.T) {
	across, stargate := lifitest.Behaviour{}, lifitest.Behaviour{Bridge: lifi.BridgeStargate}
	for _, tt := range []struct {
		from, to asset.ID
		b        lifitest.Behaviour
		want     []rail.CallKind
		deadline time.Duration // from the offer on, 0 for none
	}{
		{"USDC-arbitrum-one", "USDC-base", across, []rail.CallKind{approve, pay}, 55 * time.Minute},
		{"USDT-mainnet", "USDC-base", across, []rail.CallKind{reset, approve, pay}, 55 * time.Minute},
		{"USDC-base", "USDC-mainnet", stargate, []rail.CallKind{approve, pay}, 0},
		{"USDT-mainnet", "USDC-mainnet", across, []rail.CallKind{reset, approve, swap, approve, pay}, 0},
		{"USDC-mainnet", "USDT-mainnet", across, []rail.CallKind{approve, swap, reset, approve, pay}, 0},
	} {
		w, s := safeWorld(t)
		w.router.Behave(tt.b)
		p := w.open(t, tt.to, 10_000, 50)
		n := w.nodes[w.token(t, tt.from).Chain]
		var first *rail.Calls
		for _, allowed := range []int64{0, 7, 1e18} {
			n.allowed[n.network.Diamond], n.allowed[n.network.FeeProxy] = big.NewInt(allowed), big.NewInt(allowed)
			calls := w.prepareSafe(t, p, tt.from)
			if first == nil {
				first = calls
			}
			if got := kinds(calls); !slices.Equal(got, tt.want) || !reflect.DeepEqual(got, kinds(first)) {
				t.Errorf("%s to %s with %d allowed: %v, want %v", tt.from, tt.to, allowed, got, tt.want)
			}
			if value := routeStep(calls).Value; calls.Funds.NativeNeeded.Cmp(value) != 0 || tt.deadline == 0 && calls.Route.Type == rail.Crosschain && value.Sign() == 0 {
				t.Errorf("%s to %s: %v wei needed, %v sent", tt.from, tt.to, calls.Funds.NativeNeeded, value)
			}
			for _, c := range calls.Checks {
				if c.Outcome != rail.Passed {
					t.Errorf("%s to %s: %+v", tt.from, tt.to, c)
				}
			}
			if got := calls.Route.Deadline; tt.deadline == 0 && !got.IsZero() || tt.deadline > 0 && !got.Equal(w.now().Add(tt.deadline)) {
				t.Errorf("%s to %s: deadline %v", tt.from, tt.to, got)
			}
			for i, step := range calls.Steps {
				if last := i == len(calls.Steps)-1; step.Gas < 0x10000 || last == (step.Gas == 0x10000) {
					t.Errorf("%s to %s: %s with %d gas", tt.from, tt.to, step.Kind, step.Gas)
				}
			}
		}
		if n := s.asked.Load(); first.Route.Type == rail.Conversion && n != 0 || first.Route.Type == rail.Crosschain && n != 1 {
			t.Errorf("%s to %s: asked for the Safe elsewhere %d times", tt.from, tt.to, n)
		}
	}
}

// What is executed in the last moment must still arrive before the payment closes.
func TestSafeDeadlineLeavesTimeToArrive(t *testing.T) {
	w, _ := safeWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	p.Terms.ExpiresAt = w.now().Add(20 * time.Minute)
	calls := w.prepareSafe(t, p, "USDC-arbitrum-one")
	if want := p.Terms.Deadline().Add(-2 * calls.Route.Duration); calls.Route.Duration <= 0 || !calls.Route.Deadline.Equal(want) {
		t.Errorf("deadline %v, want %v", calls.Route.Deadline, want)
	}
}

// A Safe that is another one on the payment's chain pays from its own token's
// chain only, and the others are left out with a reason, for a while.
func TestSafeThatIsNotThere(t *testing.T) {
	w, s := safeWorld(t)
	s.answer(elsewhere, nil)
	p := w.open(t, "USDC-base", 10_000, 50)
	all := len(w.offersTo(t, p, aSafe))
	if got := w.rail.MissingFor(t.Context(), p, aSafe); len(got) != 0 {
		t.Errorf("missing before anyone asked: %+v", got)
	}
	_, err := w.rail.Price(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), aSafe)
	wantFault(t, "price", err, fault.Invalid, "safe_not_there", "wallet")
	_, err = w.rail.Prepare(t.Context(), p, w.optionID(t, "USDT-arbitrum-one"), aSafe)
	wantFault(t, "prepare", err, fault.Invalid, "safe_not_there", "wallet")
	if s.asked.Load() != 1 || w.quotes() != 0 {
		t.Errorf("asked %d times, and for %d routes", s.asked.Load(), w.quotes())
	}
	rest := w.offersTo(t, p, aSafe)
	if len(rest) != all-2 || slices.ContainsFunc(rest, func(o rail.Option) bool { return o.Chain == asset.ArbitrumOne }) {
		t.Errorf("%d of %d ways are offered: %+v", len(rest), all, rest)
	}
	want := []rail.Missing{{Chain: asset.ArbitrumOne, Code: "safe_not_there", Why: "This Safe is another one there."}}
	if got := w.rail.MissingFor(t.Context(), p, aSafe); !reflect.DeepEqual(got, want) {
		t.Errorf("missing %+v", got)
	}
	if got := w.rail.MissingFor(t.Context(), p, payer); len(got) != 0 || len(w.offersTo(t, p, payer)) != all {
		t.Errorf("missing for another account: %+v", got)
	}
	if _, err := w.rail.Prepare(t.Context(), p, w.optionID(t, "USDT-base"), aSafe); err != nil {
		t.Errorf("an exchange on its own chain: %v", err)
	}
	s.answer(nil, nil)
	w.wait(16 * time.Second)
	if got := w.offersTo(t, p, aSafe); len(got) != all {
		t.Errorf("%d ways later, want %d", len(got), all)
	}
	w.prepareSafe(t, p, "USDC-arbitrum-one")
	if s.asked.Load() != 2 {
		t.Errorf("asked %d times", s.asked.Load())
	}
	w.wait(61 * time.Second)
	w.prepareSafe(t, p, "USDC-arbitrum-one")
	if s.asked.Load() != 3 {
		t.Errorf("asked %d times after a minute", s.asked.Load())
	}
}

func (w *world) offersTo(t *testing.T, p *payment.Payment, payer rail.Payer) []rail.Option {
	t.Helper()
	options, err := w.rail.Offer(t.Context(), p, payer)
	if err != nil {
		t.Fatal(err)
	}
	return options
}

// Where nobody can tell, no Safe pays from another chain.
func TestNobodyKnowsSafes(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	for _, o := range w.offersTo(t, p, aSafe) {
		if o.Chain != asset.Base {
			t.Errorf("offered %s", o.ID)
		}
	}
	if got := w.rail.MissingFor(t.Context(), p, aSafe); len(got) != len(real)-1 || !strings.Contains(got[0].Why, "Safe") {
		t.Errorf("missing %+v", got)
	}
	_, err := w.rail.Prepare(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), aSafe)
	wantFault(t, "prepare", err, fault.Invalid, "safe_not_there", "wallet")
}

// Questions about the same Safe are put once; who leaves does not spoil them for
// others, and what nobody could answer is asked again.
func TestSafesAreAskedForOnce(t *testing.T) {
	w, s := safeWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	price := func(ctx context.Context) error {
		_, err := w.rail.Price(ctx, p, w.optionID(t, "USDC-arbitrum-one"), aSafe)
		return err
	}
	wait := make(chan struct{})
	s.answer(nil, wait)
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- price(leaving) }()
	for deadline := time.Now().Add(time.Minute); s.asked.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody asked")
		}
	}
	var staying sync.WaitGroup
	for range 5 {
		staying.Go(func() {
			if err := price(t.Context()); err != nil {
				t.Errorf("who stayed: %v", err)
			}
		})
	}
	impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := price(impatient); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who did not wait: %v", err)
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left: %v", err)
	}
	close(wait)
	staying.Wait()
	if n := s.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
	w.wait(2 * time.Minute)
	s.answer(fault.New(fault.Unavailable, "chain_unavailable", "no"), nil)
	for range 2 {
		wantFault(t, "a chain that is silent", price(t.Context()), fault.Unavailable, "chain_unavailable", "")
	}
	if n := s.asked.Load(); n != 4 {
		t.Errorf("asked %d times", n)
	}
}

// What is remembered of Safes is bounded.
func TestManySafes(t *testing.T) {
	w := newWorld(t)
	w.config.SameSafe = func(context.Context, asset.ChainID, asset.ChainID, asset.Address) error { return elsewhere }
	w.rail = crosschain.New(w.config)
	w.rail.SetPins(nil)
	w.connect(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	for i := range 1100 {
		who := rail.Payer{Wallet: asset.Address{byte(i), byte(i >> 8), 19: 1}, Safe: true}
		_, err := w.rail.Price(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), who)
		wantFault(t, "price", err, fault.Invalid, "safe_not_there", "wallet")
	}
	if n := w.rail.RememberedSafes(); n != 1000 {
		t.Errorf("%d are remembered", n)
	}
}
