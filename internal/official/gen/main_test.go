package main

import (
	"bytes"
	"cmp"
	"os"
	"regexp"
	"strconv"
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
	written := read(t, string(out))
	for _, table := range []func() ([]asset.Chain, []asset.Token){asset.Real, asset.Sandbox} {
		chains, tokens := table()
		for _, c := range chains {
			tokens = append(tokens, c.Native)
		}
		for _, tok := range tokens {
			want := line{chain: tok.Chain, symbol: tok.Symbol, decimals: tok.Decimals, reset: tok.ResetAllowance}
			if !tok.Native {
				want.address = tok.Address.Lower()
			}
			if got := written[tok.Network+" "+string(tok.ID)+" "+strconv.FormatUint(uint64(tok.Chain), 10)]; got != want {
				t.Errorf("%s of chain %d: %+v, want %+v", tok.ID, tok.Chain, got, want)
			}
			delete(written, tok.Network+" "+string(tok.ID)+" "+strconv.FormatUint(uint64(tok.Chain), 10))
		}
	}
	if len(written) != 0 {
		t.Errorf("in no table: %v", written)
	}
	if again, err := render(); err != nil || !bytes.Equal(out, again) {
		t.Errorf("two runs differ (%v)", err)
	}
}

// line is what a token's line says.
type line struct {
	chain           asset.ChainID
	symbol, address string
	decimals        uint8
	reset           bool
}

var (
	chainLine = regexp.MustCompile(`^  (\d+): chain\('([^']+)', '[^']+', '0x[0-9a-f]{40}', '0x[0-9a-f]{40}', '0x[0-9a-f]{40}', \[$`)
	tokenLine = regexp.MustCompile(`^    (?:native|erc20)\('([^']+)', (\d+)(?:, '(0x[0-9a-f]{40})')?(?:, '([^']+)')?(, true)?\),$`)
)

// read makes out of the file what the script makes of it.
func read(t *testing.T, file string) map[string]line {
	t.Helper()
	out, network, current := map[string]line{}, "", line{}
	for l := range strings.Lines(file) {
		l = strings.TrimSuffix(l, "\n")
		if m := chainLine.FindStringSubmatch(l); m != nil {
			id, err := strconv.ParseUint(m[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			network, current.chain = m[2], asset.ChainID(id)
		}
		if m := tokenLine.FindStringSubmatch(l); m != nil {
			decimals, err := strconv.ParseUint(m[2], 10, 8)
			if err != nil {
				t.Fatal(err)
			}
			x := line{chain: current.chain, symbol: m[1], address: m[3], decimals: uint8(decimals), reset: m[5] != ""}
			out[network+" "+cmp.Or(m[4], m[1])+"-"+network+" "+strconv.FormatUint(uint64(current.chain), 10)] = x
		}
	}
	return out
}

func TestQuote(t *testing.T) {
	if got, want := quote("it's a \\ \n"), `'it\'s a \\ \n'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
