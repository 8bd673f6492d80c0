package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"quittance/internal/asset"
)

const output = "../../../static/ts/src/registry.gen.ts"

// The page's copy must never be older than the tables: `go generate
// ./internal/official` writes it.
func TestGeneratedFileIsCurrent(t *testing.T) {
	want, err := render()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run go generate ./internal/official", output)
	}
}

func TestEveryChainAndTokenIsThere(t *testing.T) {
	out, err := render()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []func() ([]asset.Chain, []asset.Token){asset.Real, asset.Sandbox} {
		chains, tokens := table()
		for _, c := range chains {
			tokens = append(tokens, c.Native)
		}
		for _, tok := range tokens {
			if !strings.Contains(string(out), "('"+string(tok.ID)+"', '"+tok.Symbol+"', ") {
				t.Errorf("%s is missing", tok.ID)
			}
		}
	}
	if again, err := render(); err != nil || !bytes.Equal(out, again) {
		t.Errorf("two runs differ (%v)", err)
	}
}

func TestQuote(t *testing.T) {
	if got, want := quote("it's a \\ \n"), `'it\'s a \\ \n'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
