package checkout_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// boxes says what a shop's wallet is on each chain, after some time. It is asked
// for nothing else.
type boxes struct {
	checkout.Safes
	on   map[asset.ChainID]func() (*rail.Multisig, error)
	slow map[asset.ChainID]time.Duration
}

func (b boxes) Account(ctx context.Context, chain asset.ChainID, address asset.Address) (*rail.Multisig, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(b.slow[chain]):
	}
	m, err := b.on[chain]()
	if m != nil {
		m.Chain, m.Address = chain, address
	}
	return m, err
}

func ownedBy(threshold uint64, owners ...asset.Address) func() (*rail.Multisig, error) {
	return func() (*rail.Multisig, error) { return &rail.Multisig{Owners: owners, Threshold: threshold}, nil }
}

func notThere() (*rail.Multisig, error) {
	return nil, fault.Field("wallet", "no_contract", "Nobody is there.")
}

// safeShop is a shop with ways from three chains.
func safeShop(t *testing.T, b boxes) *shop {
	s := newShop(t, checkout.Patience{})
	s.service = checkout.New(checkout.Config{Store: s, Book: s.service.Book(), Rails: []rail.Rail{direct{s}, bridges{s}}, Wallets: s, Safes: b})
	s.offer("direct", "USDC-base", 100, 0)
	s.offer("bridges", "USDC-mainnet", 105, 100)
	s.offer("bridges", "USDT-mainnet", 105, 100)
	s.offer("bridges", "USDC-arbitrum-one", 105, 100)
	for _, k := range []asset.ID{"USDC-base", "USDC-mainnet", "USDT-mainnet", "USDC-arbitrum-one"} {
		s.holds[k] = 1000
	}
	return s
}

func (s *shop) safeOptions(t *testing.T) (checkout.Options, time.Duration, error) {
	t.Helper()
	start := time.Now()
	_, o, err := s.service.Options(t.Context(), s.p.ID, rail.Payer{Wallet: shopper.Wallet, Safe: true})
	return o, time.Since(start), err
}

func TestOptionsOfASafe(t *testing.T) {
	silent := func() (*rail.Multisig, error) { return nil, errors.New("no route to host") }
	other := asset.Address{19: 0x03}
	missing := func(code string, chains ...asset.ChainID) (out []string) {
		for _, c := range chains {
			out = append(out, code+"@"+string(rune('0'+slices.Index([]asset.ChainID{asset.Base, asset.Mainnet, asset.ArbitrumOne}, c))))
		}
		return out
	}
	for name, c := range map[string]struct {
		base, mainnet, arbitrum func() (*rail.Multisig, error)
		ways                    int
		missing                 []string
		silent                  []asset.ChainID
		code                    string
	}{
		"everywhere":            {base: ownedBy(2, keyOne, keyTwo), mainnet: ownedBy(2, keyTwo, keyOne), arbitrum: ownedBy(2, keyOne, keyTwo), ways: 4},
		"on two chains":         {base: ownedBy(2, keyOne, keyTwo), mainnet: notThere, arbitrum: ownedBy(2, keyOne, keyTwo), ways: 2, missing: missing("not_a_safe", asset.Mainnet)},
		"of other owners":       {base: ownedBy(2, keyOne, keyTwo), mainnet: ownedBy(2, keyOne, other), arbitrum: ownedBy(1, keyOne, keyTwo), ways: 1, missing: missing("safe_not_there", asset.Mainnet, asset.ArbitrumOne)},
		"not where it pays":     {base: notThere, mainnet: ownedBy(1, keyOne), arbitrum: notThere, missing: append(append(missing("not_a_safe", asset.Base), missing("safe_not_there", asset.Mainnet)...), missing("not_a_safe", asset.ArbitrumOne)...)},
		"nowhere":               {base: notThere, mainnet: notThere, arbitrum: notThere, code: "no_contract"},
		"nowhere, one silent":   {base: notThere, mainnet: silent, arbitrum: notThere, missing: missing("not_a_safe", asset.Base, asset.ArbitrumOne), silent: []asset.ChainID{asset.Mainnet}},
		"its own chain is mute": {base: silent, mainnet: ownedBy(1, keyOne), arbitrum: notThere, missing: missing("not_a_safe", asset.ArbitrumOne), silent: []asset.ChainID{asset.Mainnet, asset.Base}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := safeShop(t, boxes{on: map[asset.ChainID]func() (*rail.Multisig, error){asset.Base: c.base, asset.Mainnet: c.mainnet, asset.ArbitrumOne: c.arbitrum}})
				got, _, err := s.safeOptions(t)
				if f := fault.From(err); c.code != "" {
					if f == nil || f.Kind != fault.Invalid || f.Code != c.code || f.Field != "wallet" {
						t.Errorf("got %v, want %s", err, c.code)
					}
					return
				}
				must(t, err)
				var left []string
				for _, m := range got.Missing {
					if m.Code != "no_bridge" {
						left = append(left, missing(m.Code, m.Chain)...)
						if m.Why == "" {
							t.Errorf("%s is not said why", m.Code)
						}
					}
				}
				slices.Sort(left)
				want := slices.Sorted(slices.Values(c.missing))
				if len(got.Ways) != c.ways || !slices.Equal(left, want) || !slices.Equal(got.Silent, c.silent) {
					t.Errorf("%d ways, missing %v, silent %v; want %d, %v, %v", len(got.Ways), left, got.Silent, c.ways, want, c.silent)
				}
				for _, w := range got.Ways {
					if w.Balance == nil || w.Estimated {
						t.Errorf("%s has no balance or no price", w.ID)
					}
				}
			})
		})
	}
}

