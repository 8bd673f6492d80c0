package request

import (
	"bytes"
	"errors"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/web"
)

type createBody struct {
	Requests        []requestBody `json:"requests"`
	PayerIdentifier *string       `json:"payerIdentifier"`
	Shared          shared        `json:",embed"`
}

// shared is what creations of all kinds have.
type shared struct {
	FeePercentage *string     `json:"feePercentage"`
	FeeAddress    *string     `json:"feeAddress"`
	Reference     *string     `json:"reference"`
	RedirectURL   *string     `json:"redirectUrl"`
	RedirectLabel *string     `json:"redirectLabel"`
	ExpiresAt     *string     `json:"expiresAt"`
	AccessPolicy  *accessBody `json:"accessPolicy"`
}

type requestBody struct {
	DestinationID   *string `json:"destinationId"`
	Payee           *string `json:"payee"`
	PaymentCurrency *string `json:"paymentCurrency"`
	InvoiceCurrency *string `json:"invoiceCurrency"`
	Amount          *string `json:"amount"`
}

type createdWire struct {
	RequestIDs       []string `json:"requestIds"`
	SecurePaymentURL string   `json:"securePaymentUrl"`
	Token            string   `json:"token"`
	FeePlan          *feePlan `json:"feePlan"`
}

// payoutBody is the body of POST /v2/secure-payments/payouts.
type payoutBody struct {
	Recipient            *string `json:"recipient"`
	CreatorWalletAddress *string `json:"creatorWalletAddress"`
	Network              *string `json:"network"`
	Currency             *string `json:"currency"`
	Amount               *string `json:"amount"`
	RecipientIdentifier  *string `json:"recipientIdentifier"`
	Shared               shared  `json:",embed"`
}

// destinationWire is a payee as payers see it.
type destinationWire struct {
	DestinationID string `json:"destinationId,omitempty"` // left out where the payee is masked
	PayeeAddress  string `json:"payeeAddress"`
	TokenAddress  string `json:"tokenAddress"`
	WalletAddress string `json:"walletAddress"`
	Network       string `json:"network"`
	IsMasked      bool   `json:"isMasked,omitempty"`
}

// shownWire is what single and batch payments show alike.
type shownWire struct {
	PaymentType   string    `json:"paymentType"`
	Status        string    `json:"status"`
	RedirectURL   *string   `json:"redirectUrl"`
	RedirectLabel *string   `json:"redirectLabel"`
	Branding      *struct{} `json:"branding"`
	RequestIDs    []string  `json:"requestIds"`
	Network       string    `json:"network"`
	Reference     *string   `json:"reference"`
	FeePlan       *feePlan  `json:"feePlan"`

	IsPayeeAddressMasked bool            `json:"isPayeeAddressMasked,omitempty"`
	AccessDecision       *accessDecision `json:"accessDecision,omitempty"`

	// Additions to the documented shape.
	ExpiresAt string `json:"expiresAt"`

	*choice
}

type singleWire struct {
	shownWire
	Payee            string           `json:"payee"`
	Amount           string           `json:"amount"` // base units, as the documented example
	PaymentCurrency  string           `json:"paymentCurrency"`
	IsNativeCurrency bool             `json:"isNativeCurrency"`
	Destination      *destinationWire `json:"destination"`

	// Additions to the documented shape.
	AmountHuman      string `json:"amountHuman"`
	Decimals         uint8  `json:"decimals"`
	ReceivedHuman    string `json:"receivedHuman"`
	PaymentReference string `json:"paymentReference"`
}

// batchWire has parallel lists, in the order of the requests.
type batchWire struct {
	shownWire
	Payees            []string           `json:"payees"`
	Amounts           []string           `json:"amounts"` // human decimals, as the documented example
	PaymentCurrencies []string           `json:"paymentCurrencies"`
	IsNativeCurrency  []bool             `json:"isNativeCurrency"`
	Destinations      []*destinationWire `json:"destinations"`

	// Additions to the documented shape.
	AmountsUnits      []string `json:"amountsUnits"` // base units
	Decimals          []int    `json:"decimals"`
	ReceivedHuman     []string `json:"receivedHuman"`
	PaymentReferences []string `json:"paymentReferences"`
}

// maskedWire is all that a wallet hears that has not been let in, where the
// policy hides the rest.
type maskedWire struct {
	PaymentType    string          `json:"paymentType"`
	Status         string          `json:"status"`
	Branding       *struct{}       `json:"branding"`
	AccessDecision *accessDecision `json:"accessDecision,omitempty"`
}

