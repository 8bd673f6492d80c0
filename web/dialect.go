package web

import (
	"context"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/siwe"
	"quittance/internal/webhook"
)

// Dialect is one API that the server speaks. Its package exports one, Spoken, and app lists
// it: that is all a new one takes.
type Dialect struct {
	// Name is stored with payments and endpoints: it never changes.
	Name string
	// Encoder makes what words the dialect's webhooks. It is made before the server is: of a
	// Wiring it finds Directory, Store, Book, Chains and BaseURL, and of an empty one it can
	// still say which events it tells.
	Encoder func(Wiring) webhook.Encoder
	// Mount adds the routes.
	Mount func(Wiring)
	// Pages say where payers find the dialect's payments; nil if that is below "/".
	Pages *Pages
	// Typed reads a payment's public id out of what an operator types: the id itself, or an
	// address that holds it. It is nil if payments are known by their tokens alone.
	Typed func(text string) (alias string, ok bool)
}

// Pages are the pages of a dialect whose payments have links of their own.
type Pages struct {
	// Link is the address of a payment's page, of its public id, below the public origin:
	// "/payment/4291f98b-…", "/payment?link_id=MTIz".
	Link func(alias string) string
	// Param names the public id in a query of /payment, "" if links have no such form.
	Param string
	// Return is where the merchant wants the payer back, "" for nowhere: of a payment that
	// was paid and, where Path is set, of one that was called off by who should pay.
	Return func(p *payment.Payment) (string, error)

	// Path is what the page's other routes are below, of a public id, where that is not the
	// page's own address: "/link/123". Then the page is found by Param alone, answers 409
	// once it was paid and 403 once it was called off, is not there once it was deleted,
	// can be called off by who should pay, and leads back to the merchant by a route.
	Path func(alias string) string
	// Alias reads the public id out of Param's value; set where Path is.
	Alias func(value string) (alias string, ok bool)
}

// Wiring is what the server has for its dialects. Each takes what it needs; nothing is
// missing but where that is said.
type Wiring struct {
	Server    *Server
	Checkout  *checkout.Service
	Directory *merchant.Directory
	Webhooks  *webhook.Service
	Store     Store
	Sessions  *Sessions
	Limits    *Limiter
	Guard     *webhook.Guard // judges the URLs that the server itself calls
	Verifier  *siwe.Verifier
	Book      *asset.Book
	Chains    Chains
	// Codes reads the code of accounts, which tells contracts from accounts.
	Codes func(ctx context.Context, chain asset.ChainID, accounts []asset.Address) ([][]byte, error)
	// Nudge asks the watcher of a chain to look at once. It does not block.
	Nudge func(asset.ChainID)
	// Subscribe wakes whoever waits for a payment's change.
	Subscribe func(payment.ID) (<-chan struct{}, func())
	// Priced are the assets that amounts in a fiat currency can be paid in, in order; none
	// where nothing is set up for them.
	Priced []asset.ID
	Prices checkout.Prices // nil where nobody knows any
	// Sharing are the chains on which such an amount can be shared out in one transaction,
	// the preferred one first.
	Sharing []asset.ChainID
	Restamp Restamper // nil where there are no routes

	BaseURL              string // public origin, no trailing slash
	OpenSignup           bool   // a wallet that signs in for the first time becomes a merchant
	PlaceholderChecksums bool   // accept the wrong checksums of published examples
	Now                  func() time.Time
}

// Chains tells how far the watcher of a chain is.
type Chains interface {
	// Head returns the newest block number the watcher knows; ok is false while it knows
	// none.
	Head(chain asset.ChainID) (number uint64, ok bool)
	// Required returns how many confirmations make a block final.
	Required(chain asset.ChainID) int
}

// Store is what dialects read beside the checkout; *store.Store has it. Each dialect names
// the part that it uses.
type Store interface {
	Ledger
	merchant.Store
	merchant.Accounts
	Arrivals(ctx context.Context, q checkout.Search) (found []checkout.Arrival, total int, err error)
	Income(ctx context.Context, q checkout.IncomeQuery) (found []checkout.Income, total int, err error)
	List(ctx context.Context, l checkout.Listing) (found []*payment.Payment, total int, err error)
	Events(ctx context.Context, id payment.ID) ([]payment.Event, error)
	// Branch is where a merchant's deposit addresses come from. Fault: NotFound.
	Branch(ctx context.Context, m payment.MerchantID) (merchant.Branch, error)
	LinkSettings(ctx context.Context, m payment.MerchantID) (merchant.LinkSettings, error)
	// Secret is the key of a payment's webhooks, "" if it has none of its own.
	Secret(ctx context.Context, id payment.ID) (string, error)
	// BankAccount is the merchant's active one. Fault: NotFound.
	BankAccount(ctx context.Context, m payment.MerchantID) (merchant.BankAccount, error)
	Merchants(ctx context.Context) ([]merchant.Merchant, error)
}

// Stamped is a route's step that was stamped anew and proven.
type Stamped struct {
	Chain     asset.ChainID
	From      asset.Address
	Call      rail.Call
	Give      rail.Cost // what leaves the payer now
	ExpiresAt time.Time // when it is stale
	Deadline  time.Time // when the contracts refuse it, zero if they never do
	Raw       []byte    // the step as JSON, for the next time
}

// Restamper has the step of a route stamped anew and proves what comes back. The step is
// of the owner's smart account, unless that is zero.
//
// Faults: Invalid if the step makes no sense for the payment or the route is
// gone; Forbidden "unsafe" if what comes back does something else; Unavailable
// and Limited as the routing service is.
type Restamper func(ctx context.Context, p *payment.Payment, owner asset.Address, step []byte) (Stamped, error)
