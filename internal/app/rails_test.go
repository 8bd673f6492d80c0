package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/big"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/addresses"
	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/checkout"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/evmref"
)

// playedRail is a rail that brings all that a rail can bring.
type playedRail struct {
	token    asset.Address // whose transfers are its evidence
	offered  atomic.Bool
	supplied atomic.Bool
	running  atomic.Bool
	closed   atomic.Bool
	decoded  chan chain.Log
	read     chan chain.Sweep
}

func (*playedRail) ID() rail.ID { return "played" }

func (r *playedRail) Offer(context.Context, *payment.Payment, rail.Payer) ([]rail.Option, error) {
	r.offered.Store(true)
	return []rail.Option{{ID: "played:it", Rail: "played"}}, nil
}

func (*playedRail) Prepare(context.Context, *payment.Payment, string, rail.Payer) (rail.Instruction, error) {
	return nil, errors.New("nobody can pay with it")
}

func (r *playedRail) Filter(asset.ChainID) chain.Filter {
	return chain.Filter{Addresses: []asset.Address{r.token}, Topics0: []string{official.TopicTransfer}}
}

func (r *playedRail) Decode(id asset.ChainID, l chain.Log) (rail.Sighting, error) {
	select {
	case r.decoded <- l:
	default: // one is enough
	}
	return rail.Sighting{Rail: "played", Handle: "nobody's", Key: "played:1", Chain: id, Amount: new(big.Int)}, nil
}

func (r *playedRail) Read(_ context.Context, sw chain.Sweep, _ *checkout.Sweep) error {
	select {
	case r.read <- sw:
	default: // one is enough
	}
	return nil
}

func (*playedRail) MaxRange() uint64 { return 7 }

func (r *playedRail) Run(ctx context.Context) error {
	r.running.Store(true)
	defer r.running.Store(false)
	<-ctx.Done()
	return nil
}

func (r *playedRail) Close() { r.closed.Store(true) }

func (r *playedRail) Supply(s checkout.Store) checkout.Store {
	r.supplied.Store(true)
	return s
}

// smallSetup is a server over one chain.
func smallSetup(t *testing.T) (Setup, *chaintest.Chain) {
	t.Helper()
	c := chaintest.New(t, chaintest.WithID(uint64(asset.SandboxBase)))
	chains, tokens := asset.Sandbox()
	tokens = slices.DeleteFunc(tokens, func(k asset.Token) bool { return k.Chain != asset.SandboxBase })
	book, err := asset.NewBook(chains[:1], tokens)
	if err != nil {
		t.Fatal(err)
	}
	return Setup{
		BaseURL: "https://pay.example.com", Database: "sqlite:" + filepath.Join(t.TempDir(), "q.db"), Keys: [][]byte{bytes.Repeat([]byte{7}, 32)},
		Book: book, Registry: official.Default(), Log: slog.New(slog.DiscardHandler),
		Chains: []ChainSetup{{ID: asset.SandboxBase, Endpoints: []chain.Endpoint{{URL: c.URL()}}, Confirmations: 3, Agree: 1, StartBlock: 1, Interval: 10 * time.Millisecond}},
	}, c
}

// run runs a server until the test ends or stop is called, which waits for its end.
func run(t *testing.T, a *App) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, nil) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// comes waits for something that a running server does.
func comes[T any](t *testing.T, what string, from <-chan T) (x T) {
	t.Helper()
	select {
	case x = <-from:
	case <-time.After(time.Minute):
		t.Fatalf("%s: nothing came", what)
	}
	return x
}

