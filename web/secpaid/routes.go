package secpaid

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web"
)

// Payments lists payments and what came in for them; *store.Store does. They come as they
// are stored.
type Payments interface {
	List(ctx context.Context, l checkout.Listing) (found []*payment.Payment, total int, err error)
	Income(ctx context.Context, q checkout.IncomeQuery) (found []checkout.Income, total int, err error)
	Events(ctx context.Context, id payment.ID) ([]payment.Event, error)
}

// Accounts knows what merchants have set for links, and who there is; *store.Store does.
type Accounts interface {
	LinkSettings(ctx context.Context, m payment.MerchantID) (merchant.LinkSettings, error)
	// BankAccount is the merchant's active one. Fault: NotFound.
	BankAccount(ctx context.Context, m payment.MerchantID) (merchant.BankAccount, error)
	Merchants(ctx context.Context) ([]merchant.Merchant, error)
}

// config is what the dialect is made of.
type config struct {
	Server    *web.Server
	Checkout  *checkout.Service
	Directory *merchant.Directory
	Payments  Payments
	Accounts  Accounts
	Ledger    web.Ledger
	// Networks are the chains that links can be split on, the preferred one first: those
	// with the official batch contract.
	Networks []asset.ChainID
	Guard    *webhook.Guard // judges the URLs that the server itself calls
	Limits   *web.Limiter
	BaseURL  string // public origin, no trailing slash
	Now      func() time.Time
}

// dialect is the handlers.
type dialect struct {
	config
	running web.Running
	users   users
}

// prefix is where the API is, as its documentation has it.
const prefix = "/api/v2"

// mount adds the dialect's routes.
func mount(cfg config) {
	d := &dialect{config: cfg}
	api := d.Server.API(d.fault, prefix)
	for name, h := range map[string]func(echo.Context, call) error{
		"createLink": d.createLink, "createSplitLink": d.createSplitLink, "getMyUnusedLinks": d.unusedLinks, "getMyUsedLinks": d.usedLinks,
		"deleteLink": d.deleteLink, "getPayInTransactions": d.transactions, "confirmBankTransfer": d.confirm,
	} {
		api.Add(http.MethodPost, prefix+"/"+name, d.serve(h))
	}
}

// call is a request whose merchant is known and whose fields were read.
type call struct {
	merchant payment.MerchantID
	in       input
}

// maxBody bounds a body, in bytes: all fields at their longest, and room for more.
const maxBody = 64 << 10

// serve finds out who calls, and reads the fields, in this order.
func (d *dialect) serve(h func(echo.Context, call) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		m, err := d.merchant(c)
		if err != nil {
			return err
		}
		body, err := web.Bytes(c, maxBody)
		if err != nil {
			return err
		}
		in, err := parseInput(c.Request().Header.Get(echo.HeaderContentType), body)
		if err != nil {
			return err
		}
		return h(c, call{m, in})
	}
}

// answer sends a body.
func answer(c echo.Context, status int, body any) error {
	b, err := encode(body)
	if err != nil {
		return err
	}
	return web.JSON(c, status, b)
}

// fault answers with an error.
func (d *dialect) fault(c echo.Context, f *fault.Error) error {
	web.SayWhen(c, f, f.Kind == fault.Locked)
	return answer(c, statusOf(f), refused(f, d.Now()))
}