type foundWire struct {
	Token              string           `json:"token"`
	SecurePaymentURL   string           `json:"securePaymentUrl"`
	Status             string           `json:"status"`
	PaymentType        string           `json:"paymentType"`
	CreatedAt          string           `json:"createdAt"`
	ExpiresAt          string           `json:"expiresAt"`
	RedirectURL        *string          `json:"redirectUrl"`
	RedirectLabel      *string          `json:"redirectLabel"`
	CompletedAt        *string          `json:"completedAt"`
	PayerAddress       *string          `json:"payerAddress"`
	PayerKYTResults    []kytResult      `json:"payerKytResults"`
	PayeeKYTResults    []kytResult      `json:"payeeKytResults"`
	Destination        *destinationWire `json:"destination"`
	ClaimedDestination *destinationWire `json:"claimedDestination"` // nothing is claimed here: always null
	OrchestratorID     *string          `json:"orchestratorId"`
	FeePlan            *feePlan         `json:"feePlan"`
	Network            string           `json:"network"`
	Currency           *string          `json:"currency"`
	ExecutionKind      *string          `json:"executionKind"`
	IdentityMode       string           `json:"identityMode"`
	ClientID           *string          `json:"clientId"`
	Branding           foundBranding    `json:"branding"`
	ChildExecutable    bool             `json:"childExecutable"`
	BlockReason        *string          `json:"blockReason"`

	// Additions to the documented shape.
	Flow                payment.Flow    `json:"flow"`
	Reference           *string         `json:"reference"`
	PayerIdentifier     *string         `json:"payerIdentifier"`
	RecipientIdentifier *string         `json:"recipientIdentifier"`
	AccessPolicy        accessWire      `json:"accessPolicy"`
	RequestStatuses     []requestStatus `json:"requestStatuses"`
	PayerEOAAddress     *string         `json:"payerEoaAddress"`
}

type foundBranding struct {
	WhitelabelEnabled bool   `json:"whitelabelEnabled"`
	Source            string `json:"source"`
}

type requestStatus struct {
	RequestID   string `json:"requestId"`
	HasBeenPaid bool   `json:"hasBeenPaid"`
	TxHash      string `json:"txHash,omitempty"`
	SafeTxHash  string `json:"safeTxHash,omitempty"`
	// ChainID is where the Safe signs or the smart account acts or, of money that is under
	// way over a bridge, where its transaction is.
	ChainID             asset.ChainID `json:"chainId,omitempty"`
	SafePaymentDeadline int64         `json:"safePaymentDeadline,omitempty"` // Unix seconds, absent for none
}

// endedWire is the body of a payment that cannot be paid any more, or not now.
type endedWire struct {
	StatusCode      int             `json:"statusCode"`
	Message         string          `json:"message"`
	Error           string          `json:"error"`
	Code            string          `json:"code"`
	Status          string          `json:"status"`
	SubStatus       string          `json:"subStatus,omitempty"` // why it failed, in the words of payment.failed
	RequestStatuses []requestStatus `json:"requestStatuses"`
}

type errorWire struct {
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
	Error      string `json:"error"`
	Code       string `json:"code"`
	Field      string `json:"field,omitempty"`
	RequestID  string `json:"requestId,omitempty"`
}

type payWire struct {
	PaymentType string `json:"paymentType"`
	web.Calls
	FeeBundle *struct{} `json:"feeBundle"`
}

type batchPayWire struct {
	PaymentType string `json:"paymentType"`
	web.BatchCalls
}

type intentBody struct {
	TxHash              string  `json:"txHash"`
	SafeTxHash          string  `json:"safeTxHash"`
	SafePaymentDeadline *int64  `json:"safePaymentDeadline"` // Unix seconds
	Chain               string  `json:"chain"`
	Token               string  `json:"token"`
	PayerAddress        *string `json:"payerAddress"`
	PayerEOAAddress     *string `json:"payerEoaAddress"`

	ExecutionKind *string `json:"executionKind"`
	SourceNetwork *string `json:"sourceNetwork"`
	SourceToken   *string `json:"sourceToken"`
	SourceAmount  *string `json:"sourceAmount"`
	RouteKind     *string `json:"routeKind"`
	BridgeTool    *string `json:"bridgeTool"`

	// Additions to the documented shape: the transaction behind safeTxHash as Safe's
	// tools have it, and the signatures of owners that there are already.
	SafeTx         object   `json:"safeTx"`
	SafeSignatures []string `json:"safeSignatures"`
}

// object is a JSON object that passes through as it came, nil for null. It is no
// slice: those are looked through for strings.
type object struct{ text []byte }

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		o.text = nil
	case b[0] != '{':
		return errors.New("not an object")
	default:
		o.text = bytes.Clone(b)
	}
	return nil
}

type intentWire struct {
	IntentID            string  `json:"intentId"`
	PaymentReference    string  `json:"paymentReference"`
	TxHash              string  `json:"txHash,omitempty"`
	SafeTxHash          string  `json:"safeTxHash,omitempty"` // instead of txHash
	SafePaymentDeadline int64   `json:"safePaymentDeadline,omitempty"`
	IsListening         bool    `json:"isListening"`
	PayerAddress        *string `json:"payerAddress,omitempty"`

	// PaymentReferences is an addition: all of them, where there are several.
	PaymentReferences []string `json:"paymentReferences,omitempty"`
}
