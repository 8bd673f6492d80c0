package chain

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"quittance/internal/asset"
)

const (
	accountA = "0x00000000000000000000000000000000000000aa"
	accountB = "0x00000000000000000000000000000000000000bb"
)

func fullBlock(change string) Result {
	h, p := digest("block"), digest("parent")
	text := fmt.Sprintf(`{"number":"0x7","hash":%q,"parentHash":%q,"timestamp":"0x64","miner":%q,
		"withdrawals":[{"index":"0x1","validatorIndex":"0x2","address":%q,"amount":"0x3"}],
		"transactions":[
		 {"hash":%q,"blockHash":%q,"from":%q,"to":%q,"input":"0x0102","value":"0xde0b6b3a7640000"},
		 {"hash":%q,"blockHash":%q,"from":%q,"to":null,"input":"0x","value":"0x0","type":"0x7e"}]}`,
		h, p, accountA, accountB, digest("tx1"), h, accountA, accountB, digest("tx2"), h, accountB)
	if change != "" {
		old, with, _ := strings.Cut(change, " => ")
		text = strings.Replace(text, old, with, 1)
	}
	return Result{Raw: json.RawMessage(text)}
}

func TestFullBlock(t *testing.T) {
	b, err := fullBlock("").FullBlock()
	if err != nil {
		t.Fatal(err)
	}
	if b.Number != 7 || b.Parent != digest("parent") || len(b.Txs) != 2 || len(b.Named) != 2 || b.Named[1] != (asset.Address{19: 0xbb}) {
		t.Fatalf("got %+v", b)
	}
	first := b.Txs[0]
	if first.To != (asset.Address{19: 0xbb}) || first.Value.Cmp(big.NewInt(1e18)) != 0 || string(first.Data) != "\x01\x02" || first.Hash != digest("tx1") {
		t.Errorf("got %+v", first)
	}
	if !b.Txs[1].To.IsZero() {
		t.Errorf("a creation goes to %s", b.Txs[1].To)
	}
	if b, err := (Result{Raw: json.RawMessage("null")}).FullBlock(); b != nil || err != nil {
		t.Errorf("no block: %v, %v", b, err)
	}
	for name, change := range map[string]string{
		"a transaction of another block": `"blockHash":"` + digest("block") + ` => "blockHash":"` + digest("other"),
		"only hashes":                    `{"hash": => "0x12",{"hash":`,
		"a value that is no number":      `"0xde0b6b3a7640000" => "1"`,
		"a value of 257 bits":            `"0xde0b6b3a7640000" => "0x1` + strings.Repeat("0", 64) + `"`,
		"no transactions":                `"transactions" => "trans"`,
		"odd input":                      `"0x0102" => "0x010"`,
		"a withdrawal to nobody":         `"address":"0x => "address":"`,
		"no parent":                      `"parentHash" => "parent"`,
		"a short sender":                 `"from":"0x00 => "from":"0x`,
	} {
		if b, err := fullBlock(change).FullBlock(); err == nil {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

func TestFee(t *testing.T) {
	for text, want := range map[string]int64{
		`{"gasUsed":"0x5208","effectiveGasPrice":"0xa"}`:                                           210_000,
		`{"gasUsed":"0x5208","effectiveGasPrice":"0xa","l1Fee":"0x64"}`:                            210_100,
		`{"gasUsed":"0x1","effectiveGasPrice":"0x1","blobGasUsed":"0x20000","blobGasPrice":"0x2"}`: 262_145,
		`{"gasUsed":"0x5208"}`: 0,
		`null`:                 -1,
		`{}`:                   0,
		`{"gasUsed":"zero","effectiveGasPrice":"0x1"}`:              -1,
		`{"gasUsed":"0x1","effectiveGasPrice":"0x1","l1Fee":"-1"}`:  -1,
		`{"gasUsed":"0x1","effectiveGasPrice":"0x1","l1Fee":[1,2]}`: -1,
	} {
		got, err := Result{Raw: json.RawMessage(text)}.Fee()
		if (err != nil) != (want < 0) || err == nil && got.Int64() != want {
			t.Errorf("%s: %v, %v; want %d", text, got, err, want)
		}
	}
}

func FuzzFullBlock(f *testing.F) {
	f.Add([]byte(fullBlock("").Raw))
	f.Add([]byte(`{"gasUsed":"0x1","effectiveGasPrice":"0x1","l1Fee":"0x1"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := Result{Raw: raw}
		if b, err := r.FullBlock(); err == nil && b != nil {
			for _, x := range b.Txs {
				if x.Value.Sign() < 0 || x.Value.BitLen() > 256 || len(x.Hash) != 66 {
					t.Fatalf("%+v", x)
				}
			}
		}
		if v, err := r.Fee(); err == nil && v.Sign() < 0 {
			t.Fatalf("a fee of %s", v)
		}
	})
}

func TestContractCallInNamesTheBlock(t *testing.T) {
	text, err := json.Marshal(ContractCallIn(Msg{To: proxy}, digest("block")).Params[1])
	if err != nil || string(text) != `{"blockHash":"`+digest("block")+`","requireCanonical":true}` {
		t.Errorf("%s, %v", text, err)
	}
}
