package templates

// StateFailed of a DepositPage is its own: time ran out after too little had come. Its
// other states are those of a PayPage, without StateBlocked.

// DepositPage is the page of a payment that is due in a fiat currency and is paid by plain
// transfers to an address of its own, in any of several assets, whoever sends them; or by a
// bank transfer; or, of a split link, at a quote on the ordinary page. What changes while it
// is open is in Status, which the script gets in the same form: page and script can only say
// the same.
type DepositPage struct {
	Assets Assets
	Data   DepositData // what the script reads
	Status DepositStatus

	// Page is the page's own address: "/payment/4291f98b-…", or with a query:
	// "/payment?link_id=…". Path is what its other routes are below: the same, or "/link/…".
	Page, Path string
	Sandbox    bool   // no real money: shows the banner
	Merchant   string // the merchant's name
	Currency   string // what is due: "USD", "EUR"
	OrderNote  string // the merchant's own order number, or the link's note, "" if none
	Link       bool   // a payment link: OrderNote is a note, and who has paid cannot pay again
	Addressed  bool   // the payment has an address of its own

	// Address is that address, EIP-55; "" unless the check of it has passed.
	Address string
	// AddressQR is the address alone as a QR code, for apps that read nothing more.
	AddressQR Drawing
	Safety    Safety

	Networks []DepositNetwork
	Chosen   DepositAsset // zero while nothing is chosen
	// Method is MethodBank where that was chosen, "" otherwise.
	Method string
	// Trouble says why there is no quote of Chosen: one of the constants, "" if there is
	// one or none was asked for.
	Trouble string

	ExpiresAt Moment // zero of a payment without an end
	SettledAt Moment

	RedirectLabel string // the words of the button to Status.ReturnURL, "" for DefaultRedirect
}

// Why there is no quote of the chosen asset.
const (
	QuoteLapsed  = "lapsed"      // there was one, which is no longer good
	QuoteMissing = "unavailable" // the asset has no price that can be relied on
	QuoteTooMany = "limited"     // too many were asked for
)

// Drawing is an SVG element, written out as it is. It comes from the program's own
// drawing of QR codes and from nowhere else.
type Drawing string

// DepositNetwork is a network and what may be sent on it.
type DepositNetwork struct {
	Name   string // "Base"
	Assets []DepositAsset
}

// DepositAsset is an asset that a deposit may be made in, and the chain it is on.
type DepositAsset struct {
	ID       string `json:"id"`
	Symbol   string `json:"symbol"`
	Name     string `json:"name"` // "USD Coin"
	Decimals int    `json:"decimals"`
	Token    string `json:"token"` // EIP-55, the zero address for native currency
	Native   bool   `json:"native"`
	Chain    string `json:"chain"`   // the chain's name: "Base"
	Network  string `json:"network"` // the chain's short name: "base"
	ChainID  uint64 `json:"chainId"`
	// Amount is what an active quote asks for, in whole units: "0.0066", "" while there
	// is none.
	Amount string `json:"amount"`
	// AssetURL is the token in an explorer, "" for native currency or no explorer.
	AssetURL string `json:"assetUrl"`
}

// DepositData is what the script of a deposit's page reads from the page.
type DepositData struct {
	Page     string         `json:"page"` // as DepositPage.Page
	Path     string         `json:"path"` // as DepositPage.Path
	Method   string         `json:"method"`
	Merchant string         `json:"merchant"`
	Sandbox  bool           `json:"sandbox"`
	Currency string         `json:"currency"`
	Asset    string         `json:"asset"`   // the id of what is chosen, "" for nothing
	Address  string         `json:"address"` // as DepositPage.Address
	Assets   []DepositAsset `json:"assets"`  // in the order of the page
	Chains   []Chain        `json:"chains"`  // those of Assets
	Frames   []string       `json:"frames"`  // as Data.Frames
	// Status is that of the page, without drawings: the page has them.
	Status DepositStatus `json:"status"`
}

