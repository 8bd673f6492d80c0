package templates

// MethodBank is a bank transfer, where a DepositPage says what was chosen.
const MethodBank = "bank"

// BankPlace stands where the network of a transfer does, of one by a bank.
const BankPlace = "Bank transfer"

// Who called a payment off.
const (
	CanceledByMerchant = "merchant"
	CanceledByPayer    = "payer"
)

// DepositMethods are the ways there are to pay now; all are false where nothing can be paid
// any more.
type DepositMethods struct {
	// Crypto is a currency on a chain, sent to the payment's own address.
	Crypto bool `json:"crypto"`
	// Bank is a bank transfer.
	Bank bool `json:"bank"`
	// Split is a currency on a chain, shared out by a contract call: what is chosen leads to
	// the ordinary page, and its form must be sent as it is.
	Split bool `json:"split"`
}

// BankDetails are what a payer types or scans into a banking app. Everything is exactly what
// a booking is recognised by.
type BankDetails struct {
	Holder      string `json:"holder"`      // of the account: who is paid
	IBAN        string `json:"iban"`        // without blanks, as it is copied
	IBANGrouped string `json:"ibanGrouped"` // as it is read: "DE89 3704 …"
	BIC         string `json:"bic"`         // "" where nobody needs it
	Amount      string `json:"amount"`      // of all that is missing, without separators: "49.99"
	Text        string `json:"text"`        // the transfer's text, word for word
	Reference   string `json:"reference"`   // the part of Text by which it is recognised
	// QR is the code that banking apps scan (EPC069-12), with its label.
	QR Drawing `json:"qr"`
}

// CancelPage asks whether a payment is to be called off.
type CancelPage struct {
	Assets     Assets
	Page, Path string // as of DepositPage
	Sandbox    bool
	Merchant   string
	Amount     string // "49.99 EUR"
	Trouble    string // why it cannot be called off: one of the constants, "" if it can be
}

// Why a payment cannot be called off.
const (
	CancelComing = "coming" // money has come or is on its way
	CancelNever  = "never"  // the recipient does not want it to be
)

func (p *CancelPage) kind() string {
	if p.Trouble == "" {
		return "question"
	}
	return p.Trouble
}

func (p *CancelPage) title() string {
	if p.Trouble == "" {
		return "Cancel this payment?"
	}
	return "This payment cannot be canceled"
}

func (p *CancelPage) text() string {
	switch p.Trouble {
	case "":
		return "You are about to cancel the payment of " + p.Amount + " to " + p.Merchant + ". Its link can then no longer be paid. This cannot be undone."
	case CancelComing:
		return "Money for it has arrived or is on its way. If you do not want to pay after all, please contact " + p.Merchant + "."
	}
	return p.Merchant + " does not let this payment be canceled here. You do not have to do anything if you do not want to pay."
}

// question is the one before the payment is called off.
func (p *DepositPage) question() *CancelPage {
	return &CancelPage{Page: p.Page, Path: p.Path, Merchant: p.Merchant, Amount: p.Status.Amount + " " + p.Currency}
}

// bank are the details that are shown, empty ones if there are none.
func (p *DepositPage) bank() BankDetails {
	if p.Status.Bank == nil {
		return BankDetails{}
	}
	return *p.Status.Bank
}

// banking says that a bank transfer was chosen, and can be made.
func (p *DepositPage) banking() bool {
	return p.open() && p.Method == MethodBank && p.Status.Bank != nil
}

// bankAmountHint says what of the whole the amount is.
func (p *DepositPage) bankAmountHint() string {
	if p.partial() {
		return "What is left to pay of " + p.Status.Amount + " " + p.Currency + "."
	}
	return "All of it in one transfer."
}

// bankChoice says that there is a way to the bank transfer.
func (p *DepositPage) bankChoice() bool { return p.Status.Bank != nil && !p.banking() }

// networks are those that can be chosen from: what is sent to an address needs one that is
// proven.
func (p *DepositPage) networks() []DepositNetwork {
	if p.sendable() || p.Status.Methods.Split {
		return p.Networks
	}
	return nil
}

// selectable says that a way to pay can be chosen. Where nothing can be paid with, that is
// said in its place.
func (p *DepositPage) selectable() bool {
	switch {
	case !p.open():
		return false
	case p.bankChoice(), p.Status.Methods.Split:
		return true
	case p.banking():
		return len(p.networks()) > 0
	}
	return p.sendable() || !p.Addressed
}
