package app

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
)

// A Safe is the payer of what its own owners' transaction pays, and of nothing
// else that happened in the transaction.
func TestWhoPaysAsASafe(t *testing.T) {
	id, account, payee := asset.SandboxBase, asset.Address{0x5a}, asset.Address{0x77}
	registry, table := official.Default(), safe.At(id)
	proxy, _ := registry.Contract(id, official.EthereumFeeProxy)
	ref := official.Reference{1, 2, 3, 4, 5, 6, 7, 8}
	data, err := official.EthPayment{Payee: payee, Reference: ref, Fee: new(big.Int), FeePayee: official.NoFeeAddress}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	pay := safe.Item{To: proxy.Address, Value: big.NewInt(5), Data: data}
	other := safe.Item{To: payee, Value: big.NewInt(5)}
	multi := func(items ...safe.Item) []byte {
		t.Helper()
		b, err := safe.EncodeMultiSend(items)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	batches := table.Contracts(id, safe.MultiSendCallOnly)[0].Address
	x := rail.Sighting{Chain: id, Handle: ref.Topic().String(), To: payee, Amount: big.NewInt(5), Contract: proxy.Address}
	s := &sink{registry: registry, safes: table}
	for name, c := range map[string]struct {
		tx   safe.Tx
		want bool
		edit func(x *rail.Sighting, t *chain.Transaction)
	}{
		"the call itself":               {tx: safe.Tx{To: pay.To, Value: pay.Value, Data: pay.Data}, want: true},
		"a batch":                       {tx: safe.Tx{To: batches, Operation: safe.OpDelegateCall, Data: multi(other, pay)}, want: true},
		"a batch of other calls":        {tx: safe.Tx{To: batches, Operation: safe.OpDelegateCall, Data: multi(other, other)}},
		"other code with a batch":       {tx: safe.Tx{To: payee, Operation: safe.OpDelegateCall, Data: multi(pay)}},
		"the proxy's code as the Safe":  {tx: safe.Tx{To: pay.To, Operation: safe.OpDelegateCall, Data: pay.Data}},
		"a call of something else":      {tx: safe.Tx{To: payee, Data: pay.Data}},
		"another reference":             {tx: safe.Tx{To: pay.To, Data: pay.Data}, edit: func(x *rail.Sighting, _ *chain.Transaction) { x.Handle = official.Hash{1}.String() }},
		"another payee":                 {tx: safe.Tx{To: pay.To, Data: pay.Data}, edit: func(x *rail.Sighting, _ *chain.Transaction) { x.To = account }},
		"another account's transaction": {tx: safe.Tx{To: pay.To, Data: pay.Data}, edit: func(_ *rail.Sighting, t *chain.Transaction) { t.To = payee }},
		"another transaction":           {tx: safe.Tx{To: pay.To, Data: pay.Data}, edit: func(_ *rail.Sighting, t *chain.Transaction) { t.Hash = official.Hash{9}.String() }},
		"no transaction of a Safe":      {tx: safe.Tx{To: pay.To, Data: pay.Data}, edit: func(_ *rail.Sighting, t *chain.Transaction) { t.Data = t.Data[4:] }},
	} {
		exec, err := safe.EncodeExec(c.tx, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen, sent := x, &chain.Transaction{Hash: official.Hash{8}.String(), To: account, Data: exec}
		if c.edit != nil {
			c.edit(&seen, sent)
		}
		if got := s.bySafe(seen, sent, &chain.Receipt{Tx: official.Hash{8}.String(), To: account}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if s.bySafe(x, nil, &chain.Receipt{To: account}) {
		t.Error("a transaction that was not read")
	}
}
