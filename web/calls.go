package web

import (
	"encoding/hex"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/rail"
)

// Calls is how calldata goes over the wire, to the page's script and to API
// clients alike: amounts are decimal strings, values hexadecimal quantities.
type Calls struct {
	Transactions []Transaction `json:"transactions"`
	Metadata     CallsMetadata `json:"metadata"`
	Checks       []Check       `json:"checks"`
	Safe         *SafeAccount  `json:"safe,omitempty"` // who makes them, where that is a Safe
}

// Transaction is one unsigned transaction.
type Transaction struct {
	To    string `json:"to"`
	Data  string `json:"data"`
	Value string `json:"value"`
}

// Check is one answer of the safety check.
type Check struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
}

// CallsMetadata tells what the transactions are for and whether the payer can
// afford them. Members without a wallet to ask about are absent.
type CallsMetadata struct {
	StepsRequired             int           `json:"stepsRequired"`
	NeedsApproval             bool          `json:"needsApproval"`
	ApprovalTransactionIndex  *int          `json:"approvalTransactionIndex,omitempty"`
	ApprovalTransactionsCount int           `json:"approvalTransactionsCount"`
	SwapTransactionIndex      *int          `json:"swapTransactionIndex,omitempty"` // where an exchange comes first
	PaymentTransactionIndex   int           `json:"paymentTransactionIndex"`
	ChainID                   asset.ChainID `json:"chainId"`

	HasEnoughBalance   *bool `json:"hasEnoughBalance,omitempty"`
	HasEnoughGas       *bool `json:"hasEnoughGas,omitempty"`
	HasEnoughAllowance *bool `json:"hasEnoughAllowance,omitempty"`

	Balance             string `json:"balance,omitempty"`
	Allowance           string `json:"allowance,omitempty"`
	RequiredAmount      string `json:"requiredAmount"`
	NativeBalance       string `json:"nativeBalance,omitempty"`
	EstimatedNetworkFee string `json:"estimatedNetworkFee,omitempty"`

	BalanceUnits        string `json:"balanceUnits,omitempty"`
	RequiredUnits       string `json:"requiredUnits"`
	NativeUnits         string `json:"nativeUnits,omitempty"`
	NativeRequiredUnits string `json:"nativeRequiredUnits,omitempty"`

	// Assets has one entry for each asset the transactions move; the members
	// above tell of the first.
	Assets []AssetFunds `json:"assets"`

	RouteType rail.RouteType `json:"routeType"`
	*RouteMetadata

	// SafePaymentDeadline is until when a Safe must have executed its transaction,
	// in Unix seconds, absent where nothing ends it.
	SafePaymentDeadline int64 `json:"safePaymentDeadline,omitempty"`

	PlatformFee *PlatformFee `json:"platformFee,omitempty"`
}

// AssetFunds is what the transactions take of one asset, and what the payer has.
type AssetFunds struct {
	Currency       asset.ID `json:"currency"`
	Symbol         string   `json:"symbol"`
	RequiredAmount string   `json:"requiredAmount"`
	RequiredUnits  string   `json:"requiredUnits"`
	Balance        string   `json:"balance,omitempty"`
	BalanceUnits   string   `json:"balanceUnits,omitempty"`
	Allowance      string   `json:"allowance,omitempty"`
	// ContractFee is the part of RequiredAmount that the batch contract asks for
	// itself, absent if it asks for nothing.
	ContractFee string `json:"contractFee,omitempty"`
}

// BatchCalls is how a batch's calldata goes to API clients: the approvals apart
// from the one payment.
type BatchCalls struct {
	Approvals []Transaction `json:"ERC20ApprovalTransactions"`
	Payment   *Transaction  `json:"batchPaymentTransaction"`
	Metadata  BatchMetadata `json:"metadata"`
	Checks    []Check       `json:"checks"`
	Safe      *SafeAccount  `json:"safe,omitempty"`
}

// BatchMetadata is CallsMetadata with what is told of batches alone. Members that
// take a wallet to ask about are null or, where they tell of nothing yet, false.
type BatchMetadata struct {
	CallsMetadata

	HasEnoughBalance   bool       `json:"hasEnoughBalance"`
	HasEnoughGas       *bool      `json:"hasEnoughGas"`
	CanMakePayment     *bool      `json:"canMakePayment"`
	InsufficientTokens []asset.ID `json:"insufficientTokens"`
}

