package safe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

// liar changes one of a node's answers.
type liar struct {
	node   chain.Batcher
	change func([]chain.Result) []chain.Result
}

func (l liar) Batch(ctx context.Context, calls []chain.Call) ([]chain.Result, error) {
	rs, err := l.node.Batch(ctx, calls)
	if err != nil {
		return nil, err
	}
	return l.change(rs), nil
}

// says puts another answer in the place of one.
func says(i int, answer string) func([]chain.Result) []chain.Result {
	return func(rs []chain.Result) []chain.Result {
		rs[i] = chain.Result{Raw: json.RawMessage(answer)}
		return rs
	}
}

func refuses(i int) func([]chain.Result) []chain.Result {
	return func(rs []chain.Result) []chain.Result {
		rs[i] = chain.Result{Err: &chain.RPCError{Code: -32000, Message: "not now"}}
		return rs
	}
}

// abiWords is 0x and words, short numbers or addresses, as a quoted string.
func abiWords(parts ...any) string {
	var b strings.Builder
	for _, p := range parts {
		switch v := p.(type) {
		case int:
			fmt.Fprintf(&b, "%064x", v)
		case asset.Address:
			fmt.Fprintf(&b, "%064x", v[:])
		case string:
			b.WriteString(v)
		}
	}
	return `"0x` + b.String() + `"`
}

// The places of Read's questions.
const (
	atBlock = iota
	atCode
	atSingleton
	atGuard
	atModuleGuard
	atHandler
	atVersion
	atOwners
	atThreshold
	atNonce
	atModules
	atMultiSend
)

