package request

type paymentEvent struct {
	Event            string     `json:"event"`
	RequestID        string     `json:"requestId"`
	RequestIDUpper   string     `json:"requestID"`
	PaymentReference string     `json:"paymentReference"`
	Explorer         string     `json:"explorer"`
	Amount           string     `json:"amount"`
	TotalAmountPaid  string     `json:"totalAmountPaid"`
	ExpectedAmount   string     `json:"expectedAmount"`
	Timestamp        string     `json:"timestamp"`
	TxHash           string     `json:"txHash"`
	PayerAddress     *string    `json:"payerAddress"`
	PayerEOAAddress  *string    `json:"payerEoaAddress"`
	Network          string     `json:"network"`
	Currency         string     `json:"currency"`
	PaymentCurrency  string     `json:"paymentCurrency"`
	IsCryptoToFiat   bool       `json:"isCryptoToFiat"`
	SubStatus        string     `json:"subStatus"`
	PaymentProcessor string     `json:"paymentProcessor"`
	Fees             []eventFee `json:"fees"`

	// Additions to the documented shape. Payee, client id and origin are in one of
	// the documented examples and not in the others.
	SecurePaymentToken  string `json:"securePaymentToken"`
	Sequence            int64  `json:"sequence"`
	Payee               string `json:"payee"`
	Reference           string `json:"reference,omitempty"`
	PayerIdentifier     string `json:"payerIdentifier,omitempty"`
	RecipientIdentifier string `json:"recipientIdentifier,omitempty"`
	ExcessAmount        string `json:"excessAmount,omitempty"`
	SourceNetwork       string `json:"sourceNetwork,omitempty"` // where a bridge took the money from
	SourceTxHash        string `json:"sourceTxHash,omitempty"`
	ClientID            string `json:"clientId,omitempty"`
	Origin              string `json:"origin,omitempty"`
}

type eventFee struct {
	Type     string `json:"type"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

type failedEvent struct {
	Event            string `json:"event"`
	RequestID        string `json:"requestId"`
	RequestIDUpper   string `json:"requestID"`
	PaymentReference string `json:"paymentReference"`
	SubStatus        string `json:"subStatus"`
	PaymentProcessor string `json:"paymentProcessor"`

	// Additions: integrators' own samples have the first ones.
	Amount             string   `json:"amount"`
	TotalAmountPaid    string   `json:"totalAmountPaid"`
	ExpectedAmount     string   `json:"expectedAmount"`
	Timestamp          string   `json:"timestamp"`
	PaymentCurrency    string   `json:"paymentCurrency"`
	IsCryptoToFiat     bool     `json:"isCryptoToFiat"`
	FailureReason      string   `json:"failureReason"`
	SecurePaymentToken string   `json:"securePaymentToken"`
	RequestIDs         []string `json:"requestIds"`
	Reference          string   `json:"reference,omitempty"`
	Sequence           int64    `json:"sequence"`
	// Status is the payment's own: what came to nothing may have been one of
	// several attempts, and "pending" is still to be paid.
	Status        string `json:"status"`
	SourceNetwork string `json:"sourceNetwork,omitempty"`
	SourceTxHash  string `json:"sourceTxHash,omitempty"` // of a Safe's transaction or a user operation what executed it, or another one in its place
	SafeTxHash    string `json:"safeTxHash,omitempty"`
	// Of a user operation: its hash, the smart account and the wallet it is of.
	UserOpHash      string `json:"userOpHash,omitempty"`
	PayerAddress    string `json:"payerAddress,omitempty"`
	PayerEOAAddress string `json:"payerEoaAddress,omitempty"`
}

// refundedEvent has no documented sample; its members are those of an
// integrator's own, and what one needs to look the refund up.
type refundedEvent struct {
	Event              string `json:"event"`
	RequestID          string `json:"requestId"`
	RequestIDUpper     string `json:"requestID"`
	PaymentReference   string `json:"paymentReference"`
	RefundedTo         string `json:"refundedTo"`
	RefundAmount       string `json:"refundAmount"`
	Currency           string `json:"currency"`
	Timestamp          string `json:"timestamp"`
	PaymentProcessor   string `json:"paymentProcessor"`
	TxHash             string `json:"txHash"`
	Network            string `json:"network"`
	Reason             string `json:"reason,omitempty"` // "bridge_refunded"; absent where the merchant recorded it
	SecurePaymentToken string `json:"securePaymentToken"`
	Reference          string `json:"reference,omitempty"`
	Sequence           int64  `json:"sequence"`
}

type userEvent struct {
	Event              string         `json:"event"`
	UserEvent          string         `json:"userEvent"`
	SecurePaymentToken string         `json:"securePaymentToken"`
	RequestID          string         `json:"requestId,omitempty"` // of a payment with one request
	RequestIDs         []string       `json:"requestIds"`
	OrchestratorID     *string        `json:"orchestratorId"` // there are none here
	OccurredAt         string         `json:"occurredAt"`     // the page's own time
	Timestamp          string         `json:"timestamp"`
	Properties         userProperties `json:"properties"`
	Sequence           int64          `json:"sequence"`
}

type userProperties struct {
	WalletProvider      string `json:"wallet_provider,omitempty"`
	SubmissionID        string `json:"payment_submission_id,omitempty"`
	SubmissionIDType    string `json:"payment_submission_id_type,omitempty"`
	SelectedSourceChain string `json:"selected_source_chain,omitempty"`
	PaymentType         string `json:"payment_type"`
	WalletAddressHashed string `json:"wallet_address_hashed,omitempty"`
}

type rejectedEvent struct {
	Event                       string `json:"event"`
	RequestID                   string `json:"requestId"`
	AttemptedPayerWalletAddress string `json:"attemptedPayerWalletAddress"` // lower case, as documented
	Timestamp                   string `json:"timestamp"`

	// Additions.
	SecurePaymentToken string   `json:"securePaymentToken"`
	RequestIDs         []string `json:"requestIds"`
	Reason             string   `json:"reason"`
	Sequence           int64    `json:"sequence"`
}

type unsafeEvent struct {
	Event              string `json:"event"`
	RequestID          string `json:"requestId"`
	SecurePaymentToken string `json:"securePaymentToken"`
	Detail             string `json:"detail"`
	Timestamp          string `json:"timestamp"`
	Sequence           int64  `json:"sequence"`
}

// eventDisabled tells that the server switched an endpoint off.
const eventDisabled = "webhook.disabled"

type disabledEvent struct {
	Event        string `json:"event"`
	WebhookID    string `json:"webhookId"`
	URL          string `json:"url"` // without its query
	ClientID     string `json:"clientId,omitempty"`
	Reason       string `json:"reason"`
	FailingSince string `json:"failingSince"`
	Timestamp    string `json:"timestamp"`
}
