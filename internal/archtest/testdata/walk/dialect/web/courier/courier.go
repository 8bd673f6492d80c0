// Package courier is the skeleton of a dialect: one resource with its credential, one webhook
// and the table of faults. It knows what every dialect has to know, and nothing that only
// some do: whoever writes the next one begins here.
package courier

import (
	"math/big"
	"net/http"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web"
)

// Name is stored with payments and endpoints: it never changes.
const Name = "courier"

// Spoken is the dialect, for the server to speak.
func Spoken() web.Dialect {
	return web.Dialect{Name: Name, Encoder: func(web.Wiring) webhook.Encoder { return encoder{} }, Mount: mount}
}

// dialect is the handlers.
type dialect struct{ web.Wiring }

func mount(w web.Wiring) {
	d := dialect{w}
	api := d.Server.API(refuse, "/v3")
	api.Add(http.MethodPost, "/v3/payments", d.create)
	api.Add(http.MethodGet, "/v3/payments/:token", d.show)
}

type paymentWire struct {
	Token string `json:"token"`
	State string `json:"state"`
}

// merchant is who calls.
func (d dialect) merchant(c echo.Context) (payment.MerchantID, error) {
	who, err := d.Directory.Authenticate(c.Request().Context(), merchant.APIKey, c.Request().Header.Get("X-Courier-Key"))
	return who.Merchant, err
}

type createWire struct {
	Payee string `json:"payee"`
	Asset string `json:"asset"`
	Units int64  `json:"units"` // base units
}

// create makes a payment of one amount.
func (d dialect) create(c echo.Context) error {
	m, err := d.merchant(c)
	if err != nil {
		return err
	}
	body, err := web.Body(c, 4<<10)
	if err != nil {
		return err
	}
	var in createWire
	if err := web.Decode(body, &in); err != nil {
		return err
	}
	of, known := d.Book.Token(asset.ID(in.Asset))
	payee, err := asset.ParseAddress(in.Payee)
	if !known || err != nil {
		return fault.Field("asset", "invalid_payment", "A payment has a known asset and a payee.")
	}
	var made paymentWire
	_, _, err = d.Checkout.Create(c.Request().Context(), checkout.Draft{
		Merchant: m, Dialect: Name, Requests: []checkout.DraftRequest{{Payee: payee, Token: of, Amount: big.NewInt(in.Units)}},
	}, nil, func(p *payment.Payment) (checkout.Answer, error) {
		made = paymentWire{string(p.ID), string(p.Standing.State)}
		return checkout.Answer{}, nil
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, made)
}

// show answers for one of the merchant's own payments.
func (d dialect) show(c echo.Context) error {
	m, err := d.merchant(c)
	if err != nil {
		return err
	}
	p, err := d.Checkout.Payment(c.Request().Context(), payment.ID(c.Param("token")))
	if err == nil && p.Terms.Merchant != m {
		err = fault.New(fault.NotFound, "no_payment", "There is no such payment.")
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, paymentWire{c.Param("token"), string(p.Standing.State)})
}

// refuse is the dialect's one table from faults to answers.
func refuse(c echo.Context, f *fault.Error) error {
	return c.JSON(web.Status(f), map[string]string{"error": f.Code, "text": f.Public})
}