// NewBatchCalls words a rail's calls for several requests.
func NewBatchCalls(in *rail.Calls, book *asset.Book) BatchCalls {
	all := NewCalls(in, book)
	w := BatchCalls{
		Approvals: []Transaction{}, Checks: all.Checks, Safe: all.Safe,
		Metadata: BatchMetadata{CallsMetadata: all.Metadata, InsufficientTokens: []asset.ID{}},
	}
	for i, t := range all.Transactions {
		if in.Steps[i].Kind == rail.Pay {
			w.Payment = &t
		} else {
			w.Approvals = append(w.Approvals, t)
		}
	}
	m := &w.Metadata
	m.HasEnoughGas = all.Metadata.HasEnoughGas
	if all.Metadata.HasEnoughBalance == nil {
		return w // no wallet
	}
	m.HasEnoughBalance = *all.Metadata.HasEnoughBalance
	for _, h := range in.Funds.Assets {
		if !h.Enough() {
			m.InsufficientTokens = append(m.InsufficientTokens, h.Asset)
		}
	}
	m.CanMakePayment = ptr(m.HasEnoughBalance && m.HasEnoughGas != nil && *m.HasEnoughGas)
	return w
}

// PlatformFee is the fee that goes to a third party.
type PlatformFee struct {
	Percentage string `json:"percentage"`
	Address    string `json:"address"`
}

// NewCalls words a rail's calls, with the tokens of the book the rail has.
func NewCalls(in *rail.Calls, book *asset.Book) Calls {
	w := Calls{Checks: NewChecks(in.Checks), Safe: newSafe(in.Safe)}
	w.Metadata = CallsMetadata{StepsRequired: len(in.Steps), ChainID: in.Chain, RouteType: rail.SameChain}
	gas := new(big.Int)
	for i, s := range in.Steps {
		w.Transactions = append(w.Transactions, Transaction{
			To: s.To.String(), Data: "0x" + hex.EncodeToString(s.Data), Value: "0x" + s.Value.Text(16),
		})
		switch s.Kind {
		case rail.Approve, rail.Reset:
			w.Metadata.NeedsApproval = true
			w.Metadata.ApprovalTransactionsCount++
			if w.Metadata.ApprovalTransactionIndex == nil {
				w.Metadata.ApprovalTransactionIndex = &i
			}
		case rail.Swap:
			w.Metadata.SwapTransactionIndex = &i
		case rail.Pay:
			w.Metadata.PaymentTransactionIndex = i
		}
		gas.Add(gas, new(big.Int).SetUint64(s.Gas))
	}
	w.Metadata.funds(in, gas, book)
	if in.Route != nil {
		w.Metadata.RouteType, w.Metadata.RouteMetadata = in.Route.Type, newRoute(in, book)
	}
	if in.Safe != nil {
		w.Metadata.forSafe(in)
	}
	return w
}

func (m *CallsMetadata) funds(in *rail.Calls, gas *big.Int, book *asset.Book) {
	f := in.Funds
	for i, h := range f.Assets {
		token, _ := book.Token(h.Asset)
		w := AssetFunds{
			Currency: h.Asset, Symbol: token.Symbol,
			RequiredAmount: money.Format(h.Needed, token.Decimals), RequiredUnits: h.Needed.String(),
		}
		if h.Balance != nil {
			w.Balance, w.BalanceUnits = money.Format(h.Balance, token.Decimals), h.Balance.String()
		}
		if h.Allowance != nil {
			w.Allowance = money.Format(h.Allowance, token.Decimals)
			enough := h.Allowance.Cmp(h.Needed) >= 0
			m.HasEnoughAllowance = ptr(enough && (m.HasEnoughAllowance == nil || *m.HasEnoughAllowance))
		}
		if h.ContractFee != nil {
			w.ContractFee = money.Format(h.ContractFee, token.Decimals)
		}
		if i == 0 {
			m.RequiredAmount, m.RequiredUnits = w.RequiredAmount, w.RequiredUnits
			m.Balance, m.BalanceUnits, m.Allowance = w.Balance, w.BalanceUnits, w.Allowance
		}
		m.Assets = append(m.Assets, w)
	}
	if m.Balance != "" {
		m.HasEnoughBalance = ptr(f.EnoughBalance())
	}
	chain, _ := book.Chain(in.Chain)
	native := chain.Native
	if f.Native != nil && f.NativeNeeded != nil {
		m.HasEnoughGas = ptr(f.EnoughGas())
		m.NativeBalance, m.NativeUnits = money.Format(f.Native, native.Decimals), f.Native.String()
		m.NativeRequiredUnits = f.NativeNeeded.String()
	}
	if f.GasPrice != nil && gas.Sign() > 0 {
		m.EstimatedNetworkFee = money.Format(gas.Mul(gas, f.GasPrice), native.Decimals)
	}
}

// NewChecks words the answers of the safety check.
func NewChecks(checks []rail.Check) []Check {
	out := make([]Check, len(checks))
	for i, c := range checks {
		out[i] = Check{Name: c.Name, Outcome: string(c.Outcome), Detail: c.Detail}
	}
	return out
}

func ptr[T any](v T) *T { return &v }
