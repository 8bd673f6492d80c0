package web

import (
	"encoding/json"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/rail"
)

// RouteMetadata tells of calls that go over a bridge or an exchange. Times are
// Unix seconds.
type RouteMetadata struct {
	// BridgeTool is "across" or "stargate", absent where no bridge is on the way.
	BridgeTool     string `json:"bridgeTool,omitempty"`
	ToolName       string `json:"toolName"`
	QuoteFetchedAt int64  `json:"quoteFetchedAt"`
	QuoteExpiresAt int64  `json:"quoteExpiresAt"`

	// ExecutionDeadline is when the contracts refuse the calls, absent if they
	// never do.
	ExecutionDeadline          int64                       `json:"executionDeadline,omitempty"`
	ExecutionDeadlineBreakdown *ExecutionDeadlineBreakdown `json:"executionDeadlineBreakdown,omitempty"`

	SourceAmount     string   `json:"sourceAmount"` // what leaves the payer
	SourceUnits      string   `json:"sourceUnits"`
	SourceCurrency   asset.ID `json:"sourceCurrency"`
	ArrivesUnits     string   `json:"arrivesUnits"` // what is sure to arrive
	EstimatedSeconds int64    `json:"estimatedSeconds"`

	CostBreakdown CostBreakdown   `json:"costBreakdown"`
	RawStep       json.RawMessage `json:"rawStep"` // LI.FI's step, to have it stamped anew
}

// ExecutionDeadlineBreakdown says where a deadline comes from.
type ExecutionDeadlineBreakdown struct {
	Bridge ExecutionDeadline `json:"bridge"`
}

// ExecutionDeadline is one deadline. Source is "decoded": it was read from the
// calldata.
type ExecutionDeadline struct {
	Deadline int64  `json:"deadline"`
	Source   string `json:"source"`
}

// CostBreakdown is what a route costs. Fees for gas are in the native currency of
// the payer's chain, absent where they could not be had; what the route takes is
// in the payer's asset.
type CostBreakdown struct {
	ApprovalFee   string     `json:"approvalFee,omitempty"`
	PaymentGasFee string     `json:"paymentGasFee,omitempty"`
	TotalGasFee   string     `json:"totalGasFee,omitempty"`
	BridgeFee     string     `json:"bridgeFee"`
	Fees          []NamedFee `json:"fees"`
	Totals        CostTotals `json:"totals"`
}

// NamedFee is a part of a route's fee.
type NamedFee struct {
	Name     string   `json:"name"`
	Amount   string   `json:"amount"`
	Currency asset.ID `json:"currency"`
}

// CostTotals is all that leaves the payer. Native is gas and what the bridge asks
// for beside, absent where the gas could not be had.
type CostTotals struct {
	Source         string   `json:"source"`
	SourceCurrency asset.ID `json:"sourceCurrency"`
	Native         string   `json:"native,omitempty"`
	NativeCurrency asset.ID `json:"nativeCurrency"`
}

// bridgeTools are the Request API's words for bridges.
var bridgeTools = map[string]string{"across": "across", "stargateV2": "stargate"}

func newRoute(in *rail.Calls, book *asset.Book) *RouteMetadata {
	r := in.Route
	source, _ := book.Token(r.Give.Asset)
	w := &RouteMetadata{
		ToolName: r.ToolName, QuoteFetchedAt: r.FetchedAt.Unix(), QuoteExpiresAt: r.ExpiresAt.Unix(),
		SourceAmount: money.Format(r.Give.Amount, source.Decimals), SourceUnits: r.Give.Amount.String(), SourceCurrency: r.Give.Asset,
		ArrivesUnits: r.Arrives.Amount.String(), EstimatedSeconds: int64(r.Duration.Seconds()),
		CostBreakdown: newCosts(in, source, book), RawStep: r.Raw,
	}
	if r.Type == rail.Crosschain {
		w.BridgeTool = bridgeTools[r.Tool]
	}
	if !r.Deadline.IsZero() {
		w.ExecutionDeadline = r.Deadline.Unix()
		w.ExecutionDeadlineBreakdown = &ExecutionDeadlineBreakdown{Bridge: ExecutionDeadline{Deadline: w.ExecutionDeadline, Source: "decoded"}}
	}
	return w
}

func newCosts(in *rail.Calls, source asset.Token, book *asset.Book) CostBreakdown {
	chain, _ := book.Chain(in.Chain)
	native := func(v *big.Int) string { return money.Format(v, chain.Native.Decimals) }
	w := CostBreakdown{
		BridgeFee: "0", Fees: []NamedFee{},
		Totals: CostTotals{
			Source: money.Format(in.Route.Give.Amount, source.Decimals), SourceCurrency: source.ID, NativeCurrency: chain.Native.ID,
		},
	}
	if in.Route.Fee != nil {
		w.BridgeFee = money.Format(in.Route.Fee, source.Decimals)
	}
	for _, f := range in.Route.Fees {
		token, _ := book.Token(f.Asset)
		w.Fees = append(w.Fees, NamedFee{Name: f.Name, Amount: money.Format(f.Amount, token.Decimals), Currency: f.Asset})
	}
	approving, paying, value := new(big.Int), new(big.Int), new(big.Int)
	for _, s := range in.Steps {
		gas := new(big.Int).SetUint64(s.Gas)
		if s.Kind == rail.Approve || s.Kind == rail.Reset {
			approving.Add(approving, gas)
		} else {
			paying.Add(paying, gas)
		}
		value.Add(value, s.Value)
	}
	if price := in.Funds.GasPrice; price != nil && paying.Sign() > 0 {
		approving.Mul(approving, price)
		paying.Mul(paying, price)
		total := new(big.Int).Add(approving, paying)
		w.ApprovalFee, w.PaymentGasFee, w.TotalGasFee = native(approving), native(paying), native(total)
		w.Totals.Native = native(total.Add(total, value))
	}
	return w
}
