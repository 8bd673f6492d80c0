// Package webtest runs the whole server in a test, without sockets of its own
// and on a chain that the test moves: HTTP requests go straight to the handler,
// payments go to the chain, and everything between is the real thing.
package webtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/merchant"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rate/market"
	"quittance/internal/store/storetest"
	"quittance/internal/userop/useroptest"
	"quittance/web"
	"quittance/web/apidoc/apidoctest"
)

// BaseURL is the public origin the server thinks it has.
const BaseURL = "https://pay.example.com"

// Confirmations make a block of the test's chain final.
const Confirmations = 3

// Payee gets the money of payments made with CreatePayment.
const Payee = "0x742d35Cc6634C0532925a3b844Bc454e4438f44e"

// World is a running server, its merchant and its chain, and with Options.Routing
// another chain and the service that routes between the two.
type World struct {
	App      *app.App
	Chain    *chaintest.Chain
	Second   *chaintest.Chain // "arbitrum-one"; nil without Routing and Deposits.Two
	Router   *lifitest.Router // nil without Routing
	APIKey   string
	Merchant payment.MerchantID

	Gas, GasSecond *useroptest.Stack // of the chains; nil without Gasless

	// Of Options.Deposits: the second source of prices, the merchant's secret key of the
	// SpacePay dialect, and the key that addresses are derived from.
	Market      *market.Market
	SpacePayKey string
	Branch      merchant.Branch

	// Of Options.Links: the merchant's token of the SecPaid dialect, and its bank account.
	SecPaidToken string
	Account      merchant.BankAccount

	Admin string // URL of what those who run the server ask, of Options.Admin

	t    testing.TB
	stop func()
}

// Stop stops the server in order before the test's end, for tests that start
// another one on its database.
func (w *World) Stop() { w.stop() }

// For is the same server for another test, such as one input of a fuzz target.
func (w *World) For(t testing.TB) *World {
	other := *w
	other.t = t
	return &other
}

// Options change what New builds.
type Options struct {
	Database  string // DSN; a temporary SQLite file if empty
	Endpoints []string
	Agree     int           // endpoints that must agree; 1 if zero
	Pins      official.Pins // code pins; the chain's real code if nil
	Code      []byte        // put in place of the ERC-20 fee proxy's code, if not empty

	FinalizedTag  bool             // wait for the chain's own finality
	Confirmations int              // that the server waits for; Confirmations if zero
	Chain         *chaintest.Chain // one that runs already; a new one if nil
	RPCKey        string           // put into the endpoints' URLs, as providers do
	Keys          [][]byte         // newest first; one fixed key if nil
	Log           *slog.Logger     // nothing is logged if nil
	Screening     app.ScreeningSetup
	Limits        web.Limits // none if empty
	OpenSignup    bool
	Proxies       []*net.IPNet

	// Routing adds the sandbox's other chain, and a router in the same process
	// over lifi.Sandbox. New waits until it offers routes, unless Router is set.
	Routing bool
	Router  *lifitest.Router // one that is set up already, such as to be down
	Second  *chaintest.Chain // one that runs already; a new one if nil

	// Safes puts the official Safe contracts onto new chains, and has Safes pay.
	Safes bool
	// SafeService answers as a Transaction Service, nil for none.
	SafeService http.Handler
	// Gasless has payers' gas paid for. New waits until it is, unless Down is set.
	Gasless *Gasless
	// Deposits has payments in dollars made to deposit addresses.
	Deposits *Deposits
	// Links has the merchant take payment links.
	Links          *Links
	FrameAncestors []string

	Admin    bool              // what those who run the server ask is at World.Admin
	Tracing  *app.TracingSetup // nothing is traced if nil
	LogLevel *slog.LevelVar    // from which Log logs
}

// New starts a server on a fresh chain; the test's end stops it and fails the
// test if it did not stop in order.
func New(t testing.TB) *World { return NewWith(t, Options{}) }

