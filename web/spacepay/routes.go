package spacepay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web"
)

// Life is how long a payment may be paid, unless its merchant's key says otherwise.
const Life = time.Hour

// Payments lists payments; *store.Store does. They come as they are stored.
type Payments interface {
	List(ctx context.Context, l checkout.Listing) (found []*payment.Payment, total int, err error)
}

// Branches knows where merchants' deposit addresses come from; *store.Store does.
type Branches interface {
	Branch(ctx context.Context, m payment.MerchantID) (merchant.Branch, error)
}

// config is what the dialect is made of.
type config struct {
	Server    *web.Server
	Checkout  *checkout.Service
	Directory *merchant.Directory
	Payments  Payments
	Ledger    web.Ledger
	Branches  Branches
	// Assets are what payments can be paid in, in order; none where nothing is set up for
	// them: then no payment is made.
	Assets []asset.ID
	Prices checkout.Prices // nil where nobody knows any
	Chains web.Chains
	Limits *web.Limiter
	// Nudge asks the watcher of a chain to look at once. It does not block.
	Nudge func(asset.ChainID)
	// Subscribe wakes whoever waits for a payment's change.
	Subscribe func(payment.ID) (<-chan struct{}, func())
	BaseURL   string // public origin, no trailing slash
	Now       func() time.Time
}

// dialect is the handlers.
type dialect struct {
	config
	words
	api     *web.API
	enabled []listed // in the order of Assets
	running web.Running
}

// The paths, as their documentation names them.
const (
	external    = "/v1/external"
	backendPath = external + "/secretkey-auth/payments"
	clientPath  = external + "/payment-secret-auth/payments/:paymentId"
)

// mount adds the dialect's routes.
func mount(cfg config) {
	d := &dialect{config: cfg, words: words{book: cfg.Checkout.Book(), chains: cfg.Chains}}
	d.api = d.Server.API(d.fault, external)
	for _, id := range cfg.Assets {
		if of, err := d.asset(id); err == nil {
			d.enabled = append(d.enabled, of)
		}
	}
	d.backend(http.MethodPost, backendPath, d.create)
	d.backend(http.MethodGet, backendPath, d.list)
	d.backend(http.MethodGet, backendPath+"/:paymentId", d.show)
	d.backend(http.MethodPost, backendPath+"/:paymentId/cancel", d.cancel)
	d.anywhere(http.MethodGet, clientPath, d.look)
	d.anywhere(http.MethodGet, clientPath+"/status", d.status)
	d.anywhere(http.MethodGet, clientPath+"/quotes", d.active)
	d.anywhere(http.MethodPost, clientPath+"/quotes", d.requote)
	d.anywhere(http.MethodPost, clientPath+"/refresh-status", d.refresh)
	d.anywhere(http.MethodGet, external+"/chains", d.listChains)
	d.anywhere(http.MethodGet, external+"/chains/:chainId", d.showChain)
	d.anywhere(http.MethodGet, external+"/tokens", d.listTokens)
	d.anywhere(http.MethodGet, external+"/tokens/:tokenId", d.showToken)
	d.anywhere(http.MethodGet, "/v1", d.alive)
}

// backend adds an operation that pages of other origins cannot call: a secret key has no
// place in a browser.
func (d *dialect) backend(method, path string, h echo.HandlerFunc) { d.api.Add(method, path, h) }

// anywhere adds an operation that pages of all origins may call: it needs no credential,
// or one that the browser does not send by itself.
func (d *dialect) anywhere(method, path string, h echo.HandlerFunc) {
	d.api.Add(method, path, h, open)
	d.api.Preflight(path, preflight)
}

// answer sends a body.
func answer(c echo.Context, status int, body any) error {
	b, err := encode(body)
	if err != nil {
		return err
	}
	return web.JSON(c, status, b)
}

// encode writes a body with the characters of URLs as they are.
func encode(body any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
