package official_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

var update = flag.Bool("update", false, "write testdata/batch-vectors.json anew")

// batchVector is one line of testdata/batch-vectors.json, which the page's script
// is held against too. Numbers are decimal, addresses lower-case.
type batchVector struct {
	Name     string             `json:"name"`
	Chain    asset.ChainID      `json:"chain"`
	Rate     uint16             `json:"batchFee"`
	USDLimit uint64             `json:"batchFeeAmountUSDLimit"`
	Items    []batchVectorItem  `json:"items"` // in the order of the requests
	Needs    []batchVectorNeed  `json:"needs"` // in the order of their first use
	Fee      string             `json:"feeAddress"`
	Steps    []batchVectorTrans `json:"transactions"`
}

type batchVectorItem struct {
	Token     string `json:"token"` // the zero address for the native currency
	Payee     string `json:"payee"`
	Amount    string `json:"amount"`
	Fee       string `json:"fee"`
	FeePayee  string `json:"feePayee"`
	Reference string `json:"reference"`
}

type batchVectorNeed struct {
	Token       string `json:"token"`
	Take        string `json:"take"`
	Hold        string `json:"hold"`
	ContractFee string `json:"contractFee"`
}

type batchVectorTrans struct {
	Kind  rail.CallKind `json:"kind"`
	To    string        `json:"to"`
	Value string        `json:"value"`
	Data  string        `json:"data"`
}

// callsFor are the calls that pay an order: approvals as needed, then the payment.
func callsFor(t testing.TB, order official.Order) []rail.Call {
	t.Helper()
	r := official.Default()
	var calls []rail.Call
	for _, n := range order.Needs() {
		if !n.Token.IsZero() {
			calls = append(calls, must(t)(r.ApproveCall(order, n.Token)))
		}
	}
	return append(calls, must(t)(r.PayCall(order)))
}

func vectorOf(t *testing.T, name string, b official.Batch) batchVector {
	t.Helper()
	v := batchVector{Name: name, Chain: b.Chain, Rate: b.Terms.Rate, USDLimit: b.Terms.USDLimit, Fee: b.FeeAddress().Lower()}
	for _, e := range b.Requests {
		v.Items = append(v.Items, batchVectorItem{
			Token: e.Token.Lower(), Payee: e.Payee.Lower(), Amount: e.Amount.String(), Fee: e.Fee.String(),
			FeePayee: e.FeePayee.Lower(), Reference: e.Reference.String(),
		})
	}
	for _, n := range b.Needs() {
		v.Needs = append(v.Needs, batchVectorNeed{n.Token.Lower(), n.Take.String(), n.Hold.String(), n.ContractFee.String()})
	}
	for _, c := range callsFor(t, b) {
		v.Steps = append(v.Steps, batchVectorTrans{c.Kind, c.To.Lower(), c.Value.String(), hexData(c.Data)})
	}
	return v
}

// Accounts and tokens of the tests' batches.
var (
	usdcBase   = asset.Address{0x83, 0x35, 0x89, 0xfc, 0xd6, 0xed, 0xb6, 0xe0, 0x8f, 0x4c, 0x7c, 0x32, 0xd4, 0xf7, 0x1b, 0x54, 0xbd, 0xa0, 0x29, 0x13}
	usdtBase   = asset.Address{0xfd, 0xe4, 0xc9, 0x6c, 0x85, 0x93, 0x53, 0x6e, 0x31, 0xf2, 0x29, 0xea, 0x8f, 0x37, 0xb2, 0xad, 0xa2, 0x69, 0x9b, 0xb2}
	batchFeeTo = asset.Address{0: 0xfe, 19: 0x02}
)

// owed is the i-th request of a test's batch: everything about it is its own.
func owed(token asset.Address, i int, fee int64) official.Expectation {
	e := official.Expectation{
		Chain: asset.Base, Token: token, Payee: asset.Address{0: 0xaa, 18: byte(i >> 8), 19: byte(i)},
		Amount: big.NewInt(1_000_000 + int64(i)), Reference: official.Reference{0: 0x5e, 6: byte(i >> 8), 7: byte(i)}, Fee: big.NewInt(fee),
	}
	if fee > 0 {
		e.FeePayee = batchFeeTo
	}
	return e
}

func batchOf(requests ...official.Expectation) official.Batch {
	return official.Batch{Chain: asset.Base, Requests: requests, Terms: official.Default().BatchTerms(asset.Base)}
}

// charging is the batch at another rate of the contract's own fee.
func charging(b official.Batch, rate uint16, limit uint64) official.Batch {
	b.Terms.Rate, b.Terms.USDLimit = rate, limit
	return b
}

// large is a mixed batch of n requests.
func large(n int) official.Batch {
	var list []official.Expectation
	for i := range n {
		list = append(list, owed([]asset.Address{usdcBase, {}, usdtBase, usdcBase}[i%4], i, int64(i%3)))
	}
	return batchOf(list...)
}

func TestBatchVectorsOfOurOwn(t *testing.T) {
	eth := asset.Address{}
	mixed := []official.Expectation{owed(eth, 0, 0), owed(usdtBase, 1, 5), owed(usdcBase, 2, 0), owed(eth, 3, 7), owed(usdtBase, 4, 0)}
	plain := []official.Expectation{owed(usdcBase, 0, 0), owed(eth, 1, 0), owed(usdcBase, 2, 0)}
	most := owed(usdcBase, 1, 0)
	most.Amount = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1_000_001))
	arbitrum := batchOf(owed(eth, 0, 1), owed(eth, 1, 1))
	arbitrum.Chain = asset.ArbitrumOne
	arbitrum.Terms = official.Default().BatchTerms(asset.ArbitrumOne)
	for i := range arbitrum.Requests {
		arbitrum.Requests[i].Chain = asset.ArbitrumOne
	}
	var got []batchVector
	for _, c := range []struct {
		name  string
		batch official.Batch
	}{
		{"two of one token", batchOf(owed(usdcBase, 0, 0), owed(usdcBase, 1, 0))},
		{"two of one token, fees", batchOf(owed(usdcBase, 0, 3), owed(usdcBase, 1, 4))},
		{"two tokens, one fee", batchOf(owed(usdtBase, 0, 0), owed(usdcBase, 1, 4))},
		{"native alone", batchOf(owed(eth, 0, 0), owed(eth, 1, 0))},
		{"native alone, fees", arbitrum},
		{"mixed", batchOf(mixed...)},
		{"the contract charges, fees", charging(batchOf(mixed...), 30, 150e8)},
		{"the contract charges, no fees", charging(batchOf(plain...), 200, 150e8)},
		{"the contract charges native only", charging(batchOf(mixed...), 100, 0)},
		{"the contract's fee rounds to nothing", charging(batchOf(small(plain[0]), small(plain[2])), 200, 150e8)},
		{"the largest amount", batchOf(owed(usdcBase, 0, 0), most)},
		{"two hundred", large(official.MaxBatch)},
	} {
		got = append(got, vectorOf(t, c.name, c.batch))
	}
	const name = "testdata/batch-vectors.json"
	if *update {
		var lines []string
		for _, v := range got {
			line, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(line))
		}
		if err := os.WriteFile(name, fmt.Appendf(nil, "[\n%s\n]\n", strings.Join(lines, ",\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := load[[]batchVector](t, strings.TrimPrefix(name, "testdata/"))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is not what the code makes: run this test with -update if that is meant", name)
	}
}

// small makes a request's amount so small that two hundredths of it are nothing.
func small(e official.Expectation) official.Expectation {
	e.Amount = big.NewInt(24)
	return e
}
