package request

import "quittance/web"

type createBody struct {
	Requests        []requestBody `json:"requests"`
	FeePercentage   *string       `json:"feePercentage"`
	FeeAddress      *string       `json:"feeAddress"`
	Reference       *string       `json:"reference"`
	PayerIdentifier *string       `json:"payerIdentifier"`
	RedirectURL     *string       `json:"redirectUrl"`
	RedirectLabel   *string       `json:"redirectLabel"`
	ExpiresAt       *string       `json:"expiresAt"`
	// AccessPolicy is read only to refuse it: ignoring a restriction would let
	// everyone pay.
	AccessPolicy *struct{} `json:"accessPolicy"`
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

// feePlan is version 1 of the vendor's fee snapshot; amounts are USD strings.
type feePlan struct {
	Version               int       `json:"version"`
	Flow                  string    `json:"flow"`
	DefaultFeeBearer      string    `json:"defaultFeeBearer"`
	GrossAmountUSD        string    `json:"grossAmountUsd"`
	NetRecipientAmountUSD string    `json:"netRecipientAmountUsd"`
	PayerTotalAmountUSD   string    `json:"payerTotalAmountUsd"`
	TotalFeesUSD          string    `json:"totalFeesUsd"`
	PayeeBorneFeesUSD     string    `json:"payeeBorneFeesUsd"`
	PayerBorneFeesUSD     string    `json:"payerBorneFeesUsd"`
	Fees                  []planFee `json:"fees"`
}

type planFee struct {
	Type                string         `json:"type"`
	Label               string         `json:"label"`
	FeeBearer           string         `json:"feeBearer"`
	FeeBearerSource     string         `json:"feeBearerSource"`
	PercentageBps       int            `json:"percentageBps"`
	CapUSD              *string        `json:"capUsd"`
	CalculatedAmountUSD string         `json:"calculatedAmountUsd"`
	DestinationResolver string         `json:"destinationResolver"`
	DestinationRef      destinationRef `json:"destinationRef"`
	ConfigSource        string         `json:"configSource"`
}

type destinationRef struct {
	EVMAddress string `json:"evmAddress,omitempty"`
}

type destinationWire struct {
	DestinationID string `json:"destinationId"`
	PayeeAddress  string `json:"payeeAddress"`
	TokenAddress  string `json:"tokenAddress"`
	WalletAddress string `json:"walletAddress"`
	Network       string `json:"network"`
}

type singleWire struct {
	PaymentType      string           `json:"paymentType"`
	Status           string           `json:"status"`
	RedirectURL      *string          `json:"redirectUrl"`
	RedirectLabel    *string          `json:"redirectLabel"`
	Branding         *struct{}        `json:"branding"`
	RequestIDs       []string         `json:"requestIds"`
	Payee            string           `json:"payee"`
	Network          string           `json:"network"`
	Amount           string           `json:"amount"`
	PaymentCurrency  string           `json:"paymentCurrency"`
	IsNativeCurrency bool             `json:"isNativeCurrency"`
	Destination      *destinationWire `json:"destination"`
	Reference        *string          `json:"reference"`
	FeePlan          *feePlan         `json:"feePlan"`

	// Additions to the documented shape.
	AmountHuman      string `json:"amountHuman"`
	Decimals         uint8  `json:"decimals"`
	ReceivedHuman    string `json:"receivedHuman"`
	PaymentReference string `json:"paymentReference"`
	ExpiresAt        string `json:"expiresAt"`
}

type foundWire struct {
	Token            string           `json:"token"`
	SecurePaymentURL string           `json:"securePaymentUrl"`
	Status           string           `json:"status"`
	PaymentType      string           `json:"paymentType"`
	CreatedAt        string           `json:"createdAt"`
	ExpiresAt        string           `json:"expiresAt"`
	RedirectURL      *string          `json:"redirectUrl"`
	RedirectLabel    *string          `json:"redirectLabel"`
	CompletedAt      *string          `json:"completedAt"`
	PayerAddress     *string          `json:"payerAddress"`
	Destination      *destinationWire `json:"destination"`
	Network          string           `json:"network"`
	Currency         string           `json:"currency"`
	RequestStatuses  []requestStatus  `json:"requestStatuses"`
}

type requestStatus struct {
	RequestID   string `json:"requestId"`
	HasBeenPaid bool   `json:"hasBeenPaid"`
	TxHash      string `json:"txHash,omitempty"`
}

// endedWire is the body of a payment that cannot be paid any more, or not now.
type endedWire struct {
	StatusCode      int             `json:"statusCode"`
	Message         string          `json:"message"`
	Error           string          `json:"error"`
	Code            string          `json:"code"`
	Status          string          `json:"status"`
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

type intentBody struct {
	TxHash              string  `json:"txHash"`
	SafeTxHash          string  `json:"safeTxHash"`
	SafePaymentDeadline *int64  `json:"safePaymentDeadline"`
	Chain               string  `json:"chain"`
	Token               string  `json:"token"`
	PayerAddress        *string `json:"payerAddress"`
}

type intentWire struct {
	IntentID         string  `json:"intentId"`
	PaymentReference string  `json:"paymentReference"`
	TxHash           string  `json:"txHash"`
	IsListening      bool    `json:"isListening"`
	PayerAddress     *string `json:"payerAddress,omitempty"`
}
