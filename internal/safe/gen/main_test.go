package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/safe"
)

const output = "../../../static/ts/src/safes.gen.ts"

// The page's copy must never be older than the tables: `go generate
// ./internal/safe` writes it.
func TestGeneratedFileIsCurrent(t *testing.T) {
	got, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, render()) {
		t.Errorf("%s is stale: run go generate ./internal/safe", output)
	}
}

// Every chain that a payment may be made from, and of the pinned contracts those
// for batches of calls and no others.
func TestEveryContractForBatchesIsThere(t *testing.T) {
	real, _ := asset.Real()
	sandbox, _ := asset.Sandbox()
	out := string(render())
	for _, c := range append(real, sandbox...) {
		_, rest, ok := strings.Cut(out, fmt.Sprintf("  %d: [\n", c.ID))
		if !ok {
			t.Errorf("%s is missing", c.Name)
			continue
		}
		list, _, _ := strings.Cut(rest, "  ],\n")
		contracts := safe.At(c.ID).Contracts(c.ID, safe.MultiSendCallOnly)
		if len(contracts) < len(safe.Versions()) || strings.Count(list, "\n") != len(contracts) {
			t.Errorf("%s: %d lines for %d contracts", c.Name, strings.Count(list, "\n"), len(contracts))
		}
		for _, x := range contracts {
			if !strings.Contains(list, "'"+x.Address.Lower()+"', // "+string(x.Version)+"\n") {
				t.Errorf("%s: %s is missing", c.Name, x.Address)
			}
		}
	}
}
