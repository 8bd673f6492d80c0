package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"quittance/internal/lifi"
)

const output = "../../../static/ts/src/routes.gen.ts"

// The page's copy must never be older than the tables: `go generate
// ./internal/lifi` writes it.
func TestGeneratedFileIsCurrent(t *testing.T) {
	got, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, render()) {
		t.Errorf("%s is stale: run go generate ./internal/lifi", output)
	}
}

func TestEveryNetworkIsThereOnce(t *testing.T) {
	out := string(render())
	networks := 0
	for _, table := range []*lifi.Table{lifi.Pinned(), lifi.Sandbox()} {
		for _, chain := range table.Chains() {
			networks++
			n, _ := table.Network(chain)
			if strings.Count(out, "diamond: '"+n.Diamond.Lower()+"'") == 0 {
				t.Errorf("%d: its contract %s is missing", chain, n.Diamond)
			}
			for _, s := range n.Stables {
				if !strings.Contains(out, "'"+string(s.ID)+"', symbol: '"+s.Symbol+"', ") {
					t.Errorf("%d: %s is missing", chain, s.ID)
				}
			}
		}
	}
	if got := strings.Count(out, "    id: "); got != networks || networks < 8 {
		t.Errorf("%d networks of %d", got, networks)
	}
}

func TestQuote(t *testing.T) {
	if got, want := quote("it's a \\ \n"), `'it\'s a \\ \n'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