// known is a rail that has found out for itself what a Safe cannot do.
type known struct{ bridges }

func (known) MissingFor(context.Context, *payment.Payment, rail.Payer) []rail.Missing {
	return []rail.Missing{{Chain: asset.Mainnet, Code: "safe_not_there", Why: "It said so."}}
}

func TestOptionsSayOnceWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := boxes{on: map[asset.ChainID]func() (*rail.Multisig, error){asset.Base: ownedBy(2, keyOne), asset.Mainnet: ownedBy(1, keyOne), asset.ArbitrumOne: notThere}}
		s := safeShop(t, b)
		s.service = checkout.New(checkout.Config{Store: s, Book: s.service.Book(), Rails: []rail.Rail{direct{s}, known{bridges{s}}}, Wallets: s, Safes: b})
		got, _, err := s.safeOptions(t)
		must(t, err)
		codes := map[string]int{}
		for _, m := range got.Missing {
			codes[m.Code]++
		}
		if len(got.Missing) != 3 || codes["safe_not_there"] != 1 || codes["not_a_safe"] != 1 || codes["no_bridge"] != 1 {
			t.Errorf("missing %+v", got.Missing)
		}
	})
}

// Accounts are asked for together with balances, and one that stalls costs its
// chain and no more time.
func TestOptionsAskForAccountsMeanwhile(t *testing.T) {
	both := ownedBy(2, keyOne, keyTwo)
	on := map[asset.ChainID]func() (*rail.Multisig, error){asset.Base: both, asset.Mainnet: both, asset.ArbitrumOne: both}
	synctest.Test(t, func(t *testing.T) {
		s := safeShop(t, boxes{on: on, slow: map[asset.ChainID]time.Duration{asset.Base: 2 * time.Second, asset.Mainnet: time.Second}})
		s.slow = map[asset.ChainID]time.Duration{asset.Base: time.Second, asset.Mainnet: 2 * time.Second, asset.ArbitrumOne: 2 * time.Second}
		if got, took, err := s.safeOptions(t); err != nil || len(got.Ways) != 4 || took != 2*time.Second {
			t.Errorf("%d ways after %s, %v", len(got.Ways), took, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := safeShop(t, boxes{on: on, slow: map[asset.ChainID]time.Duration{asset.Mainnet: time.Hour}})
		if got, took, err := s.safeOptions(t); err != nil || len(got.Ways) != 2 || took != 4*time.Second || !slices.Equal(got.Silent, []asset.ChainID{asset.Mainnet}) {
			t.Errorf("%d ways after %s, silent %v, %v", len(got.Ways), took, got.Silent, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := safeShop(t, boxes{on: on})
		_, _, err := s.service.Options(t.Context(), s.p.ID, rail.Payer{Safe: true})
		coded(t, err, "wallet", "missing_wallet")
	})
}

// A look that hangs is cut off, and nothing is made of it.
func TestAStalledLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := safeShop(t, boxes{})
		s.service = checkout.New(checkout.Config{Store: s, Book: s.service.Book(), Safes: stalled{}})
		s.p.Attempts = []payment.Attempt{{
			Key: "safe:1", Chain: asset.Base, Handle: hash(1), Stage: payment.Announced, At: time.Now(), Safe: &payment.Safe{Among: []string{box.String()}},
		}}
		start := time.Now()
		again, err := s.service.TrackSafe(t.Context(), checkout.Follow{Payment: s.p.ID, Key: "safe:1"}.Args())
		if took := time.Since(start); err != nil || took > 30*time.Second || time.Until(again) < 30*time.Second {
			t.Errorf("again at %v after %s, %v", again, took, err)
		}
	})
}

type stalled struct{ checkout.Safes }

func (stalled) Look(ctx context.Context, _ asset.ChainID, _ []asset.Address, _ string, _ *uint64, _ uint64) (checkout.SafeSight, error) {
	<-ctx.Done()
	return checkout.SafeSight{}, ctx.Err()
}

func TestPrepareForASafe(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	calls := w.asks(p, box, "one")
	if calls.Safe == nil || calls.Safe.Address != box || calls.Safe.Threshold != 2 || calls.Safe.Chain != base {
		t.Fatalf("made by %+v", calls.Safe)
	}
	asked, err := w.store.SafesAsked(t.Context(), p.ID, base)
	must(t, err)
	if len(asked) != 1 || asked[0].Safe != box || asked[0].Block != uint64(noBlock) || !asked[0].At.Equal(w.now()) {
		t.Errorf("remembered %+v", asked)
	}
	first := w.now()
	w.pass(time.Minute)
	w.vault.mined(2000)
	w.asks(p, box, "one")
	if asked, err = w.store.SafesAsked(t.Context(), p.ID, base); err != nil || !asked[0].At.Equal(first) {
		t.Errorf("written again after a minute: %+v, %v", asked, err)
	}
	w.pass(10 * time.Minute)
	w.asks(p, box, "one")
	if asked, err = w.store.SafesAsked(t.Context(), p.ID, base); err != nil || !asked[0].At.Equal(w.now()) || asked[0].Block != uint64(noBlock) {
		t.Errorf("after a while: %+v, %v", asked, err)
	}
	// From another chain the same owners must be at home, too.
	if calls = w.asks(p, box, "over"); calls.Safe.Chain != arbitrum {
		t.Errorf("made by %+v", calls.Safe)
	}
	prepare := func(safe asset.Address, option string) error {
		_, _, err := w.Prepare(t.Context(), p.ID, option, rail.Payer{Wallet: safe, Safe: true})
		return err
	}
	coded(t, prepare(payee, "one"), "wallet", "no_contract")
	w.vault.set(func() { w.vault.safes[base][boxTwo].Threshold = 1 })
	coded(t, prepare(boxTwo, "over"), "wallet", "safe_not_there")
	w.vault.set(func() { delete(w.vault.safes[base], boxTwo) })
	coded(t, prepare(boxTwo, "over"), "wallet", "safe_not_there")
	coded(t, prepare(boxTwo, "one"), "wallet", "no_contract")
	coded(t, prepare(asset.Address{}, "one"), "wallet", "missing_wallet")
	w.vault.set(func() { w.vault.dead = fault.New(fault.Unavailable, "chain_unavailable", "No answer.") })
	if err := prepare(box, "one"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want Unavailable", err)
	}
	w.vault.set(func() { w.vault.dead = nil })
	// Who is no Safe is not asked for being one, and not remembered.
	read := w.vault.accounts
	_, in, err := w.Prepare(t.Context(), p.ID, "one", rail.Payer{Wallet: box})
	must(t, err)
	if in.(*rail.Calls).Safe != nil || w.vault.accounts != read {
		t.Error("a plain wallet was looked up")
	}
	w.proposes(p).announce()
	if err := prepare(box, "one"); fault.From(err).Code != checkout.CodeSafePending {
		t.Errorf("while one is pending: %v", err)
	}
}
