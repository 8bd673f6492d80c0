package lifi_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/official"
)

type vector struct {
	Name    string
	Chain   asset.ChainID `json:"sourceChainId"`
	To      string
	Data    string
	Verdict string
	Intent  *struct {
		SourceToken      string
		MaxSource        string        `json:"maxSourceAmount"`
		DestinationChain asset.ChainID `json:"destinationChainId"`
		DestinationToken string
		Payee            string
		Amount           string
		Reference        string `json:"paymentReference"`
		FeeAmount        string
		FeeAddress       string
		Fallback         string
	}
}

func loadVectors(t testing.TB) []vector {
	return load[struct{ Vectors []vector }](t, "lifi-vectors.json").Vectors
}

func units(t testing.TB, text string) *big.Int {
	t.Helper()
	v, ok := new(big.Int).SetString(text, 10)
	if !ok {
		t.Fatalf("%q is no integer", text)
	}
	return v
}

// rejections are the checks that refuse the vectors whose verdict is reject:
// each for the reason the vectors' authors give.
var rejections = map[string][]string{
	"across-wrong-receiver-contract": {lifi.CheckReceiver},
	"across-wrong-chain":             {lifi.CheckBridge},
	"across-wrong-payee-in-message":  {lifi.CheckPayment},
	"across-output-too-low":          {lifi.CheckOutput},
	"across-sending-asset-mismatch":  {lifi.CheckBridge},
}

func TestVectorsGetTheirVerdicts(t *testing.T) {
	table := lifi.Pinned()
	book := map[asset.ChainID]map[asset.Address]asset.Token{}
	_, tokens := asset.Real()
	for _, k := range tokens {
		if book[k.Chain] == nil {
			book[k.Chain] = map[asset.Address]asset.Token{}
		}
		book[k.Chain][k.Address] = k
	}
	judged := 0
	for _, v := range loadVectors(t) {
		if v.Intent == nil {
			continue // has no verdict: TestRealSample
		}
		judged++
		i := v.Intent
		ref, err := official.ParseReference(i.Reference)
		if err != nil {
			t.Fatal(err)
		}
		fallback := addr(t, i.Fallback)
		in := lifi.Intent{
			Payer: fallback, Refund: fallback, Fallback: fallback, MaxFrom: units(t, i.MaxSource),
			From: book[v.Chain][addr(t, i.SourceToken)], To: book[i.DestinationChain][addr(t, i.DestinationToken)],
			Payment: official.ERC20Payment{
				Token: addr(t, i.DestinationToken), Payee: addr(t, i.Payee), Amount: units(t, i.Amount), Reference: ref,
				Fee: units(t, i.FeeAmount), FeePayee: addr(t, i.FeeAddress),
			},
		}
		tx := lifi.Transaction{Chain: v.Chain, To: addr(t, v.To), Data: unhex(t, v.Data), Value: new(big.Int)}
		call, err := lifi.DecodeCall(tx.Data)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if call.Stargate != nil {
			tx.Value = call.Stargate.NativeFee
		}
		checks := table.Verify(in, tx, approvals(t, in, call.Deposit()), time.Unix(1760000030, 0))
		got := refusals(checks)
		switch v.Verdict {
		case "accept":
			if got != nil {
				t.Errorf("%s: refused by %v: %s", v.Name, got, why(checks, got[0]))
			}
		case "reject":
			if want := rejections[v.Name]; want == nil || !slices.Equal(got, want) {
				t.Errorf("%s: refused by %v, want %v", v.Name, got, want)
			}
		default:
			t.Errorf("%s: verdict %q", v.Name, v.Verdict)
		}
	}
	if judged != 8 {
		t.Errorf("%d vectors were judged", judged)
	}
}

// The one route that LI.FI itself published: a swap on Polygon, made for its
// gasless relay. It decodes to the last byte; its fee leg is what LI.FI takes
// for paying the gas, 10.6 %, and the exchange one that the Diamond has since
// stopped allowing.
func TestRealSample(t *testing.T) {
	all := loadVectors(t)
	v := all[slices.IndexFunc(all, func(v vector) bool { return v.Name == "genericswap-real-sample" })]
	call, err := lifi.DecodeCall(unhex(t, v.Data))
	if err != nil {
		t.Fatal(err)
	}
	fee, err := lifi.DecodeFeeCall(call.Swaps[0].CallData)
	if err != nil || !fee.Collected || fee.Total().Int64() != 106302 {
		t.Errorf("fee leg: %+v, %v", fee, err)
	}
	dex, err := lifi.DecodeDEXCall(call.Swaps[1].CallData)
	if err != nil || dex.AmountIn.Int64() != 893698 || dex.To != addr(t, v.To) {
		t.Errorf("exchange: %+v, %v", dex, err)
	}

	in := intent(t, "USDT-matic", "USDCn-matic")
	in.Payer, in.MaxFrom = call.Swap.Receiver, big.NewInt(1_000_000)
	in.Payment.Amount, in.Payment.Fee = big.NewInt(890_000), big.NewInt(5_828)
	tx := lifi.Transaction{Chain: v.Chain, To: addr(t, v.To), Data: unhex(t, v.Data), Value: new(big.Int)}
	checks := lifi.Pinned().Verify(in, tx, approvals(t, in, call.Deposit()), now)
	if got := refusals(checks); !slices.Equal(got, []string{lifi.CheckSource}) {
		t.Errorf("refused by %v", got)
	}

	// With its exchange pinned and its fee agreed to, it is a sound route.
	n, _ := lifi.Pinned().Network(asset.Matic)
	n.DEXes = append(n.DEXes, dexOf(call))
	table, err := lifi.NewTable([]lifi.Network{n})
	if err != nil {
		t.Fatal(err)
	}
	in.MaxFee = 1100
	if got := refusals(table.Verify(in, tx, nil, now)); got != nil {
		t.Errorf("refused by %v", got)
	}
	in.Payment.Fee = big.NewInt(5_829) // one unit more than it guarantees
	if got := refusals(table.Verify(in, tx, nil, now)); !slices.Equal(got, []string{lifi.CheckOutput}) {
		t.Errorf("one unit more: refused by %v", got)
	}
}

func dexOf(c *lifi.Call) asset.Address { return c.Swaps[len(c.Swaps)-1].CallTo }