// NewWith is New with options.
func NewWith(t testing.TB, o Options) *World {
	t.Helper()
	w := &World{t: t, Chain: o.Chain}
	w.startChains(o)
	if o.Routing {
		if w.Router = o.Router; w.Router == nil {
			w.Router = lifitest.New(lifitest.Options{Table: lifi.Sandbox()})
		}
	}
	w.startGasless(o)
	w.startMarket(o)
	if o.Database == "" {
		o.Database = "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	}
	storetest.Prepare(t, o.Database)
	a, err := app.New(t.Context(), w.setup(o))
	if err != nil {
		t.Fatalf("build server: %v", err)
	}
	w.App = a
	w.listen(o)
	w.seed()
	w.seedDeposits(o)
	w.seedLinks(o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, nil) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server stopped with: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(w.stop)
	w.Await("the chain to be read", func() bool {
		return a.CaughtUp() && w.Get("/readyz").Status == http.StatusOK
	})
	if o.Routing && o.Router == nil {
		w.AwaitRoutes()
	}
	if o.Gasless != nil && !o.Gasless.Down {
		w.AwaitGas()
	}
	if o.Deposits != nil && !o.Deposits.NoKey {
		w.AwaitAddresses()
	}
	return w
}

// listen has the server answer those who run it.
func (w *World) listen(o Options) {
	w.t.Helper()
	if !o.Admin {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatalf("listen: %v", err)
	}
	w.App.WatchOn(l)
	w.Admin = "http://" + l.Addr().String()
}

// AwaitRoutes polls until the server offers routes from all tokens of both
// chains. It makes no payment for that.
func (w *World) AwaitRoutes() {
	w.t.Helper()
	payee, err := asset.ParseAddress(Payee)
	if err != nil {
		w.t.Fatalf("payee: %v", err)
	}
	now := time.Now().UTC()
	p := &payment.Payment{Terms: payment.Terms{CreatedAt: now, ExpiresAt: now.Add(time.Hour), Requests: []payment.Request{
		{Asset: "USDC-base", Due: big.NewInt(5_000_000), Payee: payee, Reference: "0x0123456789abcdef"},
	}}}
	p.Standing = payment.Assess(p.Terms, nil, nil, now)
	w.Await("routes to be offered", func() bool {
		ways, err := w.App.Checkout.Offers(w.t.Context(), p, rail.Payer{})
		return err == nil && len(ways) == 4 && len(w.App.Checkout.Missing(w.t.Context(), p)) == 0
	})
}

// Setup is what another server over the same chains is made of.
func (w *World) Setup(o Options) app.Setup { return w.setup(o) }

func (w *World) setup(o Options) app.Setup {
	w.t.Helper()
	chains, tokens := asset.Sandbox()
	running := []*chaintest.Chain{w.Chain, w.Second}
	if w.Second == nil {
		chains, running = chains[:1], running[:1]
	}
	tokens = slices.DeleteFunc(tokens, func(x asset.Token) bool { return w.Second == nil && x.Chain != chains[0].ID })
	book, err := asset.NewBook(chains, tokens)
	if err != nil {
		w.t.Fatalf("book: %v", err)
	}
	if o.Pins == nil {
		o.Pins = pins(w.t, chains, running)
	}
	registry, err := official.Default().WithPins(o.Pins)
	if err != nil {
		w.t.Fatalf("pins: %v", err)
	}
	if o.Keys == nil {
		o.Keys = [][]byte{bytes.Repeat([]byte{7}, 32)}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := app.Setup{
		BaseURL: BaseURL, Database: o.Database, Keys: o.Keys, Book: book, Registry: registry,
		AllowLoopback: true, Screening: o.Screening, Limits: o.Limits, OpenSignup: o.OpenSignup, Proxies: o.Proxies, FrameAncestors: o.FrameAncestors, Safe: o.safes(), Gasless: w.gasless(o), Deposits: w.deposits(o), Tracing: o.Tracing, LogLevel: o.LogLevel, Log: o.Log,
	}
	for i, c := range running {
		endpoints := []chain.Endpoint{{URL: c.URL() + "/" + o.RPCKey}}
		if i == 0 {
			for _, u := range o.Endpoints {
				endpoints = append(endpoints, chain.Endpoint{URL: u})
			}
		}
		s.Chains = append(s.Chains, app.ChainSetup{
			ID: chains[i].ID, Endpoints: endpoints, PublicRPC: []string{"https://rpc.example.com"},
			Confirmations: cmp.Or(o.Confirmations, Confirmations), FinalizedTag: o.FinalizedTag, Agree: max(o.Agree, 1), StartBlock: 1, Interval: 20 * time.Millisecond,
		})
	}
	if w.Router != nil {
		s.Routing = &app.RoutingSetup{Service: lifi.Config{Table: lifi.Sandbox(), Transport: lifitest.Transport{Router: w.Router}}}
	}
	return s
}

func (w *World) seed() {
	w.t.Helper()
	ctx, now := w.t.Context(), time.Now().UTC()
	w.Merchant = payment.MerchantID(payment.NewULID(now))
	if err := w.App.Store.InsertMerchant(ctx, merchant.Merchant{ID: w.Merchant, Name: "Test <Store> & Sons", CreatedAt: now}); err != nil {
		w.t.Fatalf("insert merchant: %v", err)
	}
	w.APIKey = w.AddKey(w.Merchant)
}

// AddKey makes an API key for a merchant.
func (w *World) AddKey(m payment.MerchantID) string {
	w.t.Helper()
	secret := merchant.NewSecret(merchant.APIKey, true)
	err := w.App.Store.InsertCredential(w.t.Context(), merchant.Credential{
		ID: payment.NewULID(time.Now()), Merchant: m, Kind: merchant.APIKey, Hash: merchant.HashSecret(secret), Hint: merchant.Hint(secret), CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		w.t.Fatalf("insert key: %v", err)
	}
	return secret
}

// AddMerchant makes another merchant and returns its API key.
func (w *World) AddMerchant(name string) string {
	w.t.Helper()
	return w.AddMerchantWith(merchant.Merchant{Name: name})
}

// AddMerchantWith is AddMerchant with settings; it makes the id.
func (w *World) AddMerchantWith(m merchant.Merchant) string {
	w.t.Helper()
	m.CreatedAt = time.Now().UTC()
	m.ID = payment.MerchantID(payment.NewULID(m.CreatedAt))
	if err := w.App.Store.InsertMerchant(w.t.Context(), m); err != nil {
		w.t.Fatalf("insert merchant: %v", err)
	}
	return w.AddKey(m.ID)
}

// AddEndpoint registers a webhook endpoint of the merchant.
func (w *World) AddEndpoint(url, secret string) {
	w.t.Helper()
	now := time.Now().UTC()
	e := merchant.Endpoint{ID: payment.NewULID(now), Merchant: w.Merchant, URL: url, Secret: secret, Active: true, CreatedAt: now}
	if err := w.App.Store.InsertEndpoint(w.t.Context(), e); err != nil {
		w.t.Fatalf("insert endpoint: %v", err)
	}
}

// Response is an answer, read completely.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	t testing.TB
}

// JSON decodes the body into a map.
func (r Response) JSON() map[string]any {
	r.t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.Body, &v); err != nil {
		r.t.Fatalf("status %d, not JSON: %v\n%s", r.Status, err, r.Body)
	}
	return v
}

// Want fails the test unless the status is as expected.
func (r Response) Want(status int) Response {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("got status %d, want %d\n%s", r.Status, status, r.Body)
	}
	return r
}

