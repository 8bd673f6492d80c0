package official_test

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/sandbox/contracts"
)

func load[T any](t testing.TB, name string) T {
	t.Helper()
	file, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(file, &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

func addr(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return a
}

func ref(t testing.TB, text string) official.Reference {
	t.Helper()
	r, err := official.ParseReference(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func units(t testing.TB, text string) *big.Int {
	t.Helper()
	v, ok := new(big.Int).SetString(text, 10)
	if !ok {
		t.Fatalf("%q is no integer", text)
	}
	return v
}

func hexData(b []byte) string { return "0x" + hex.EncodeToString(b) }

func chainOf(t testing.TB, network string) asset.ChainID {
	t.Helper()
	chains, _ := asset.Real()
	for _, c := range chains {
		if c.Network == network {
			return c.ID
		}
	}
	t.Fatalf("no network %s", network)
	return 0
}

type officialCase struct {
	Kind, RequestID, Salt, Address, Reference, Topic string
	Network, Token, Payee, Amount, To, Value, Data   string
	FeeAmount, FeeAddress, Spender                   string
	Items                                            []struct{ Token, Payee, Amount, FeeAmount, Reference string }
}

// The official packages and this one must build the same bytes for the same payment.
func TestOfficialVectors(t *testing.T) {
	file := load[struct {
		Cases   []officialCase
		Batches []officialCase
	}](t, "official-vectors.json")
	seen := map[string]int{}
	for i, c := range file.Cases {
		seen[c.Kind]++
		switch c.Kind {
		case "reference":
			got := official.PaymentReference(c.RequestID, c.Salt, c.Address)
			if got.String() != c.Reference || got.Topic().String() != c.Topic {
				t.Errorf("case %d: got %s %s, want %s %s", i, got, got.Topic(), c.Reference, c.Topic)
			}
		case "erc20", "eth":
			checkPayment(t, i, c)
		case "approve":
			data, err := official.Approval{Spender: addr(t, c.Spender), Amount: units(t, c.Amount)}.Encode()
			if err != nil || hexData(data) != c.Data || !strings.EqualFold(c.To, c.Token) {
				t.Errorf("case %d: got %s %v, want %s", i, hexData(data), err, c.Data)
			}
			if proxy, _ := official.Default().Contract(chainOf(t, c.Network), official.ERC20FeeProxy); proxy.Address != addr(t, c.Spender) {
				t.Errorf("case %d: spender %s is not the official proxy %s", i, c.Spender, proxy.Address)
			}
		default:
			t.Errorf("case %d: unknown kind %q", i, c.Kind)
		}
	}
	for i, c := range file.Batches {
		checkBatch(t, i, c)
	}
	if len(file.Batches) < 10 {
		t.Errorf("only %d batches", len(file.Batches))
	}
	for _, kind := range []string{"reference", "erc20", "eth", "approve"} {
		if seen[kind] < 5 {
			t.Errorf("only %d cases of kind %s", seen[kind], kind)
		}
	}
}

func checkPayment(t *testing.T, i int, c officialCase) {
	t.Helper()
	e := official.Expectation{
		Chain: chainOf(t, c.Network), Payee: addr(t, c.Payee), Amount: units(t, c.Amount),
		Reference: ref(t, c.Reference), Fee: units(t, c.FeeAmount), FeePayee: addr(t, c.FeeAddress),
	}
	if c.Kind == "erc20" {
		e.Token = addr(t, c.Token)
	}
	registry := official.Default()
	call, err := registry.PayCall(e)
	if err != nil {
		t.Errorf("case %d: %v", i, err)
		return
	}
	if hexData(call.Data) != c.Data || call.To != addr(t, c.To) || call.Value.String() != c.Value {
		t.Errorf("case %d: got %s to %s with %s\nwant %s to %s with %s", i, hexData(call.Data), call.To, call.Value, c.Data, c.To, c.Value)
	}
	if bad, failed := rail.Failed(registry.Verify(e, []rail.Call{call})); failed {
		t.Errorf("case %d: the official transaction is refused: %+v", i, bad)
	}
}

// checkBatch also says what the packages' value lacks: the fees.
func checkBatch(t *testing.T, i int, c officialCase) {
	t.Helper()
	id := chainOf(t, c.Network)
	b := official.Batch{Chain: id, Terms: official.Default().BatchTerms(id)}
	nativeFees, free := new(big.Int), true
	for _, x := range c.Items {
		e := official.Expectation{
			Chain: id, Token: addr(t, x.Token), Payee: addr(t, x.Payee), Amount: units(t, x.Amount), Reference: ref(t, x.Reference), Fee: units(t, x.FeeAmount),
		}
		if e.Fee.Sign() > 0 {
			e.FeePayee, free = addr(t, c.FeeAddress), false
			if e.Token.IsZero() {
				nativeFees.Add(nativeFees, e.Fee)
			}
		}
		b.Requests = append(b.Requests, e)
	}
	registry := official.Default()
	call, err := registry.PayCall(b)
	if err != nil {
		t.Errorf("batch %d: %v", i, err)
		return
	}
	value := new(big.Int).Sub(call.Value, nativeFees)
	if call.To != addr(t, c.To) || value.String() != c.Value {
		t.Errorf("batch %d: got %s with %s and fees of %s, want %s with %s", i, call.To, value, nativeFees, c.To, c.Value)
	}
	if bad, failed := rail.Failed(registry.Verify(b, []rail.Call{call})); failed {
		t.Errorf("batch %d: %+v", i, bad)
	}
	if free { // the packages name an address even where nobody gets a fee
		p, err := official.DecodeBatchPayment(call.Data)
		if err != nil {
			t.Fatalf("batch %d: %v", i, err)
		}
		p.FeeAddress = addr(t, c.FeeAddress)
		if call.Data, err = p.Encode(); err != nil {
			t.Fatalf("batch %d: %v", i, err)
		}
	}
	if hexData(call.Data) != c.Data {
		t.Errorf("batch %d: got %s, want %s", i, hexData(call.Data), c.Data)
	}
}

func TestReferenceVectors(t *testing.T) {
	file := load[struct {
		Vectors []struct{ RequestID, Salt, Address, PaymentReference, HashedReferenceTopic, Note string }
	}](t, "payment-reference-vectors.json")
	if len(file.Vectors) < 5 {
		t.Fatalf("only %d vectors", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		got := official.PaymentReference(v.RequestID, v.Salt, v.Address)
		if got.String() != v.PaymentReference || got.Topic().String() != v.HashedReferenceTopic {
			t.Errorf("%s: got %s %s, want %s %s", v.Note, got, got.Topic(), v.PaymentReference, v.HashedReferenceTopic)
		}
	}
}

// The published transactions of single payments decode to their published
// arguments and encode to themselves again.
func TestCalldataVectors(t *testing.T) {
	file := load[struct {
		Vectors []struct {
			Name    string
			Tx      struct{ To, Value, Data string }
			Decoded struct {
				Selector string
				Args     []any
			}
		}
	}](t, "calldata-vectors.json")
	seen := map[string]int{}
	for _, v := range file.Vectors {
		data, err := hex.DecodeString(strings.TrimPrefix(v.Tx.Data, "0x"))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		arg := func(i int) string { s, _ := v.Decoded.Args[i].(string); return s }
		var again []byte
		selector := v.Tx.Data[:10]
		if selector != v.Decoded.Selector {
			t.Errorf("%s: calls %s, published as %s", v.Name, selector, v.Decoded.Selector)
		}
		switch selector {
		case "0xc219a14d":
			p, err := official.DecodeERC20Payment(data)
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
				continue
			}
			got := []string{p.Token.String(), p.Payee.String(), p.Amount.String(), p.Reference.String(), p.Fee.String(), p.FeePayee.String()}
			for i := range got {
				if !strings.EqualFold(got[i], arg(i)) {
					t.Errorf("%s: argument %d: got %s, want %s", v.Name, i, got[i], arg(i))
				}
			}
			again, err = p.Encode()
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
			seen["erc20"]++
		case "0xb868980b":
			p, err := official.DecodeEthPayment(data)
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
				continue
			}
			got := []string{p.Payee.String(), p.Reference.String(), p.Fee.String(), p.FeePayee.String()}
			for i := range got {
				if !strings.EqualFold(got[i], arg(i)) {
					t.Errorf("%s: argument %d: got %s, want %s", v.Name, i, got[i], arg(i))
				}
			}
			again, err = p.Encode()
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
			seen["eth"]++
		case "0x095ea7b3":
			a, err := official.DecodeApproval(data)
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
				continue
			}
			if !strings.EqualFold(a.Spender.String(), arg(0)) || a.Amount.String() != arg(1) {
				t.Errorf("%s: got %s to %s, want %v", v.Name, a.Amount, a.Spender, v.Decoded.Args)
			}
			again, err = a.Encode()
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
			seen["approve"]++
		default: // batches and conversions are other rails' business
			continue
		}
		if hexData(again) != v.Tx.Data {
			t.Errorf("%s: encodes to %s, want %s", v.Name, hexData(again), v.Tx.Data)
		}
	}
	if seen["erc20"] == 0 || seen["eth"] == 0 || seen["approve"] == 0 {
		t.Errorf("vectors covered: %v", seen)
	}
}

func TestTableIsTheOfficialOne(t *testing.T) {
	type entry struct {
		Version, Address string
		CreationBlock    uint64
	}
	file := load[struct {
		ChainIDs  map[string]any
		Contracts map[string]struct {
			Networks map[string]struct{ Current *entry }
		}
	}](t, "official-contracts.json")
	registry := official.Default()
	chains, _ := asset.Real()
	for _, kind := range []official.Kind{official.ERC20FeeProxy, official.EthereumFeeProxy, official.BatchPayments} {
		for _, c := range chains {
			if got := file.ChainIDs[c.Network]; got != float64(c.ID) {
				t.Errorf("%s: chain id %d, want %v", c.Network, c.ID, got)
			}
			want := file.Contracts[string(kind)].Networks[c.Network].Current
			got, ok := registry.Contract(c.ID, kind)
			if !ok || want == nil {
				t.Errorf("%s on %s: got %v, want %v", kind, c.Network, ok, want)
				continue
			}
			if got.Address.String() != want.Address || got.Version != want.Version || got.CreationBlock != want.CreationBlock {
				t.Errorf("%s on %s: got %+v, want %+v", kind, c.Network, got, *want)
			}
			if at, ok := registry.At(c.ID, got.Address); !ok || at.Kind != kind {
				t.Errorf("%s on %s is not found by its address", kind, c.Network)
			}
			if !got.CodeHash.IsZero() {
				t.Errorf("%s on %s is pinned in the source: only an operator can know", kind, c.Network)
			}
		}
	}
}

// The sandbox puts its contracts where this table says, with that code.
func TestSandboxTableIsTheSandbox(t *testing.T) {
	names := map[official.Kind]string{
		official.ERC20FeeProxy: contracts.ERC20FeeProxy, official.EthereumFeeProxy: contracts.EthereumFeeProxy,
		official.BatchPayments: contracts.BatchPayments, official.Multicall3: contracts.Multicall3,
	}
	registry := official.Default()
	chains, tokens := asset.Sandbox()
	for _, c := range chains {
		for _, kind := range official.Kinds() {
			got, ok := registry.Contract(c.ID, kind)
			if want := asset.Address(contracts.Address(names[kind])); !ok || got.Address != want {
				t.Errorf("%s on %s: got %s, want %s", kind, c.Name, got.Address, want)
			}
			if want := official.Hash(contracts.Get(names[kind]).RuntimeHash); got.CodeHash != want {
				t.Errorf("%s on %s: pinned %s, the sandbox has %s", kind, c.Name, got.CodeHash, want)
			}
		}
	}
	for _, tok := range tokens {
		want := asset.Address(contracts.Address(map[string]string{"USDC": contracts.USDC, "USDT": contracts.USDT}[tok.Symbol]))
		if tok.Address != want || tok.Decimals != contracts.TokenDecimals {
			t.Errorf("%s: got %s with %d decimals, want %s", tok.ID, tok.Address, tok.Decimals, want)
		}
	}
}
