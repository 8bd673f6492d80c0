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

	PlatformFee *PlatformFee `json:"platformFee,omitempty"`
}

// PlatformFee is the fee that goes to a third party.
type PlatformFee struct {
	Percentage string `json:"percentage"`
	Address    string `json:"address"`
}

// NewCalls words a rail's calls. token is the asset they spend, native the
// currency of their chain.
func NewCalls(in *rail.Calls, token, native asset.Token) Calls {
	w := Calls{Checks: NewChecks(in.Checks)}
	w.Metadata = CallsMetadata{
		StepsRequired:  len(in.Steps),
		ChainID:        in.Chain,
		RequiredAmount: money.Format(in.Funds.Needed, token.Decimals),
		RequiredUnits:  in.Funds.Needed.String(),
	}
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
		case rail.Pay:
			w.Metadata.PaymentTransactionIndex = i
		}
		gas.Add(gas, new(big.Int).SetUint64(s.Gas))
	}
	w.Metadata.funds(in.Funds, gas, token, native)
	return w
}

func (m *CallsMetadata) funds(f rail.Funds, gas *big.Int, token, native asset.Token) {
	if f.Balance != nil {
		m.HasEnoughBalance = ptr(f.EnoughBalance())
		m.Balance, m.BalanceUnits = money.Format(f.Balance, token.Decimals), f.Balance.String()
	}
	if f.Allowance != nil {
		m.HasEnoughAllowance = ptr(f.Allowance.Cmp(f.Needed) >= 0)
		m.Allowance = money.Format(f.Allowance, token.Decimals)
	}
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