// Do sends a request. Headers are "Name: value".
func (w *World) Do(method, path, body string, headers ...string) Response {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	if body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	rec := httptest.NewRecorder()
	w.App.Server.ServeHTTP(rec, r)
	b, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		w.t.Fatalf("read answer: %v", err)
	}
	documented(w.t, r, body, rec, b)
	return Response{Status: rec.Code, Header: rec.Result().Header, Body: b, t: w.t}
}

// versioned are the paths of dialects, which have versions; pages have none.
var versioned = regexp.MustCompile(`^/(api/)?v[0-9]+/`)

// documented fails the test if the API document has something against an answer,
// or against a request that succeeded: whatever a test is about, what it provokes
// must be described. Preflights and what is no operation are not in it.
func documented(t testing.TB, r *http.Request, sent string, rec *httptest.ResponseRecorder, body []byte) {
	t.Helper()
	method, path := r.Method, r.URL.Path
	if _, measured := t.(*testing.B); measured {
		return
	}
	if !versioned.MatchString(path) {
		return
	}
	contract, err := apidoctest.Load()
	if err != nil {
		t.Fatal(err)
	}
	if contract.Find(method, path) == "" && (method == http.MethodOptions || rec.Code == http.StatusNotFound || rec.Code == http.StatusMethodNotAllowed) {
		return
	}
	if _, err := contract.Response(method, path, rec.Code, rec.Result().Header, body); err != nil {
		t.Errorf("%s %s: %v", method, path, err)
	}
	if taken(r, rec.Code, body) {
		if err := contract.Request(method, path, []byte(sent)); err != nil {
			t.Errorf("%s %s was taken: %v\n%.600s", method, path, err, sent)
		}
	}
}