func TestReadBelievesNoNonsense(t *testing.T) {
	w := newWorld(t)
	s := safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V141})
	a1, a2 := asset.Address{1, 19: 1}, asset.Address{2, 19: 1}
	sentinel := asset.Address{19: 1}
	multi := len(w.table.Contracts(sandbox, safe.MultiSendCallOnly))
	huge := strings.Repeat("f", 64)
	for name, c := range map[string]struct {
		change func([]chain.Result) []chain.Result
		want   error // nil for any other
	}{
		"no code":                   {says(atCode, `"0x"`), safe.ErrNoContract},
		"a delegated account":       {says(atCode, `"0xef0100`+strings.Repeat("11", 20)+`"`), safe.ErrNotSafe},
		"other code":                {says(atCode, `"0x6001"`), safe.ErrNotSafe},
		"another singleton":         {says(atSingleton, abiWords(a1)), safe.ErrVersion},
		"no singleton":              {says(atSingleton, abiWords(0)), safe.ErrVersion},
		"a handler as singleton":    {says(atSingleton, abiWords(w.table.Contracts(sandbox, safe.FallbackHandler)[0].Address)), safe.ErrVersion},
		"a word as singleton":       {says(atSingleton, abiWords(huge)), safe.ErrNotSafe},
		"an empty slot":             {says(atSingleton, `"0x"`), safe.ErrNotSafe},
		"another version's":         {says(atSingleton, abiWords(w.table.Contracts(sandbox, safe.Singleton)[0].Address)), nil},
		"another version":           {says(atVersion, abiWords(32, 5, fmt.Sprintf("%-64s", "312e332e30")[:10]+strings.Repeat("0", 54))), nil},
		"no version":                {says(atVersion, `"0x"`), nil},
		"no code read":              {refuses(atCode), nil},
		"no slot read":              {refuses(atSingleton), nil},
		"no owners read":            {refuses(atOwners), nil},
		"no guard read":             {refuses(atGuard), nil},
		"no module guard read":      {refuses(atModuleGuard), nil},
		"no handler read":           {refuses(atHandler), nil},
		"no modules read":           {refuses(atModules), nil},
		"no nonce read":             {refuses(atNonce), nil},
		"no threshold read":         {refuses(atThreshold), nil},
		"no block read":             {refuses(atBlock), nil},
		"no block":                  {says(atBlock, `null`), nil},
		"code null":                 {says(atCode, `null`), nil},
		"no multisend read":         {refuses(atMultiSend), nil},
		"a guard that is a word":    {says(atGuard, abiWords(huge)), nil},
		"a nonce of 256 bits":       {says(atNonce, abiWords(huge)), nil},
		"a nonce and more":          {says(atNonce, abiWords(1, 1)), nil},
		"no threshold":              {says(atThreshold, abiWords(0)), nil},
		"a threshold of too many":   {says(atThreshold, abiWords(4)), nil},
		"owners behind others":      {says(atOwners, abiWords(64, 0, 1, a1)), nil},
		"fewer owners than said":    {says(atOwners, abiWords(32, 3, a1, a2)), nil},
		"more owners than said":     {says(atOwners, abiWords(32, 1, a1, a2)), nil},
		"very many owners":          {says(atOwners, abiWords(32, huge)), nil},
		"an owner twice":            {says(atOwners, abiWords(32, 2, a1, a1)), nil},
		"an owner who is nobody":    {says(atOwners, abiWords(32, 2, a1, 0)), nil},
		"the sentinel as owner":     {says(atOwners, abiWords(32, 2, a1, sentinel)), nil},
		"an owner that is a word":   {says(atOwners, abiWords(32, 2, a1, huge)), nil},
		"no owners":                 {says(atOwners, abiWords(32, 0)), nil},
		"owners that are no data":   {says(atOwners, `"yes"`), nil},
		"eleven modules":            {says(atModules, abiWords(64, sentinel, 11, a1, a2)), nil},
		"modules without their end": {says(atModules, abiWords(64, huge, 0)), nil},
		"an answer too few":         {func(rs []chain.Result) []chain.Result { return rs[1:] }, nil},
	} {
		got, err := w.table.Read(t.Context(), liar{w.node, c.change}, sandbox, s.Address)
		if err == nil || got != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		for _, e := range []error{safe.ErrNoContract, safe.ErrNotSafe, safe.ErrVersion} {
			if !errors.Is(c.want, e) && errors.Is(err, e) {
				t.Errorf("%s: a node's fault is the payer's: %v", name, err)
			}
		}
	}
	for i := range multi {
		got, err := w.table.Read(t.Context(), liar{w.node, says(atMultiSend+i, `"0x6001"`)}, sandbox, s.Address)
		if own := w.table.Contracts(sandbox, safe.MultiSendCallOnly)[i].Version == safe.V141; err != nil || got.MultiSend.IsZero() != own {
			t.Errorf("another code of MultiSendCallOnly %d: %+v, %v", i, got, err)
		}
	}
	for name, change := range map[string]func([]chain.Result) []chain.Result{
		"safe_guard": says(atGuard, abiWords(a1)), "safe_module_guard": says(atModuleGuard, abiWords(a1)),
		"safe_fallback_handler": says(atHandler, abiWords(a1)), "safe_modules": says(atModules, abiWords(64, a1, 1, a2)),
		"": says(atHandler, abiWords(0)),
	} {
		got, err := w.table.Read(t.Context(), liar{w.node, change}, sandbox, s.Address)
		if err != nil {
			t.Fatal(err)
		}
		switch warnings := got.Warnings; {
		case name == "" && len(warnings) != 0, name != "" && (len(warnings) != 1 || warnings[0].Code != name || !strings.HasSuffix(warnings[0].Text, ".")):
			t.Errorf("%q: %+v", name, warnings)
		}
	}
}

