package addresses

import (
	"context"
	"errors"
	"log/slog"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail/deposit"
	"quittance/internal/seal"
	"quittance/internal/store"
)

const xpub = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"

// supply is a merchant with a key, in a database, and two chains.
type supply struct {
	t      *testing.T
	db     *store.Store
	chains []*chaintest.Chain
	branch merchant.Branch
	key    hdkey.Branch
	now    time.Time
}

func newSupply(t *testing.T) *supply {
	t.Helper()
	s := &supply{t: t, now: time.Now().UTC(), chains: []*chaintest.Chain{chaintest.New(t), chaintest.New(t, chaintest.WithID(uint64(asset.SandboxArbitrum)))}}
	box, err := seal.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	if s.db, err = store.Open(t.Context(), store.Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "q.db"), Seal: box}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.key, err = hdkey.OpenBranch(xpub); err != nil {
		t.Fatal(err)
	}
	s.branch = merchant.Branch{Merchant: "01M", XPub: xpub, Active: true, CreatedAt: s.now}
	if s.branch.ID, err = s.key.ID(); err != nil {
		t.Fatal(err)
	}
	if err := s.db.InsertMerchant(t.Context(), merchant.Merchant{ID: "01M", Name: "M", CreatedAt: s.now}); err != nil {
		t.Fatal(err)
	}
	if err := s.db.SetBranch(t.Context(), s.branch); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *supply) pool(size int) *pool {
	s.t.Helper()
	var chains []deposit.Config
	for _, c := range s.chains {
		client, err := chain.NewClient(chain.Config{
			Chain: asset.ChainID(c.ID()), Endpoints: []chain.Endpoint{{URL: c.URL()}}, RestMin: time.Nanosecond, RestMax: time.Nanosecond, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(client.Close)
		chains = append(chains, deposit.Config{Chain: asset.ChainID(c.ID()), Node: client, Multicall: s.parse(c.Multicall3()), Tokens: []asset.Address{s.parse(c.USDC())}})
	}
	p := newPool(s.db, chains, size, slog.New(slog.DiscardHandler))
	p.now = func() time.Time { return s.now }
	return p
}

func (s *supply) parse(text string) asset.Address {
	s.t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *supply) address(i uint32) string {
	s.t.Helper()
	a, err := s.key.Address(i)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.String()
}

// free are the indexes of the addresses that can be given out.
func (s *supply) free() (out []uint32) {
	s.t.Helper()
	as, err := s.db.FreeAddresses(s.t.Context(), s.branch.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range as {
		if a.Address.String() != s.address(a.Index) {
			s.t.Errorf("%s is not the address at %d", a.Address, a.Index)
		}
		out = append(out, a.Index)
	}
	return out
}

func (s *supply) stored() merchant.Branch {
	s.t.Helper()
	b, err := s.db.BranchByID(s.t.Context(), s.branch.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *supply) take() error {
	return s.db.Write(s.t.Context(), func(tx checkout.Tx) error {
		_, err := tx.TakeAddress(s.t.Context(), "01M", payment.ID("01P"+payment.NewULID(s.now)), 0, s.now)
		return err
	})
}

func (s *supply) supply(p *pool) {
	s.t.Helper()
	if err := p.supply(s.t.Context(), s.stored()); err != nil {
		s.t.Fatal(err)
	}
}

func upTo(n uint32, but ...uint32) (out []uint32) {
	for i := range n {
		if !slices.Contains(but, i) {
			out = append(out, i)
		}
	}
	return out
}

// Addresses that were used on any chain, in whatever way, are never given out.
func TestUsedAddressesAreNotGivenOut(t *testing.T) {
	s := newSupply(t)
	s.chains[0].Send(s.address(1), big.NewInt(1), nil)
	s.chains[1].Transfer(s.chains[1].USDC(), s.address(3), big.NewInt(1))
	for _, c := range s.chains {
		c.Mine(1)
	}
	p := s.pool(10)
	s.supply(p)
	if got := s.free(); !slices.Equal(got, upTo(12, 1, 3)) {
		t.Errorf("free: %v", got)
	}
	// Half of them have to be gone before there are more.
	for range 4 {
		if err := s.take(); err != nil {
			t.Fatal(err)
		}
	}
	s.supply(p)
	if got := s.free(); len(got) != 6 {
		t.Errorf("free: %v", got)
	}
	if err := s.take(); err != nil {
		t.Fatal(err)
	}
	s.supply(p)
	if got := s.free(); len(got) != 10 || got[9] != 16 {
		t.Errorf("free: %v", got)
	}
}

// What was untouched an hour ago may not be any more.
func TestFreeAddressesAreLookedAtAgain(t *testing.T) {
	s := newSupply(t)
	p := s.pool(10)
	s.supply(p)
	s.chains[1].Send(s.address(2), big.NewInt(1), nil)
	s.chains[1].Mine(1)
	asked := s.chains[0].Requests()
	s.now = s.now.Add(recheckAfter - time.Second)
	s.supply(p)
	if got := s.free(); len(got) != 10 || s.chains[0].Requests() != asked {
		t.Errorf("free within the hour: %v", got)
	}
	s.now = s.now.Add(time.Second)
	s.supply(p)
	if got := s.free(); !slices.Equal(got, upTo(10, 2)) {
		t.Errorf("free: %v", got)
	}
	asked = s.chains[0].Requests()
	s.supply(p)
	if s.chains[0].Requests() != asked {
		t.Error("they are looked at over and over")
	}
}

// While one chain does not answer there are no new addresses, no index is lost, and what
// is there is given out.
func TestASilentChainMakesNoAddresses(t *testing.T) {
	s := newSupply(t)
	p := s.pool(10)
	s.chains[1].Fail(503)
	for range 3 {
		if err := p.supply(t.Context(), s.stored()); err == nil {
			t.Fatal("supplied")
		}
	}
	if got, b := s.free(), s.stored(); len(got) != 0 || b.NextIndex != 0 {
		t.Errorf("free %v, next %d", got, b.NextIndex)
	}
	if err := s.take(); !fault.Is(err, fault.Unavailable) || fault.From(err).Code != "no_address" {
		t.Errorf("taken: %v", err)
	}
	s.chains[1].Behave()
	s.supply(p)
	if got := s.free(); !slices.Equal(got, upTo(10)) {
		t.Errorf("free %v", got)
	}
}

// Two servers that fill the same key claim different indexes, and lose none.
func TestTwoPoolsOfOneKey(t *testing.T) {
	s := newSupply(t)
	one, two := s.pool(10), s.pool(10)
	stale := s.stored()
	s.supply(one)
	for range 6 { // so that both want more
		if err := s.take(); err != nil {
			t.Fatal(err)
		}
	}
	if err := two.supply(t.Context(), stale); err != nil { // read before the first one claimed
		t.Fatal(err)
	}
	if got := s.free(); !slices.Equal(got, upTo(16, 0, 1, 2, 3, 4, 5)) {
		t.Errorf("free %v", got)
	}
}

// A key that is used all over gives up after a while and says why.
func TestAKeyThatIsAWallets(t *testing.T) {
	s := newSupply(t)
	p := s.pool(2)
	for i := range uint32(2 * poolTries) {
		s.chains[0].Send(s.address(i), big.NewInt(1), nil)
	}
	s.chains[0].Mine(1)
	err := p.supply(t.Context(), s.stored())
	if err == nil || !strings.Contains(err.Error(), "wallet") {
		t.Fatalf("got %v", err)
	}
	s.supply(p) // from there on
	if got := s.free(); !slices.Equal(got, []uint32{2 * poolTries, 2*poolTries + 1}) {
		t.Errorf("free %v", got)
	}
}

// A part that runs fills new keys, and wakes when many addresses were given out.
func TestThePoolRuns(t *testing.T) {
	s := newSupply(t)
	p := s.pool(8)
	p.now = time.Now
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	await := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); len(s.free()) < n; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d addresses", len(s.free()))
			}
		}
	}
	await(8)
	through := supplied{s.db, p}
	for i := range 8 {
		err := through.Write(t.Context(), func(tx checkout.Tx) error {
			_, err := tx.TakeAddress(t.Context(), "01M", payment.ID("01P"+string(rune('A'+i))), 0, s.now)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	await(8)
}

// Addresses whose payments are long over are no longer looked at in turn; those that are
// free, or whose payments may come back, are.
func TestAddressesRest(t *testing.T) {
	s := newSupply(t)
	s.supply(s.pool(10))
	w := newWatched(s.db)
	r := newResting(s.db, w, slog.New(slog.DiscardHandler))
	r.now = func() time.Time { return s.now }
	id := payment.ID(payment.NewULID(s.now))
	err := s.db.Write(t.Context(), func(tx checkout.Tx) error {
		to, err := tx.TakeAddress(t.Context(), "01M", id, 0, s.now)
		if err != nil {
			return err
		}
		p := &payment.Payment{ID: id, Terms: payment.Terms{
			Merchant: "01M", Dialect: "spacepay", Alias: "a", CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour),
			Requests: []payment.Request{{ID: "01R", Asset: asset.USD, Due: big.NewInt(1e18), Payee: to, Handles: []payment.Handle{{Rail: "deposit", Value: to.Lower()}}}},
		}}
		p.Standing = payment.Assess(p.Terms, nil, nil, s.now)
		return tx.InsertPayment(t.Context(), p)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		rest  int
	}{{0, 0}, {restAfter + 59*time.Minute, 0}, {restAfter + 61*time.Minute, 1}, {2 * restAfter, 0}} {
		s.now = time.Now().UTC().Add(c.after)
		n, err := r.look(t.Context())
		if err != nil || n != c.rest {
			t.Errorf("after %s: %d rest, %v", c.after, n, err)
		}
	}
	if watched, open := w.index.Len(); watched != 10 || open != 9 {
		t.Errorf("%d watched, %d open", watched, open)
	}
	if err := w.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, open := w.index.Len(); open != 9 {
		t.Errorf("%d open after another look", open)
	}
}

// Addresses of payments without an end rest once these have been paid or called off for
// long, and never before: somebody may pay after a year.
func TestAddressesOfLinksRest(t *testing.T) {
	s := newSupply(t)
	s.supply(s.pool(10))
	w := newWatched(s.db)
	r := newResting(s.db, w, slog.New(slog.DiscardHandler))
	start := time.Now().UTC()
	made := map[string]*payment.Payment{}
	for _, name := range []string{"open", "paid", "canceled"} {
		id := payment.ID(payment.NewULID(start))
		err := s.db.Write(t.Context(), func(tx checkout.Tx) error {
			to, err := tx.TakeAddress(t.Context(), "01M", id, 0, start)
			if err != nil {
				return err
			}
			p := &payment.Payment{ID: id, Terms: payment.Terms{
				Merchant: "01M", Dialect: "secpaid", Alias: name, CreatedAt: start, ExpiresAt: payment.Endless,
				Requests: []payment.Request{{ID: "01R" + name, Asset: asset.EUR, Due: money.Cents(100), Payee: to, Handles: []payment.Handle{{Rail: "deposit", Value: to.Lower()}}}},
			}}
			p.Standing = payment.Assess(p.Terms, nil, nil, start)
			made[name] = p
			return tx.InsertPayment(t.Context(), p)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	year := start.AddDate(1, 0, 0)
	err := s.db.Write(t.Context(), func(tx checkout.Tx) error {
		paid, canceled := *made["paid"], *made["canceled"]
		x := payment.Transfer{Key: "sepa:1", Request: 0, Rail: "sepa", Asset: asset.EUR, Amount: money.Cents(100), Credit: money.Cents(100), Stage: payment.Final, At: year}
		if _, err := tx.PutTransfer(t.Context(), paid.ID, x); err != nil {
			return err
		}
		paid.Standing = payment.Assess(paid.Terms, []payment.Transfer{x}, nil, year)
		canceled.Terms.CanceledAt, canceled.Terms.CanceledBy = year, payment.ByPayer
		canceled.Standing = payment.Assess(canceled.Terms, nil, nil, year)
		return errors.Join(tx.SaveStanding(t.Context(), &paid), tx.SaveStanding(t.Context(), &canceled))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   time.Time
		rest int
	}{{start, 0}, {year.Add(restAfter - time.Minute), 0}, {year.Add(restAfter + time.Minute), 2}, {year.AddDate(50, 0, 0), 0}} {
		r.now = func() time.Time { return c.at }
		if n, err := r.look(t.Context()); err != nil || n != c.rest {
			t.Errorf("at %s: %d rest, %v", c.at, n, err)
		}
	}
	if watched, open := w.index.Len(); watched != 10 || open != 8 {
		t.Errorf("%d watched, %d open", watched, open)
	}
}

// An address is what its merchant's own key gives for this very payment, or nothing.
func TestAddressesAreDerivedAgain(t *testing.T) {
	s := newSupply(t)
	s.supply(s.pool(10))
	id := payment.ID("01P")
	var to asset.Address
	err := s.db.Write(t.Context(), func(tx checkout.Tx) (err error) {
		to, err = tx.TakeAddress(t.Context(), "01M", id, 0, s.now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	of := func(id payment.ID, m payment.MerchantID, to asset.Address) *payment.Payment {
		return &payment.Payment{ID: id, Terms: payment.Terms{Merchant: m, Requests: []payment.Request{{Payee: to}}}}
	}
	if got, err := (Keys{s.db}).Derive(t.Context(), of(id, "01M", to), 0); err != nil || got != to {
		t.Errorf("derived %s, %v; want %s", got, err, to)
	}
	for name, p := range map[string]*payment.Payment{
		"another payment": of("01Q", "01M", to), "another merchant": of(id, "01N", to), "no address of ours": of(id, "01M", asset.Address{9}),
		"a free one": of(id, "01M", s.parse(s.address(5))),
	} {
		if got, err := (Keys{s.db}).Derive(t.Context(), p, 0); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}
