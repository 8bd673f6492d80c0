package deposit_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/rail/deposit"
)

// sink is how a server puts the watcher behind its scanner: what a sweep brought and
// the cursor move together.
type sink struct {
	mu      sync.Mutex
	books   *books
	watcher *deposit.Watcher
	height  uint64
}

func (s *sink) Cursor(context.Context, asset.ChainID) (chain.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	blocks := slices.Clone(s.books.blocks)
	slices.Reverse(blocks)
	return chain.Cursor{Blocks: blocks, Final: s.height}, nil
}

func (s *sink) Apply(ctx context.Context, sw chain.Sweep) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.books.blocks); n > 0 && s.books.blocks[n-1].Number+1 != sw.From {
		return fmt.Errorf("block %d does not follow", sw.From)
	}
	found, err := s.watcher.Read(ctx, sw)
	if err != nil {
		return err
	}
	s.height = max(s.height, sw.Final)
	return s.books.apply(sw.To, found)
}

func (s *sink) Rewind(_ context.Context, _ asset.ChainID, to chain.Block, _ int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books.rewind(to)
	return nil
}

func (s *sink) Pending(_ context.Context, _ asset.ChainID, upTo uint64) ([]chain.Block, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []chain.Block
	for _, x := range s.books.sightings {
		b := chain.Block{Number: x.Evidence.Block, Hash: x.Evidence.BlockHash}
		if b.Number <= upTo && !s.books.final[b.Hash] && !slices.Contains(out, b) {
			out = append(out, b)
		}
	}
	return out, nil
}

func (s *sink) Finalize(_ context.Context, _ asset.ChainID, blocks []chain.Block) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range blocks {
		s.books.final[b.Hash] = true
	}
	return nil
}

// standing is what an address got, and how much of it is final.
func (s *sink) standing(a asset.Address) (wei, final int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.books.sightings {
		if x.To != a || !x.Token.IsZero() {
			continue
		}
		wei += x.Amount.Int64()
		if s.books.final[x.Evidence.BlockHash] {
			final += x.Amount.Int64()
		}
	}
	return wei, final
}

// The scanner drives the watcher: confirmations, a reorganisation, a restart, and money
// that is found a round late in a block that is final already.
func TestBehindTheScanner(t *testing.T) {
	c := chaintest.New(t)
	client, err := chain.NewClient(chain.Config{Chain: asset.ChainID(c.ID()), Endpoints: []chain.Endpoint{{URL: c.URL()}}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	_, a := account(t, 1)
	_, late := account(t, 2)
	vault, _ := c.Deploy(creation(payStored, late))
	c.Mine(1)

	index := deposit.NewIndex()
	index.Add(a, late)
	for i := range 14 { // a round of sixteen blocks
		_, x := account(t, byte(100+i))
		index.Add(x)
	}
	s := &sink{books: newBooks()}
	s.watcher, err = deposit.New(deposit.Config{
		Chain: asset.ChainID(c.ID()), Node: client, Multicall: address(t, c.Multicall3()),
		Tokens: []asset.Address{address(t, c.USDC())}, Index: index, Ledger: s.books, Slice: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	start := func() (stop func()) {
		scanner, err := chain.NewScanner(chain.ScannerConfig{
			Blocks: func() bool { return true },
			Client: client, Sink: s, Filter: s.watcher.Filter, Finality: chain.Finality{Confirmations: 4},
			StartBlock: 1, Interval: 5 * time.Millisecond, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- scanner.Run(ctx) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("scanning: %v", err)
			}
		}
	}
	until := func(what string, a asset.Address, wei, final int64) {
		t.Helper()
		deadline := time.Now().Add(time.Minute)
		for {
			gotWei, gotFinal := s.standing(a)
			if gotWei == wei && gotFinal == final {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d, %d of it final; want %d and %d", what, gotWei, gotFinal, wei, final)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}

	stop := start()
	c.Send(a.String(), big.NewInt(500), nil)
	c.Mine(1)
	until("one confirmation", a, 500, 0)
	c.Mine(2)
	until("three confirmations", a, 500, 0)
	c.Reorg(3)
	c.Mine(1)
	until("taken back", a, 0, 0)
	stop()
	c.Send(a.String(), big.NewInt(600), nil)
	c.Mine(2)
	stop = start()
	until("paid while nobody looked", a, 600, 0)
	c.Mine(2)
	until("four confirmations", a, 600, 600)

	c.Send(vault, big.NewInt(700), nil)
	for range 2 * 16 {
		c.Mine(1)
		until("the other one", a, 600, 600)
	}
	until("found late", late, 700, 700)
	stop()
	if xs := s.books.balances[late]; len(xs) != 1 {
		t.Errorf("balances of the one that was found late: %v", xs)
	}
}