// taken reports whether an answer is to a request in JSON that was fine. The SecPaid dialect
// has the same status for one that was not, and takes forms as well.
func taken(r *http.Request, status int, answer []byte) bool {
	media := r.Header.Get("Content-Type")
	return status < 300 && !bytes.Contains(answer, []byte(`"ResponseCode":0`)) && (media == "" || strings.HasPrefix(media, "application/json"))
}

// Get asks for a page without credentials.
func (w *World) Get(path string, headers ...string) Response {
	w.t.Helper()
	return w.Do(http.MethodGet, path, "", headers...)
}

// API calls the Request dialect with the merchant's key.
func (w *World) API(method, path, body string, headers ...string) Response {
	w.t.Helper()
	return w.Do(method, path, body, append(headers, "X-Api-Key: "+w.APIKey)...)
}

// CreatePayment makes a payment of an amount in USDC and returns its token.
func (w *World) CreatePayment(amount string) string {
	w.t.Helper()
	return w.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":%q}]}`, Payee, amount))
}

// Create makes a payment from a body and returns its token.
func (w *World) Create(body string) string {
	w.t.Helper()
	token, _ := w.API(http.MethodPost, "/v2/secure-payments", body).Want(http.StatusCreated).JSON()["token"].(string)
	return token
}

// Load reads a payment.
func (w *World) Load(token string) *payment.Payment {
	w.t.Helper()
	p, err := w.App.Checkout.Payment(w.t.Context(), payment.ID(token))
	if err != nil {
		w.t.Fatalf("load payment: %v", err)
	}
	return p
}

// PayOnChain pays units (base units) of a payment's asset by the official
// contract and returns the transaction's hash. It bypasses the page.
func (w *World) PayOnChain(from *chaintest.Wallet, token string, units int64) string {
	w.t.Helper()
	r := w.Load(token).Terms.Requests[0]
	asset, _ := w.App.Checkout.Book().Token(r.Asset)
	ref, err := official.ParseReference(r.Reference)
	if err != nil {
		w.t.Fatalf("reference: %v", err)
	}
	amount, fee, feePayee := big.NewInt(units), r.FeeAmount(), ""
	if r.Fee != nil {
		feePayee = r.Fee.Payee.String()
	}
	if asset.Native {
		return from.PayETH(ref[:], r.Payee.String(), amount, fee, feePayee)
	}
	return from.PayERC20(ref[:], asset.Address.String(), r.Payee.String(), amount, fee, feePayee)
}

// Await polls until ok, and fails the test after a minute.
func (w *World) Await(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited too long for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// AwaitState polls until a payment is in a state.
func (w *World) AwaitState(token string, want payment.State) *payment.Payment {
	w.t.Helper()
	var p *payment.Payment
	w.Await(fmt.Sprintf("state %s", want), func() bool {
		p = w.Load(token)
		return p.Standing.State == want
	})
	return p
}

// Answer is an answer that came over another way than Do, for the same questions.
func Answer(t testing.TB, status int, h http.Header, body []byte) Response {
	return Response{Status: status, Header: h, Body: body, t: t}
}
