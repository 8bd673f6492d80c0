package safe_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

// vector is a transaction as protocol-kit made it (e2e/safe).
type vector struct {
	Version   safe.Version
	Chain     asset.ChainID
	Safe      string
	Calls     []vectorCall
	Tx        json.RawMessage
	Hash      string
	Owner     string
	Signature string
	Exec      string
}

type vectorCall struct{ To, Value, Data string }

type vectorFile struct {
	Packages   map[string]string
	Cases      []vector
	MultiSends []struct {
		Encoded string
		Decoded []vectorCall
	}
}

func load[T any](t testing.TB, name string) (out T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func vectors(t testing.TB) vectorFile {
	t.Helper()
	v := load[vectorFile](t, "protocol-kit.json")
	if len(v.Cases) < 40 || len(v.MultiSends) == 0 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func address(t testing.TB, s string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func hash(t testing.TB, s string) official.Hash {
	t.Helper()
	h, err := official.ParseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func integer(t testing.TB, s string) *big.Int {
	t.Helper()
	v, ok := new(big.Int).SetString(s, 10)
	if !ok {
		t.Fatalf("%q", s)
	}
	return v
}

func calls(t testing.TB, in []vectorCall) []rail.Call {
	t.Helper()
	out := make([]rail.Call, len(in))
	for i, c := range in {
		out[i] = rail.Call{To: address(t, c.To), Value: integer(t, c.Value), Data: unhex(t, c.Data)}
	}
	return out
}

// account is the Safe of a vector, as Read would have it.
func (v vector) account(t testing.TB, nonce uint64) *safe.Account {
	t.Helper()
	a := &safe.Account{Chain: v.Chain, Address: address(t, v.Safe), Version: v.Version, Nonce: nonce}
	for _, c := range safe.Pinned().Contracts(v.Chain, safe.MultiSendCallOnly) {
		if c.Version == v.Version && a.MultiSend.IsZero() {
			a.MultiSend = c.Address
		}
	}
	return a
}

func (v vector) proposal(t testing.TB) safe.Proposal {
	t.Helper()
	tx, err := safe.ParseTx(v.Tx)
	if err != nil {
		t.Fatal(err)
	}
	return safe.Proposal{Chain: v.Chain, Safe: address(t, v.Safe), Hash: hash(t, v.Hash), Tx: tx}
}

func TestHashesAndCallsAreProtocolKits(t *testing.T) {
	for i, v := range vectors(t).Cases {
		p := v.proposal(t)
		if got, err := p.Tx.Hash(v.Chain, p.Safe); err != nil || got != p.Hash {
			t.Errorf("case %d: hash %s, %v", i, got, err)
		}
		signature := unhex(t, v.Signature)
		if exec, err := safe.EncodeExec(p.Tx, signature); err != nil || !bytes.Equal(exec, unhex(t, v.Exec)) {
			t.Errorf("case %d: execTransaction %x, %v", i, exec, err)
		}
		tx, sig, err := safe.DecodeExec(unhex(t, v.Exec))
		tx.Nonce = p.Tx.Nonce
		if err != nil || !bytes.Equal(sig, signature) {
			t.Errorf("case %d: %v", i, err)
		}
		if got, err := tx.Hash(v.Chain, p.Safe); err != nil || got != p.Hash {
			t.Errorf("case %d: decoded %+v, %v", i, tx, err)
		}
		if who, ok := safe.Signer(p.Hash, signature); !ok || who != address(t, v.Owner) {
			t.Errorf("case %d: signed by %s, %t", i, who, ok)
		}
	}
}

// What protocol-kit makes of calls, Batch makes too, down to the address of
// MultiSendCallOnly; and Verify finds the calls in it again.
func TestBatchesAreProtocolKits(t *testing.T) {
	batches, singles := 0, 0
	for i, v := range vectors(t).Cases {
		p, want := v.proposal(t), calls(t, v.Calls)
		if p.Tx.Operation == safe.OpDelegateCall {
			batches++
		} else {
			singles++
		}
		got, err := v.account(t, 0).Batch(want, p.Tx.Nonce)
		if err != nil {
			t.Errorf("case %d: %v", i, err)
			continue
		}
		// What the vector's options asked for, and Batch never does.
		got.SafeTxGas, got.BaseGas, got.GasPrice = p.Tx.SafeTxGas, p.Tx.BaseGas, p.Tx.GasPrice
		got.GasToken, got.RefundReceiver = p.Tx.GasToken, p.Tx.RefundReceiver
		if h, err := got.Hash(v.Chain, p.Safe); err != nil || h != p.Hash {
			t.Errorf("case %d: made %+v, %v", i, got, err)
		}
		refused := map[string]bool{}
		for _, c := range safe.Pinned().Verify(p, want, v.account(t, p.Tx.Nonce)) {
			refused[c.Name] = c.Outcome == rail.Refused
		}
		if refunds := p.Tx.GasPrice.Sign() != 0; refused[safe.CheckRefund] != refunds {
			t.Errorf("case %d: refund refused: %t", i, refused[safe.CheckRefund])
		}
		large := p.Tx.SafeTxGas.BitLen() > 24
		for _, name := range []string{safe.CheckHash, safe.CheckTarget, safe.CheckOperation, safe.CheckCalls, safe.CheckValue, safe.CheckNonce} {
			if refused[name] {
				t.Errorf("case %d: %s is refused", i, name)
			}
		}
		if refused[safe.CheckGas] != large {
			t.Errorf("case %d: gas of %v refused: %t", i, p.Tx.SafeTxGas, refused[safe.CheckGas])
		}
	}
	if batches == 0 || singles == 0 {
		t.Errorf("%d batches, %d single calls", batches, singles)
	}
}

func TestMultiSendIsProtocolKits(t *testing.T) {
	for i, v := range vectors(t).MultiSends {
		items := make([]safe.Item, len(v.Decoded))
		for j, c := range calls(t, v.Decoded) {
			items[j] = safe.Item{To: c.To, Value: c.Value, Data: c.Data}
		}
		data, err := safe.EncodeMultiSend(items)
		if err != nil {
			t.Fatal(err)
		}
		packed := unhex(t, v.Encoded)
		if !bytes.Equal(data[4+64:4+64+len(packed)], packed) {
			t.Errorf("case %d: %x", i, data)
		}
		if again, err := safe.DecodeMultiSend(data); err != nil || len(again) != len(items) || again[0].To != items[0].To {
			t.Errorf("case %d: %v, %v", i, again, err)
		}
	}
}

func TestJSONIsProtocolKits(t *testing.T) {
	for i, v := range vectors(t).Cases {
		text, err := json.Marshal(v.proposal(t).Tx)
		if err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		if json.Unmarshal(text, &got) != nil || json.Unmarshal(v.Tx, &want) != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("case %d: %s\nwant %s", i, text, v.Tx)
		}
	}
}

func TestParseTxIsStrict(t *testing.T) {
	good := `{"to":"0x1111111111111111111111111111111111111111","value":"1","data":"0x","operation":0,"safeTxGas":0,"baseGas":"0","gasPrice":"0",` +
		`"gasToken":null,"refundReceiver":null,"nonce":"7","origin":"x"}`
	if tx, err := safe.ParseTx([]byte(good)); err != nil || tx.Nonce != 7 || tx.Value.Int64() != 1 {
		t.Fatalf("%+v, %v", tx, err)
	}
	for _, c := range [][2]string{
		{`"value":"1"`, `"value":"-1"`}, {`"value":"1"`, `"value":"0x1"`}, {`"value":"1"`, `"value":1.5`}, {`"value":"1"`, `"value":""`},
		{`"value":"1"`, `"value":1e3`}, {`"value":"1"`, `"value":null`}, {`"value":"1"`, `"value":"` + strings.Repeat("9", 78) + `"`},
		{`"value":"1"`, `"value":"1","value":"2"`}, {`"value":"1",`, ``}, {`"value":"1"`, `"value":[]`}, {`"data":"0x"`, `"data":"0x0"`},
		{`"data":"0x"`, `"data":"00"`}, {`"operation":0`, `"operation":2`}, {`"operation":0`, `"operation":"0"`}, {`"operation":0,`, ``},
		{`"nonce":"7"`, `"nonce":"18446744073709551616"`}, {`"nonce":"7"`, `"nonce":null`}, {`"safeTxGas":0,`, ``}, {`"baseGas":"0",`, ``}, {`"gasPrice":"0",`, ``},
		{`0x1111111111111111111111111111111111111111`, `0x11`}, {`"to":"0x1111111111111111111111111111111111111111"`, `"to":null`},
		{`"gasToken":null`, `"gasToken":"0x40a2aCCbd92BCA938b02010E17A5b8929b49130D"`}, {good, `[]`}, {good, good + good}, {good, ``},
	} {
		text := strings.Replace(good, c[0], c[1], 1)
		if text == good {
			t.Fatalf("%s changes nothing", c)
		}
		if tx, err := safe.ParseTx([]byte(text)); err == nil {
			t.Errorf("%s: %+v", c[1], tx)
		}
	}
}

// The table is what the official packages list, in their order, no more.
func TestPinsAreOfficial(t *testing.T) {
	type deployment struct {
		Version           safe.Version
		Contract          safe.Kind
		Chain             asset.ChainID
		Address, CodeHash string
	}
	file := load[struct{ Deployments []deployment }](t, "deployments.json")
	type key struct {
		kind  safe.Kind
		chain asset.ChainID
	}
	table, want := safe.Pinned(), map[key][]safe.Contract{}
	listed := 0
	for _, d := range file.Deployments {
		if d.Contract == "MultiSend" || d.Contract == "SafeProxyFactory" {
			if _, ok := table.Contract(d.Chain, address(t, d.Address)); ok {
				t.Errorf("%s is pinned", d.Contract)
			}
			continue
		}
		listed++
		c := safe.Contract{Chain: d.Chain, Version: d.Version, Kind: d.Contract, Address: address(t, d.Address), CodeHash: hash(t, d.CodeHash)}
		k := key{d.Contract, d.Chain}
		want[k] = append(want[k], c)
		if got, ok := table.Contract(d.Chain, c.Address); !ok || got != c {
			t.Errorf("%+v is %+v", c, got)
		}
	}
	chains, _ := asset.Real()
	pinned := 0
	for _, chain := range chains {
		for _, kind := range []safe.Kind{safe.Singleton, safe.SingletonL2, safe.MultiSendCallOnly, safe.FallbackHandler} {
			got := table.Contracts(chain.ID, kind)
			pinned += len(got)
			if !reflect.DeepEqual(got, want[key{kind, chain.ID}]) {
				t.Errorf("%s on %d: %+v", kind, chain.ID, got)
			}
		}
	}
	if pinned != listed || pinned == 0 {
		t.Errorf("%d pinned, %d listed", pinned, listed)
	}
}

// The code that tests run is the code that is deployed.
func TestArtifactsAreWhatIsDeployed(t *testing.T) {
	for _, kind := range []safe.Kind{safe.Singleton, safe.SingletonL2, safe.MultiSendCallOnly, safe.FallbackHandler} {
		for _, c := range safe.Pinned().Contracts(asset.Mainnet, kind) {
			if got := official.CodeHash(safetest.Official(t, c.Version, string(kind)).Runtime); got != c.CodeHash {
				t.Errorf("%s %s: %s", kind, c.Version, got)
			}
		}
	}
}
