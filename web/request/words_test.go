package request

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

func realBook(t *testing.T) *asset.Book {
	t.Helper()
	book, err := asset.NewBook(asset.Real())
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// USDT0 is a chain's USDT where its table says so, a token of its own on Optimism,
// and nothing elsewhere.
func TestTokensBySymbol(t *testing.T) {
	book := realBook(t)
	for _, c := range []struct {
		chain, symbol string
		want          asset.ID
	}{
		{"ARBITRUM", "USDT0", "USDT-arbitrum-one"}, {"POLYGON", "USDT0", "USDT-matic"}, {"OPTIMISM", "USDT0", "USDT0-optimism"}, {"OPTIMISM", "USDT", "USDT-optimism"},
		{"BASE", "USDT0", ""}, {"ETHEREUM", "USDT0", ""}, {"BNB", "USDT0", ""},
		{"POLYGON", "USDC", "USDCn-matic"}, {"OPTIMISM", "usdc", "USDCn-optimism"}, {"ETHEREUM", "USDT", "USDT-mainnet"}, {"BNB", "USDC", "USDC-bsc"},
		{"BASE", "EURC", "EURC-base"}, {"OPTIMISM", "EURC", ""}, {"BASE", "", ""}, {"BASE", "USDC-base", ""}, {"BASE", "USDC-arbitrum-one", ""}, {"BASE", "ETH", "ETH-base"}, {"POLYGON", "MATIC", "POL-matic"},
	} {
		chain, _ := book.Network(c.chain)
		got, ok := tokenOn(book, chain, c.symbol)
		if got.ID != c.want && ok || ok != (c.want != "") {
			t.Errorf("%s on %s: got %s %t, want %s", c.symbol, c.chain, got.ID, ok, c.want)
		}
	}
	for id, want := range map[asset.ID]bool{"USDC-base": true, "USDT-bsc": true, "USDT0-optimism": true, "ETH-base": false, "FAU-sepolia": false, "EURC-base": false} {
		if token, ok := book.Token(id); !ok || dollar(token) != want {
			t.Errorf("%s: dollar %t", id, dollar(token))
		}
	}
}

// What arrived is compared with what was given in the given asset's units,
// whatever decimals the two have.
func TestWhatTheWayTook(t *testing.T) {
	book := realBook(t)
	token := func(id asset.ID) asset.Token {
		found, ok := book.Token(id)
		if !ok {
			t.Fatal(id)
		}
		return found
	}
	e18 := func(v int64) *big.Int {
		return new(big.Int).Mul(big.NewInt(v), new(big.Int).Exp(big.NewInt(10), big.NewInt(15), nil)) // thousandths
	}
	for _, c := range []struct {
		of, arrived asset.ID
		amount, fee *big.Int
		want        *big.Int
	}{
		{"USDC-base", "USDT-mainnet", big.NewInt(10_000_000), nil, big.NewInt(10_000_000)},
		{"USDC-base", "USDT-mainnet", big.NewInt(10_000_000), big.NewInt(100_000), big.NewInt(10_100_000)},
		{"USDC-bsc", "USDC-base", big.NewInt(10_001_000), nil, e18(10_001)},
		{"USDC-base", "USDC-bsc", e18(10_001), e18(9), big.NewInt(10_010_000)},
	} {
		x := payment.Transfer{Amount: c.amount, Fee: c.fee}
		if got := arrivedIn(token(c.of), token(c.arrived), x); got.Cmp(c.want) != 0 {
			t.Errorf("%s in %s: got %s, want %s", c.arrived, c.of, got, c.want)
		}
	}
	mine := payment.Transfer{Amount: big.NewInt(5), Fee: big.NewInt(1)}
	if arrivedIn(token("USDC-bsc"), token("USDC-base"), mine); mine.Amount.Int64() != 5 || mine.Fee.Int64() != 1 {
		t.Error("the transfer's own amounts were changed")
	}
}

// Of two ways from one token the cheaper is told; a balance that is not known is
// no balance of zero.
func TestChoices(t *testing.T) {
	book := realBook(t)
	usdc, _ := book.Token("USDC-base")
	way := func(kind rail.RouteType, needed int64, balance *big.Int) checkout.Way {
		return checkout.Way{Option: rail.Option{Type: kind, Costs: []rail.Cost{{Asset: usdc.ID, Amount: big.NewInt(needed)}}}, Token: usdc, Balance: balance}
	}
	w := &choice{PaymentOptions: map[string]map[string]optionWire{}}
	w.add("BASE", way(rail.SameChain, 10_000_000, big.NewInt(9_999_999)))
	w.add("BASE", way(rail.Conversion, 10_100_000, big.NewInt(20_000_000)))
	w.add("ARBITRUM", way(rail.Crosschain, 10_200_000, nil))
	got := w.PaymentOptions["BASE"]["USDC"]
	if got.RouteType != rail.SameChain || got.NeededAmount != "10" || got.HasEnoughBalance || got.Balance != "9.999999" || got.FeeAmount != "0" {
		t.Errorf("got %+v", got)
	}
	if _, there := w.PaymentOptions["ARBITRUM"]; there || len(w.UnavailableRoutes) != 1 || w.UnavailableRoutes[0].Code != "balance_unknown" || w.UnavailableRoutes[0].Chain != "ARBITRUM" {
		t.Errorf("a balance that is not known: %+v %+v", w.PaymentOptions, w.UnavailableRoutes)
	}
}

func TestExecutionKind(t *testing.T) {
	bridge := func(stage payment.AttemptStage) payment.Attempt {
		return payment.Attempt{Kind: "bridge", Stage: stage, Route: &payment.Route{}}
	}
	safe := func(chain asset.ChainID, stage payment.AttemptStage) []payment.Attempt {
		return []payment.Attempt{{Kind: "safe_tx", Chain: chain, Stage: stage, Safe: &payment.Safe{}}}
	}
	came := payment.Transfer{Stage: payment.Final, Evidence: payment.Evidence{Source: payment.Source{Route: "0x1"}}}
	gone := came
	gone.Stage = payment.Dropped
	for name, c := range map[string]struct {
		state payment.State
		xs    []payment.Transfer
		as    []payment.Attempt
		want  string
	}{
		"nothing":                    {payment.Open, nil, nil, executesSame},
		"a plain transaction":        {payment.Open, nil, []payment.Attempt{{Kind: "tx", Stage: payment.Announced}}, executesSame},
		"on its way":                 {payment.Open, nil, []payment.Attempt{bridge(payment.Proven)}, executesCross},
		"came to nothing":            {payment.Open, nil, []payment.Attempt{bridge(payment.Abandoned)}, executesSame},
		"a Safe's on its chain":      {payment.Open, nil, safe(8453, payment.Announced), executesSame},
		"a Safe's on another":        {payment.Open, nil, safe(10, payment.Announced), executesCross},
		"a Safe's, come to nothing":  {payment.Open, nil, safe(10, payment.Abandoned), executesSame},
		"a Safe's, and paid here":    {payment.Paid, []payment.Transfer{{Stage: payment.Final}}, safe(10, payment.Announced), executesSame},
		"arrived":                    {payment.Paid, []payment.Transfer{came}, []payment.Attempt{bridge(payment.Executed)}, executesCross},
		"arrived, and taken back":    {payment.Open, []payment.Transfer{gone}, nil, executesSame},
		"paid directly all the same": {payment.Paid, []payment.Transfer{{Stage: payment.Final}}, []payment.Attempt{bridge(payment.Announced)}, executesSame},
	} {
		p := &payment.Payment{Transfers: c.xs, Attempts: c.as, Standing: payment.Standing{State: c.state}}
		if got := executionKind(p, 8453); got != c.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
