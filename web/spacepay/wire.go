package spacepay

import (
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// The bodies, in the documented order of their members.

type createdWire struct {
	Payment    paymentWire `json:"payment"`
	PaymentURL string      `json:"paymentUrl"`
	Secret     string      `json:"secret"`
	PaymentID  string      `json:"paymentId"`
}

type paymentWire struct {
	ID                string       `json:"id"`
	MerchantID        string       `json:"merchantId"`
	MerchantShortName string       `json:"merchantShortName"`
	AmountInCents     int64        `json:"amountInCents"`
	Currency          string       `json:"currency"`
	Status            string       `json:"status"`
	DepositAddress    *depositWire `json:"depositAddress"`
	Quotes            []quoteWire  `json:"quotes"`
	Receipt           *receiptWire `json:"receipt"`
	OrderID           string       `json:"orderId"`
	RedirectURL       *string      `json:"redirectUrl"`
	CreatedAt         string       `json:"createdAt"`
	// Later versions of the API have these; a creation's answer has none of them.
	UpdatedAt string `json:"updatedAt,omitempty"`
	Type      string `json:"type,omitempty"`
}

type depositWire struct {
	ID        string `json:"id"`
	PaymentID string `json:"paymentId"`
	Type      string `json:"type"`
	Address   string `json:"address"` // lower case
	CreatedAt string `json:"createdAt"`
}

type quoteWire struct {
	ID                  string    `json:"id"`
	PaymentID           string    `json:"paymentId"`
	Token               tokenWire `json:"token"`
	ChainID             uint64    `json:"chainId"`
	ExpectedAmountAsset string    `json:"expectedAmountAsset"` // base units
	RateUSDAsset        string    `json:"rateUsdAsset"`        // eight decimals
	ExpiresAt           string    `json:"expiresAt"`
	Status              string    `json:"status"`
	CreatedAt           string    `json:"createdAt"`
}

type tokenWire struct {
	ID              string    `json:"id"`
	CoingeckoAPIID  string    `json:"coingeckoApiId"`
	Chain           chainWire `json:"chain"`
	Symbol          string    `json:"symbol"`
	ContractAddress string    `json:"contractAddress"` // lower case, zero for native currency
	Decimals        uint8     `json:"decimals"`
	Type            string    `json:"type"`
	AssetType       string    `json:"assetType"`
	Status          string    `json:"status"`
}

type chainWire struct {
	ChainID        uint64 `json:"chainId"`
	Name           string `json:"name"`
	NativeSymbol   string `json:"nativeSymbol"`
	NativeDecimals uint8  `json:"nativeDecimals"`
	IsEnabled      bool   `json:"isEnabled"`
}

// receiptWire is the union of the two shapes that are documented.
type receiptWire struct {
	TransactionHash       *string    `json:"transactionHash"`
	BlockNumber           *uint64    `json:"blockNumber"`
	Confirmations         uint64     `json:"confirmations"`
	RequiredConfirmations uint64     `json:"requiredConfirmations"`
	CompletedAt           *string    `json:"completedAt"`
	PaymentID             string     `json:"paymentId"`
	SelectedQuote         *quoteWire `json:"selectedQuote"`
	SettledToken          tokenWire  `json:"settledToken"`
	SettledChain          chainWire  `json:"settledChain"`
	SettledAmountAsset    string     `json:"settledAmountAsset"`
	SettledAmountUSD      string     `json:"settledAmountUsd"` // "100.00"
	TxHash                *string    `json:"txHash"`
	TxBlockNumber         *uint64    `json:"txBlockNumber"`
	TxTimestamp           *string    `json:"txTimestamp"`
	TxSenderAddress       *string    `json:"txSenderAddress"`
	CreatedAt             string     `json:"createdAt"`
}

// listed is an asset as the API lists it: what the book has, and what only this API wants
// to know.
type listed struct {
	ID          string // a UUID
	Token       asset.Token
	Chain       asset.Chain
	CoingeckoID string
	Stable      bool
}

func (l listed) chain() chainWire {
	return chainWire{
		ChainID: uint64(l.Chain.ID), Name: l.Chain.Name, NativeSymbol: l.Chain.Native.Symbol, NativeDecimals: l.Chain.Native.Decimals, IsEnabled: true,
	}
}

func (l listed) wire() tokenWire {
	w := tokenWire{
		ID: l.ID, CoingeckoAPIID: l.CoingeckoID, Chain: l.chain(), Symbol: l.Token.Symbol, ContractAddress: l.Token.Address.Lower(),
		Decimals: l.Token.Decimals, Type: "volatile", AssetType: "erc20", Status: "active",
	}
	if l.Stable {
		w.Type = "stablecoin"
	}
	if l.Token.Native {
		w.AssetType = "native"
	}
	return w
}

// The statuses of a quote.
const (
	quoteActive  = "active"
	quoteUsed    = "used" // money counted by it
	quoteExpired = "expired"
)

// quote is a quote of a payment, named as this API names things.
func quote(q payment.Quote, payment string, of listed, status string) quoteWire {
	return quoteWire{
		ID: named("quote", q.ID), PaymentID: payment, Token: of.wire(), ChainID: uint64(q.Chain), ExpectedAmountAsset: q.Units.String(), RateUSDAsset: q.Price.String(),
		ExpiresAt: millis(q.ExpiresAt), Status: status, CreatedAt: millis(q.CreatedAt),
	}
}

// millis is ISO-8601 in UTC with milliseconds.
func millis(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// dollars writes an inner amount of dollars with two decimals, rounded down.
func dollars(v *big.Int) string {
	cents := money.WholeCents(v)
	whole, rest := new(big.Int).QuoRem(cents, big.NewInt(100), new(big.Int))
	return fmt.Sprintf("%s.%02d", whole, rest)
}