// A rail in the list needs nothing else: it is offered, shown the logs that it asks for and
// no others, and the blocks, bounds sweeps, has its word in what is stored, works while the
// server runs and is closed in the end.
func TestARailIsOneLine(t *testing.T) {
	s, c := smallSetup(t)
	token, err := asset.ParseAddress(c.USDC())
	if err != nil {
		t.Fatal(err)
	}
	r := &playedRail{token: token, decoded: make(chan chain.Log, 1), read: make(chan chain.Sweep, 1)}
	a, err := compose(t.Context(), s, func(g ground) ([]rail.Rail, error) {
		all, err := rails(g)
		return append(all, r), err
	}, dialects())
	if err != nil {
		t.Fatal(err)
	}
	p := &payment.Payment{Standing: payment.Standing{State: payment.Open}}
	options, err := a.Checkout.Offers(t.Context(), p, rail.Payer{})
	if err != nil || !slices.ContainsFunc(options, func(o rail.Option) bool { return o.Rail == "played" }) || !r.offered.Load() {
		t.Errorf("offered %+v, %v", options, err)
	}
	if !r.supplied.Load() {
		t.Error("its word in the store was not asked for")
	}
	if got := maxRange(allWith[source](a.rails), 0); got != 7 {
		t.Errorf("sweeps have %d blocks", got)
	}
	stop := run(t, a)
	c.Transfer(c.USDC(), c.Address(), big.NewInt(5))
	c.Transfer(c.USDT(), c.Address(), big.NewInt(5))
	c.Mine(1)
	if l := comes(t, "a log", r.decoded); l.Address != token {
		t.Errorf("shown a log of %s", l.Address)
	}
	if sw := comes(t, "a sweep", r.read); sw.Chain != asset.SandboxBase {
		t.Errorf("read chain %d", sw.Chain)
	}
	if !r.running.Load() || r.closed.Load() {
		t.Errorf("running %t, closed %t", r.running.Load(), r.closed.Load())
	}
	stop()
	if r.running.Load() || !r.closed.Load() {
		t.Errorf("after the end: running %t, closed %t", r.running.Load(), r.closed.Load())
	}
}

// A rail that nothing is set up for is not there, and one that cannot be made ends the list
// with those before it, which are closed.
func TestRailsAreListed(t *testing.T) {
	var l railList
	first, broken := &playedRail{}, errors.New("no service")
	l.add(first, nil)
	l.add(newRouting(ground{}))
	l.add(newDeposits(ground{}))
	if len(l.made) != 1 || l.err != nil {
		t.Errorf("listed %v, %v", l.made, l.err)
	}
	l.add(nil, broken)
	l.add(&playedRail{}, nil)
	if len(l.made) != 1 || l.err != broken {
		t.Errorf("listed %v, %v", l.made, l.err)
	}
	s, _ := smallSetup(t)
	if _, err := compose(t.Context(), s, func(ground) ([]rail.Rail, error) { return l.made, l.err }, nil); !errors.Is(err, broken) || !first.closed.Load() {
		t.Errorf("made of a broken list: %v, closed %t", err, first.closed.Load())
	}
}

// What is asked of a chain is what any source asks for, and each is shown its own.
func TestSourcesShareASweep(t *testing.T) {
	here, there := asset.Address{1}, asset.Address{2}
	direct := evmref.New(evmref.Config{Registry: official.Default()})
	of := direct.Filter(asset.SandboxBase)
	played := &playedRail{token: here}
	f := filter([]source{direct, addresses.NewPromised(nil), played}, asset.SandboxBase)
	if len(f.Addresses) != len(of.Addresses)+1 || len(f.Topics0) != len(of.Topics0)+1 {
		t.Errorf("asked for %+v", f)
	}
	if f := filter([]source{direct, curious{here}}, asset.SandboxBase); len(f.Topics0) != 0 || len(f.Addresses) != len(of.Addresses)+1 {
		t.Errorf("where one wants every event: %+v", f)
	}
	for name, c := range map[string]struct {
		f    chain.Filter
		l    chain.Log
		want bool
	}{
		"its event":         {played.Filter(0), chain.Log{Address: here, Topics: []string{official.TopicTransfer}}, true},
		"another event":     {played.Filter(0), chain.Log{Address: here, Topics: []string{official.TopicERC20Paid}}, false},
		"without a name":    {played.Filter(0), chain.Log{Address: here}, false},
		"another's":         {played.Filter(0), chain.Log{Address: there, Topics: []string{official.TopicTransfer}}, false},
		"every event":       {curious{here}.Filter(0), chain.Log{Address: here}, true},
		"of who wants none": {chain.Filter{}, chain.Log{}, false},
	} {
		if got := covers(c.f, c.l); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// curious is a source that wants every event of a contract.
type curious struct{ of asset.Address }

func (c curious) Filter(asset.ChainID) chain.Filter {
	return chain.Filter{Addresses: []asset.Address{c.of}}
}

// Who paid is asked of the chain unless the rail has said it.
func TestKnownPayersStay(t *testing.T) {
	told, untold := rail.Sighting{}, rail.Sighting{}
	told.Evidence.Tx, told.Evidence.Payer, untold.Evidence.Tx = "0x1", "0xpayer", "0x2"
	txs, at := byTransaction([]rail.Sighting{told, untold}, []int{0, 1})
	if !slices.Equal(txs, []string{"0x2"}) || len(at) != 1 {
		t.Errorf("asked for %v, %v", txs, at)
	}
}
