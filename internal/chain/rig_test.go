package chain

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// rig is a scanner with what it works on.
type rig struct {
	t     testing.TB
	chain *ledger
	nodes []*node
	sink  *memory
	cfg   ScannerConfig
	scan  *Scanner
}

// newRig scans from block 1 with three confirmations unless change says otherwise.
func newRig(t testing.TB, nodes []*node, sink *memory, change func(*ScannerConfig)) *rig {
	t.Helper()
	cfg := Config{Chain: testChain, Log: quiet(), RestMin: 1, RestMax: 1} // looks follow each other at once
	for i, n := range nodes {
		cfg.Endpoints = append(cfg.Endpoints, Endpoint{Transport: n, Name: fmt.Sprintf("node%d", i)})
	}
	client, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, chain: nodes[0].ledger, nodes: nodes, sink: sink}
	r.cfg = ScannerConfig{
		Client: client, Sink: sink, Filter: func() Filter { return wanted }, StartBlock: 1,
		Finality: Finality{Confirmations: 3}, MaxRange: 10, Log: quiet(),
	}
	if change != nil {
		change(&r.cfg)
	}
	r.restart()
	return r
}

// simple is a rig with one honest node.
func simple(t testing.TB, change func(*ScannerConfig)) *rig {
	t.Helper()
	return newRig(t, []*node{newNode(t, newLedger())}, newMemory(t), change)
}

func (r *rig) restart() {
	s, err := NewScanner(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.scan = s
}

// once looks once and keeps the record as Run does.
func (r *rig) once() error {
	again, err := r.scan.look(context.Background())
	r.scan.finish(again, err)
	if err != nil {
		r.scan.loaded = false
	}
	return err
}

// idle looks until two looks in a row have nothing to do at once, ignoring failures.
func (r *rig) idle() {
	r.t.Helper()
	calm := 0
	for range 400 {
		again, err := r.scan.look(context.Background())
		r.scan.finish(again, err)
		if err != nil {
			r.scan.loaded = false
		}
		if again || err != nil {
			calm = 0
			continue
		}
		if calm++; calm == 2 {
			return
		}
	}
	r.t.Fatalf("the scanner does not come to rest: %+v", r.scan.Health())
}

func (r *rig) wantAll() {
	r.t.Helper()
	if got, want := r.sink.keys(), r.chain.payments(); !slices.Equal(got, want) {
		r.t.Fatalf("evidence\n got %d %v\nwant %d %v", len(got), got, len(want), want)
	}
}