// DepositStatus is where a deposit's payment stands. Amounts of Currency are for people,
// with two decimals, "1,250.00", to the nearest cent; as long as anything is missing, a cent
// is. Amounts of assets are exact decimals in whole units. Times are RFC 3339, UTC.
type DepositStatus struct {
	State   string `json:"state"`
	Oddity  string `json:"oddity"`
	Payable bool   `json:"payable"` // money that comes now counts, and quotes are made
	Part    bool   `json:"part"`    // some has arrived in time, priced or not
	Now     string `json:"now"`     // the server's clock

	ExpiresAt string `json:"expiresAt"` // 2100-01-01 of a payment without an end
	SettledAt string `json:"settledAt"` // "" unless paid

	Currency string `json:"currency"` // of all amounts that are of no asset
	Amount   string `json:"amount"`   // what was asked for
	Received string `json:"received"` // in time, final or not
	Missing  string `json:"missing"`  // of Amount
	Excess   string `json:"excess"`   // beyond Amount; "0.00" below a cent
	Late     string `json:"late"`     // after the end

	// Confirmations and Required are those of the newest transfer, zero while there is none.
	Confirmations int `json:"confirmations"`
	Required      int `json:"required"`

	Transfers []DepositTransfer `json:"transfers"` // oldest first
	Quote     *DepositQuote     `json:"quote"`     // of the chosen asset, null unless one is active

	Methods DepositMethods `json:"methods"`
	Bank    *BankDetails   `json:"bank"` // null where no bank transfer can be made now

	Cancellable bool   `json:"cancellable"` // whoever pays can call it off now
	CanceledBy  string `json:"canceledBy"`  // CanceledByMerchant or CanceledByPayer, "" unless canceled

	AnnouncedTx string `json:"announcedTx"` // what this browser said it sent, ""
	// ReturnURL leads to where the merchant wants the payer back, "" for nowhere or unless
	// paid; of links also once the payer has called them off.
	ReturnURL string `json:"returnUrl"`
}

// The stages of a DepositTransfer.
const (
	DepositPending = "pending" // seen, and may still go away
	DepositFinal   = "final"   // here for good
	DepositDropped = "dropped" // the network took it back
)

// DepositTransfer is money that arrived. What came by a bank has no network, no transaction
// and no confirmations; it is final, and of its time only the day is known.
type DepositTransfer struct {
	Key     string `json:"key"`
	Asset   string `json:"asset"`
	Symbol  string `json:"symbol"`
	Amount  string `json:"amount"`
	Worth   string `json:"worth"`   // what it counts as, to the nearest cent, "" while it has no price
	Bank    bool   `json:"bank"`    // it came by a bank
	Chain   string `json:"chain"`   // the chain's name, BankPlace of what came by a bank
	Network string `json:"network"` // its short name
	// TxHash is "" where no single transaction is known to have brought it; so is ExplorerURL.
	TxHash        string `json:"txHash"`
	ExplorerURL   string `json:"explorerUrl"`
	Stage         string `json:"stage"`
	Confirmations int    `json:"confirmations"`
	Required      int    `json:"required"`
	Late          bool   `json:"late"` // came after the end: does not count
	At            string `json:"at"`
}

// DepositQuote is how much of one asset makes up what is missing, good for a while.
type DepositQuote struct {
	Asset    string `json:"asset"`
	Symbol   string `json:"symbol"`
	Chain    string `json:"chain"`
	Network  string `json:"network"`
	ChainID  uint64 `json:"chainId"`
	Decimals int    `json:"decimals"`
	Token    string `json:"token"`
	Native   bool   `json:"native"`

	Amount    string `json:"amount"` // to send: "0.00066808237080117"
	Units     string `json:"units"`  // the same in base units
	Rate      string `json:"rate"`   // of the currency for one whole unit, 8 decimals
	ExpiresAt string `json:"expiresAt"`

	URI     string  `json:"uri"` // ERC-681
	Address string  `json:"address"`
	QR      Drawing `json:"qr"` // of URI
}