// A chain that is down is nobody's Safe's fault.
func TestReadPassesFaultsOn(t *testing.T) {
	w := newWorld(t)
	s := safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V141})
	w.Fail(503)
	if _, err := w.table.Read(t.Context(), w.node, sandbox, s.Address); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	if _, _, err := safe.Search(t.Context(), w.node, 0, 1, s.Address); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	if _, err := safe.Nonce(t.Context(), w.node, s.Address, chain.Block{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	if _, err := safe.Confirm(t.Context(), w.node, safe.Execution{Safe: s.Address}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
}

func TestSearchBelievesNoNonsense(t *testing.T) {
	w := newWorld(t)
	s := safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V150})
	s.Execute(s.Reject(0))
	w.Mine(1)
	honest := func(rs []chain.Result) []chain.Result { return rs }
	edit := func(at int, from, to string) func([]chain.Result) []chain.Result {
		return func(rs []chain.Result) []chain.Result {
			text := string(rs[at].Raw)
			if !strings.Contains(text, from) {
				t.Fatalf("%s is not in %s", from, text)
			}
			return says(at, strings.ReplaceAll(text, from, to))(rs)
		}
	}
	other, head := "0x"+strings.Repeat("ab", 32), fmt.Sprintf(`"blockNumber":"0x%x"`, w.Head())
	twice := func(change func(string) string) func([]chain.Result) []chain.Result {
		return func(rs []chain.Result) []chain.Result {
			one := strings.Trim(string(rs[1].Raw), "[]\n")
			return says(1, "["+one+","+change(one)+"]")(rs)
		}
	}
	for name, c := range map[string]struct {
		change   func([]chain.Result) []chain.Result
		from, to uint64
		good     bool
	}{
		"honest":                      {honest, 0, w.Head(), true},
		"a log twice":                 {twice(func(one string) string { return one }), 0, w.Head(), true},
		"two logs for one place":      {twice(func(one string) string { return strings.Replace(one, safe.TopicSuccess, safe.TopicFailure, 1) }), 0, w.Head(), false},
		"a block to come":             {honest, 0, w.Head() + 1, false},
		"backwards":                   {honest, 2, 1, false},
		"no block":                    {says(0, `null`), 0, w.Head(), false},
		"another block":               {edit(0, fmt.Sprintf(`"number":"0x%x"`, w.Head()), `"number":"0x1"`), 0, w.Head(), false},
		"no logs":                     {refuses(1), 0, w.Head(), false},
		"another's log":               {edit(1, s.Address.Lower(), stranger.Lower()), 0, w.Head(), false},
		"a log of another time":       {edit(1, head, `"blockNumber":"0xfff"`), 0, w.Head(), false},
		"a log of a block that is no": {edit(1, w.HeadHash(), other), 0, w.Head(), false},
		"an answer too few":           {func(rs []chain.Result) []chain.Result { return rs[:1] }, 0, w.Head(), false},
	} {
		if block, found, err := safe.Search(t.Context(), liar{w.node, c.change}, c.from, c.to, s.Address); (err == nil) != c.good || err == nil && (len(found) != 1 || block.Number != c.to) {
			t.Errorf("%s: %+v of %+v, %v", name, found, block, err)
		}
	}
	_, found, err := safe.Search(t.Context(), w.node, 0, w.Head(), s.Address)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func([]chain.Result) []chain.Result
		good   bool
	}{
		"honest":                       {honest, true},
		"no block":                     {says(0, `null`), false},
		"another block":                {edit(0, w.HeadHash(), other), false},
		"no receipt":                   {says(1, `null`), false},
		"a refusal":                    {refuses(1), false},
		"another's receipt":            {edit(1, found[0].Tx, other), false},
		"a receipt in another block":   {edit(1, w.HeadHash(), other), false},
		"a transaction that failed":    {edit(1, `"status":"0x1"`, `"status":"0x0"`), false},
		"a receipt of another Safe":    {edit(1, s.Address.Lower(), stranger.Lower()), false},
		"a receipt of another hash":    {edit(1, found[0].Hash.String(), other), false},
		"a receipt of another outcome": {edit(1, safe.TopicSuccess, safe.TopicFailure), false},
		"an answer too few":            {func(rs []chain.Result) []chain.Result { return rs[:1] }, false},
	} {
		if at, err := safe.Confirm(t.Context(), liar{w.node, c.change}, found[0]); (err == nil) != c.good || err == nil && at.IsZero() {
			t.Errorf("confirming, %s: %s, %v", name, at, err)
		}
	}
	at := w.read(s.Address).Block
	for name, c := range map[string]struct {
		change func([]chain.Result) []chain.Result
		good   bool
	}{
		"honest":            {honest, true},
		"no nonce":          {says(0, `"0x"`), false},
		"a refusal":         {refuses(0), false},
		"no block":          {says(1, `null`), false},
		"another block":     {edit(1, w.HeadHash(), other), false},
		"an answer too few": {func(rs []chain.Result) []chain.Result { return rs[:1] }, false},
	} {
		if n, err := safe.Nonce(t.Context(), liar{w.node, c.change}, s.Address, at); (err == nil) != c.good || err == nil && n != 1 {
			t.Errorf("the nonce, %s: %d, %v", name, n, err)
		}
	}
}

// scripted answers the questions of a batch in their order.
type scripted []string

func (s scripted) Batch(_ context.Context, calls []chain.Call) ([]chain.Result, error) {
	if len(calls) != len(s) {
		return nil, fmt.Errorf("%d questions, not %d", len(calls), len(s))
	}
	out := make([]chain.Result, len(s))
	for i, text := range s {
		out[i].Raw = json.RawMessage(text)
	}
	return out, nil
}

func unquote(s string) string { return strings.Trim(s, `"`) }
