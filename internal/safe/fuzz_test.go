package safe_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

// Whatever the decoder takes, go-ethereum reads to the same, and it is written
// again to the same bytes.
func FuzzDecodeExec(f *testing.F) {
	for _, v := range vectors(f).Cases {
		f.Add(unhex(f, v.Exec))
	}
	abi := safetest.Interface(f, safe.V150, "Safe").Methods["execTransaction"]
	f.Fuzz(func(t *testing.T, data []byte) {
		tx, signatures, err := safe.DecodeExec(data)
		if err != nil {
			return
		}
		again, err := safe.EncodeExec(tx, signatures)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("written again: %x, %v", again, err)
		}
		args, err := abi.Inputs.Unpack(data[4:])
		if err != nil {
			t.Fatal(err)
		}
		if args[0] != common.Address(tx.To) || args[1].(*big.Int).Cmp(tx.Value) != 0 || !bytes.Equal(args[2].([]byte), tx.Data) || args[3] != uint8(tx.Operation) ||
			args[4].(*big.Int).Cmp(tx.SafeTxGas) != 0 || args[5].(*big.Int).Cmp(tx.BaseGas) != 0 || args[6].(*big.Int).Cmp(tx.GasPrice) != 0 ||
			args[7] != common.Address(tx.GasToken) || args[8] != common.Address(tx.RefundReceiver) || !bytes.Equal(args[9].([]byte), signatures) {
			t.Fatalf("%+v is %v", tx, args)
		}
		if _, err := tx.Hash(1, self); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeMultiSend(f *testing.F) {
	for _, v := range vectors(f).Cases {
		if tx := v.proposal(f).Tx; tx.Operation == safe.OpDelegateCall {
			f.Add(tx.Data)
		}
	}
	abi := safetest.Interface(f, safe.V150, "MultiSendCallOnly").Methods["multiSend"]
	f.Fuzz(func(t *testing.T, data []byte) {
		items, err := safe.DecodeMultiSend(data)
		if err != nil {
			return
		}
		again, err := safe.EncodeMultiSend(items)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("written again: %x, %v", again, err)
		}
		args, err := abi.Inputs.Unpack(data[4:])
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, i := range items {
			size += 85 + len(i.Data)
			if i.To.IsZero() {
				t.Fatalf("%+v", items)
			}
		}
		if size != len(args[0].([]byte)) {
			t.Fatalf("%d bytes of %d", size, len(args[0].([]byte)))
		}
	})
}

// What is read is written again to the same transaction.
func FuzzParseTx(f *testing.F) {
	for _, v := range vectors(f).Cases {
		f.Add([]byte(v.Tx))
	}
	f.Add([]byte(`{"to":"0x1111111111111111111111111111111111111111","value":"1","data":null,"operation":0,"safeTxGas":0,"baseGas":0,"gasPrice":"0","nonce":"7"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tx, err := safe.ParseTx(text)
		if err != nil {
			return
		}
		first, err := tx.Hash(1, self)
		if err != nil {
			t.Fatal(err)
		}
		written, err := json.Marshal(tx)
		if err != nil {
			t.Fatal(err)
		}
		again, err := safe.ParseTx(written)
		if second, err2 := again.Hash(1, self); err != nil || err2 != nil || first != second {
			t.Fatalf("%s: %v, %v", written, err, err2)
		}
	})
}

func FuzzDecodeExecution(f *testing.F) {
	for _, topic := range []string{safe.TopicSuccess, safe.TopicFailure} {
		for _, indexed := range []bool{true, false} {
			l := eventLog(topic, numbered(1), indexed, 5, 2)
			f.Add(strings.Join(l.Topics, " "), l.Data)
		}
	}
	f.Fuzz(func(t *testing.T, topics string, data []byte) {
		l := chain.Log{Address: self, Topics: strings.Fields(topics), Data: data}
		e, err := safe.DecodeExecution(l)
		if err != nil {
			return
		}
		topic := map[bool]string{true: safe.TopicSuccess, false: safe.TopicFailure}[e.Success]
		again := eventLog(topic, e.Hash, len(l.Topics) == 2, 0, 0)
		e.Payment.FillBytes(again.Data[len(again.Data)-32:])
		if !bytes.Equal(again.Data, data) || len(again.Topics) != len(l.Topics) || !strings.EqualFold(strings.Join(again.Topics, " "), strings.Join(l.Topics, " ")) {
			t.Fatalf("%+v was %+v", again, l)
		}
	})
}

// canned answers every request with the same.
type canned struct {
	status int
	body   []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c.body)), Request: r}, nil
}

// Whatever the service answers, a record is of the hash that was asked for, and
// an error is a fault with words that bear showing.
func FuzzRecords(f *testing.F) {
	tx := safe.Tx{To: proxy, Value: big.NewInt(1), Data: []byte{1, 2}, Nonce: 7}
	asked, err := tx.Hash(asset.Base, self)
	if err != nil {
		f.Fatal(err)
	}
	for _, version := range []string{"v1", "v2"} {
		for _, by := range []official.Hash{{}, numbered(3)} {
			text, err := json.Marshal(safetest.Answer(safetest.Entry{
				Chain: asset.Base, Safe: self, Tx: tx, Required: 2, ExecutedBy: by,
				Agreements: []safetest.Agreement{{Owner: stranger}, {Owner: token, Signature: make([]byte, 65)}},
			}, version))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(0), text)
			f.Add(uint8(1), text)
		}
	}
	statuses := []int{200, 404, 400, 429, 302, 500}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		client, err := safe.NewService(safe.ServiceConfig{Transport: canned{statuses[int(kind)%len(statuses)], body}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := client.Transaction(t.Context(), asset.Base, asked)
		if err != nil {
			if e := fault.From(err); r != nil || e.Kind == fault.Internal || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%+v, %q", r, err)
			}
			return
		}
		if h, err := r.Tx.Hash(asset.Base, r.Safe); err != nil || h != asked || r.Hash != asked || r.Safe != self || r.Executed && r.ExecutedBy.IsZero() {
			t.Fatalf("%+v, %v", r, err)
		}
		seen := map[asset.Address]bool{}
		for _, c := range r.Confirmations {
			if seen[c.Owner] {
				t.Fatalf("%+v", r.Confirmations)
			}
			seen[c.Owner] = true
		}
	})
}

// Whatever a node answers, a Safe that is read holds together.
func FuzzAnswers(f *testing.F) {
	owner := asset.Address{1, 19: 1}
	f.Add(uint8(0), unquote(abiWords(32, 1, owner)))
	f.Add(uint8(1), unquote(abiWords(64, 1, 1, owner)))
	f.Add(uint8(2), unquote(abiWords(3)))
	f.Add(uint8(3), unquote(abiWords(32, 5, "312e342e31"+strings.Repeat("0", 54))))
	places := []int{atOwners, atModules, atThreshold, atVersion, atNonce, atGuard, atSingleton}
	table := safe.At(sandbox)
	multi := len(table.Contracts(sandbox, safe.MultiSendCallOnly))
	code := "0x" + common.Bytes2Hex(safetest.Official(f, safe.V141, "SafeProxy").Runtime)
	f.Fuzz(func(t *testing.T, place uint8, answer string) {
		raw := make([]string, atMultiSend+multi)
		for i := range raw {
			raw[i] = `"0x"`
		}
		raw[atBlock] = `{"number":"0x5","hash":"` + numbered(1).String() + `","parentHash":"` + numbered(2).String() + `","timestamp":"0x1"}`
		raw[atCode] = `"` + code + `"`
		raw[atSingleton] = abiWords(table.Contracts(sandbox, safe.Singleton)[2].Address)
		raw[atGuard], raw[atModuleGuard], raw[atHandler] = abiWords(0), abiWords(0), abiWords(0)
		raw[atVersion] = abiWords(32, 5, "312e342e31"+strings.Repeat("0", 54))
		raw[atOwners], raw[atThreshold], raw[atNonce] = abiWords(32, 1, owner), abiWords(1), abiWords(7)
		raw[atModules] = abiWords(64, 1, 0)
		said, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		raw[places[int(place)%len(places)]] = string(said)
		a, err := table.Read(t.Context(), scripted(raw), sandbox, self)
		if err != nil {
			return
		}
		if a.Version != safe.V141 && a.Version != safe.V150 && a.Version != safe.V130 || a.Threshold < 1 || a.Threshold > uint64(len(a.Owners)) || len(a.Modules) > 10 {
			t.Fatalf("%+v", a)
		}
	})
}
