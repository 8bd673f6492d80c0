//go:build !nosandbox

package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/url"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/merchant"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/safe"
	"quittance/internal/sandbox"
	"quittance/templates"
	"quittance/web/request"
)

// DemoConfig is what `quittance demo` can be told.
type DemoConfig struct {
	Listen     string // host:port, port 0 picks a free one
	DataDir    string // "" keeps nothing
	WebhookURL string // "" for none besides the demo's own receiver
	Account    string // the kind of smart account, one of SmartAccounts; the first if empty
	// DepositLife is how long payments in dollars may be paid, 0 for the dialect's default.
	DepositLife time.Duration
	JSON        bool // print one line of JSON when ready, and nothing else
	Out         io.Writer
	Log         *slog.Logger
}

// demoConfirmations make a sandbox block final: three seconds of suspense.
const demoConfirmations = 3

// Demo runs the whole product in one process until ctx ends.
func Demo(ctx context.Context, cfg DemoConfig) (err error) {
	cfg.Account = cmp.Or(cfg.Account, SmartAccounts[0])
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	closers := []func() error{}
	defer func() {
		for i := len(closers) - 1; i >= 0; i-- {
			err = errors.Join(err, closers[i]())
		}
	}()
	kept, err := openKept(cfg.DataDir)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	closers = append(closers, kept.stopped)
	chains, err := demoChains(ctx, cfg, kept)
	if err != nil {
		return errors.Join(fmt.Errorf("start sandbox: %w", err), l.Close())
	}
	closers = append(closers, chains.Close)
	routing, err := chains.StartRouting(sandbox.RoutingOptions{Behaviour: sandbox.BridgeBehaviour{Delay: sandbox.DefaultDelay}, Logger: cfg.Log})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	closers = append(closers, routing.Close)
	gateways, err := chains.StartGateways()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	closers = append(closers, gateways.Close)
	prices, err := sandbox.StartPrices()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	closers = append(closers, prices.Close)
	s, err := demoSetup(cfg, kept, demoWorld{chains, routing, gateways, prices}, "http://"+l.Addr().String())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	a, err := New(ctx, s)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	closers = append(closers, a.Close)
	// Before anything runs: keys that are there at the start have their addresses at once.
	if err := seed(ctx, a, cfg, kept, s.BaseURL); err != nil {
		return errors.Join(fmt.Errorf("seed demo merchant: %w", err), l.Close())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, l) }()
	if err := demoReady(ctx, a, cfg, kept, chains, s); err != nil && ctx.Err() == nil {
		cancel(err)
		return errors.Join(err, <-done)
	}
	return <-done
}

// demoChains starts the sandbox. Chains that another version of the demo has
// kept cannot be opened, and what happened on them is of no use to anybody.
func demoChains(ctx context.Context, cfg DemoConfig, kept *kept) (*sandbox.Chains, error) {
	o := sandbox.Options{DataDir: kept.chainDir(), FinalityDepth: demoConfirmations, Logger: cfg.Log}
	chains, err := sandbox.Start(ctx, o)
	if !errors.Is(err, sandbox.ErrGenesis) {
		return chains, err
	}
	if err := kept.forget(); err != nil {
		return nil, err
	}
	return sandbox.Start(ctx, o)
}

// demoWorld is what the demo runs on.
type demoWorld struct {
	chains   *sandbox.Chains
	routing  *sandbox.Routing
	gateways *sandbox.Gateways
	prices   *sandbox.Prices
}

func demoSetup(cfg DemoConfig, kept *kept, world demoWorld, baseURL string) (Setup, error) {
	chains, routing := world.chains, world.routing
	table, tokens := asset.Sandbox()
	for i := range table {
		table[i].Explorer = baseURL + "/sandbox/explorer/" + table[i].Network
	}
	book, err := asset.NewBook(table, tokens)
	if err != nil {
		return Setup{}, fmt.Errorf("sandbox tokens: %w", err)
	}
	pins := official.Pins{}
	var reads []ChainSetup
	for _, c := range chains.All() {
		id := asset.ChainID(c.ChainID)
		pins[id] = map[official.Kind]official.Hash{}
		for _, k := range official.Default().Contracts(id) {
			text, ok := c.RuntimeHash(k.Address.String())
			if !ok {
				return Setup{}, fmt.Errorf("the sandbox has no contract at %s", k.Address)
			}
			if pins[id][k.Kind], err = official.ParseHash(text); err != nil {
				return Setup{}, fmt.Errorf("sandbox contract %s: %w", k.Kind, err)
			}
		}
		reads = append(reads, ChainSetup{
			ID: id, Endpoints: []chain.Endpoint{{Transport: c.Line, Name: "sandbox " + c.Network}},
			PublicRPC: []string{baseURL + "/sandbox/rpc/" + c.Network}, Confirmations: demoConfirmations, Agree: 1,
			StartBlock: 1, Interval: 250 * time.Millisecond,
		})
	}
	ids := slices.Collect(maps.Keys(pins))
	registry, err := official.Default().WithPins(pins)
	if err != nil {
		return Setup{}, fmt.Errorf("sandbox contracts: %w", err)
	}
	list, err := demoList(kept)
	if err != nil {
		return Setup{}, err
	}
	view, err := safeView(book, chains, baseURL)
	if err != nil {
		return Setup{}, fmt.Errorf("the Safe app: %w", err)
	}
	gas, err := demoGasless(cfg.Account, chains, world.gateways)
	if err != nil {
		return Setup{}, err
	}
	deposits, err := demoDeposits(chains, world.prices)
	if err != nil {
		return Setup{}, err
	}
	return Setup{
		BaseURL: baseURL, Database: "sqlite:" + kept.path("quittance.db"), Keys: [][]byte{kept.Key}, Book: book, Registry: registry,
		Routing: &RoutingSetup{Service: lifi.Config{BaseURL: routing.URL, Table: routing.Table, Bridges: []string{lifi.BridgeAcross}}},
		Safe:    &SafeSetup{Table: safe.At(ids...)},
		Gasless: gas, Deposits: deposits,
		Chains: reads, Screening: ScreeningSetup{List: list}, Placeholders: true, AllowLoopback: true, SandboxScript: true, Limits: demoLimits, OpenSignup: true, Log: cfg.Log,
		Mount:          func(a *App, assets templates.Assets) { mountSandbox(a, assets, world, view, kept) },
		FrameAncestors: []string{safeOrigin(baseURL)},
	}, nil
}

// demoReady seeds the merchant, waits until everything is read, and prints
// where to go.
func demoReady(ctx context.Context, a *App, cfg DemoConfig, kept *kept, chains *sandbox.Chains, setup Setup) error {
	baseURL := setup.BaseURL
	link, err := demoPayment(ctx, a, kept, baseURL)
	if err != nil {
		return fmt.Errorf("create demo payment: %w", err)
	}
	payer, _ := chains.Payer()
	samples, err := makeSamples(ctx, a, kept, payer, baseURL)
	if err != nil {
		return fmt.Errorf("create sample payments: %w", err)
	}
	if samples.Deposit, err = demoDeposit(ctx, a, kept, baseURL); err != nil {
		return fmt.Errorf("create a payment at a quote: %w", err)
	}
	if samples.Link, samples.Split, err = demoLinks(ctx, a, kept); err != nil {
		return fmt.Errorf("create payment links: %w", err)
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !a.CaughtUp() || !paysGas(a, setup) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
		}
	}
	d := describe(kept, chains, baseURL, link)
	d.Samples, d.RefusedWallet = samples, demoRefused.String()
	var networks []string
	for _, c := range chains.All() {
		networks = append(networks, c.Network)
	}
	if d.ConfigFile, err = kept.configure(baseURL, networks); err != nil {
		return err
	}
	if d.Saver, err = describeSaver(cfg.Account, chains, setup.Gasless); err != nil {
		return err
	}
	d.Sandbox = demoControls{RouterURL: baseURL + routerPath, BridgeURL: baseURL + bridgePath, ChainsURL: baseURL + chainsPath, BundlerURL: baseURL + bundlerPath, SaverURL: baseURL + saverPath,
		PricesURL: baseURL + pricesControl, FeedsURL: baseURL + feedsControlPath, ExchangeURL: baseURL + exchangePath,
		BankURL: baseURL + bankPath, StatementURL: baseURL + statementPath, Safe: describeSafe(chains.Safe(), baseURL)}
	if cfg.JSON {
		b, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		_, err = fmt.Fprintf(cfg.Out, "%s\n", b)
		return err
	}
	s := d.Sandbox.Safe
	_, err = fmt.Fprintf(cfg.Out, demoText, link, samples.Deposit, samples.Link, d.Sandbox.BankURL, samples.Split, s.AppURL+"?app="+url.QueryEscape(link), s.Threshold, len(s.Owners), s.Address, samples.Crosschain, samples.Batch, samples.Private, samples.Payout, baseURL, d.Merchant.APIKey, d.Merchant.SpacePaySecretKey, d.Merchant.SecPaidToken, d.Payer.Address, d.Payer.PrivateKey, d.Saver.Address, baseURL, baseURL, d.ConfigFile, d.Sandbox.BridgeURL, baseURL, baseURL, baseURL)
	return err
}

const demoText = `
Quittance demo: the whole checkout in one process, on sandbox chains. No real money.

  Pay this:       %s
                  (choose "Sandbox wallet" on the page; no wallet has to be installed)
  At a quote:     %s
                  (25 dollars in any of six currencies, to an address of its own, from anywhere)
  A payment link: %s
                  (49.99 euros at a quote, or by a bank transfer that you play at %s)
  A shared one:   %s
                  (30 euros, 40 percent of them for the bakery next door, in one transaction)
  From a Safe:    %s
                  (needs %d of the %d owners of %s; you play them all)
  From elsewhere: %s
                  (due in USDC on Base: the sandbox wallet also holds USDT and USDC on Arbitrum)
  A batch:        %s
  A private one:  %s
  A payout:       %s

  API:            %s/v2/secure-payments
  API key:        %s
  SpacePay key:   %s
  SecPaid token:  %s
  Payer:          %s
  Payer's key:    %s
  Without gas:    %s
                  (has tokens and no native coins: choose "Sandbox wallet without gas")
  Webhooks sent:  %s/sandbox/webhooks
  Page states:    %s/storybook
  Operator:       quittance --config %s sweep list
  What goes wrong between chains is up to you: PUT %s (see docs/sandbox.md)

  Create another payment:

    curl -s %s/v2/secure-payments -H "x-api-key: $API_KEY" -H "content-type: application/json" \
      -d '{"requests":[{"amount":"12.50"}],"reference":"ORDER-1002"}'

  And one in dollars, in SpacePay's words:

    curl -s %s/v1/external/secretkey-auth/payments -H "X-SpacePay-Secret-Key: $SPACEPAY_KEY" -H "content-type: application/json" \
      -H "Idempotency-Key: order_123" -d '{"orderId":"order_123","amount":100,"currency":"USD","redirectUrl":"https://merchant.example.com/checkout/success","customMetadata":"{\"cartId\":\"abc123\",\"promo\":\"SUMMER24\"}"}'

  And a payment link in euros, in SecPaid's:

    curl -s -X POST %s/api/v2/createLink -H "token: $SECPAID_TOKEN" -H "Content-Type: application/json" \
      -d '{"amount": 49.99, "recipient_note": "Invoice #1234", "cancellable": true}'

Press Ctrl-C to stop.
`

// demoPayee receives the seeded merchant's money; nobody has its key.
var demoPayee = asset.Address{0xde, 0xad, 0xbe, 0xef, 0x0d, 0xe1, 0x10, 0x5a, 0x1e, 0x57, 0x0c, 0x0f, 0xfe, 0xe5, 0x40, 0x9b, 0xea, 0x25, 0x0d, 0x01}

// seed makes the demo's merchant unless the data directory has it, and its
// endpoints anew: the port may have changed.
func seed(ctx context.Context, a *App, cfg DemoConfig, kept *kept, baseURL string) error {
	_, err := a.Store.Merchant(ctx, kept.MerchantID)
	if fault.Is(err, fault.NotFound) {
		err = seedMerchant(ctx, a, kept, baseURL)
	}
	if err == nil {
		err = seedBranch(ctx, a, kept.MerchantID, cfg.DepositLife)
	}
	if err == nil {
		err = seedLinks(ctx, a, kept, baseURL)
	}
	if err != nil {
		return err
	}
	old, err := a.Store.Endpoints(ctx, kept.MerchantID)
	if err != nil {
		return err
	}
	for _, e := range old {
		if err := a.Store.DeleteEndpoint(ctx, kept.MerchantID, e.ID); err != nil {
			return err
		}
	}
	urls := []string{baseURL + webhooksPath}
	if cfg.WebhookURL != "" {
		urls = append(urls, cfg.WebhookURL)
	}
	for _, u := range urls {
		if err := a.Guard.Check(u); err != nil {
			return fmt.Errorf("webhook URL %s: %w", u, err)
		}
		now := time.Now().UTC()
		e := merchant.Endpoint{ID: payment.NewULID(now), Merchant: kept.MerchantID, URL: u, Secret: kept.WebhookSecret, Active: true, CreatedAt: now}
		if err := a.Store.InsertEndpoint(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func seedMerchant(ctx context.Context, a *App, kept *kept, baseURL string) error {
	now := time.Now().UTC()
	if err := a.Store.InsertMerchant(ctx, merchant.Merchant{ID: kept.MerchantID, Name: demoName, CreatedAt: now}); err != nil {
		return err
	}
	for kind, secret := range map[merchant.CredentialKind]string{
		merchant.APIKey: kept.APIKey, merchant.ClientID: kept.ClientID,
		merchant.SpacePaySecret: kept.SpacePaySecret, merchant.SecPaidToken: kept.SecPaidToken,
	} {
		c := merchant.Credential{
			ID: payment.NewULID(now), Merchant: kept.MerchantID, Kind: kind, Hash: merchant.HashSecret(secret), Hint: merchant.Hint(secret),
			Label: "demo", CreatedAt: now,
		}
		if kind == merchant.ClientID {
			c.Public, c.Origins = secret, []string{baseURL}
		}
		if err := a.Store.InsertCredential(ctx, c); err != nil {
			return err
		}
	}
	_, tokens := asset.Sandbox()
	dest := asset.Destination{Wallet: demoPayee, Chain: tokens[0].Chain, Token: tokens[0].Address}
	return a.Store.InsertDestination(ctx, merchant.Destination{ID: payment.NewULID(now), Merchant: kept.MerchantID, To: dest, Active: true, CreatedAt: now})
}

// demoPayment makes a payment to look at and returns its URL.
func demoPayment(ctx context.Context, a *App, kept *kept, baseURL string) (string, error) {
	token, ok := a.Checkout.Book().Token("USDC-base")
	if !ok {
		return "", errors.New("the sandbox has no USDC-base")
	}
	return demoLink(ctx, a, checkout.Draft{
		Merchant: kept.MerchantID, Dialect: request.Name, Reference: "ORDER-1001",
		Requests: []checkout.DraftRequest{{Payee: demoPayee, Token: token, Amount: big.NewInt(24_500_000)}},
	}, baseURL)
}

// demoLine is what `quittance demo --json` prints; its shape is documented.
type demoLine struct {
	BaseURL          string       `json:"baseUrl"`
	Merchant         demoMerchant `json:"merchant"`
	Payer            demoPayer    `json:"payer"`
	Saver            demoSaver    `json:"saver"`
	Chains           []demoChain  `json:"chains"`
	SecurePaymentURL string       `json:"securePaymentUrl"`
	Samples          demoSamples  `json:"samples"`
	RefusedWallet    string       `json:"refusedWallet"` // the one that the demo's screening refuses
	Sandbox          demoControls `json:"sandbox"`
	// ConfigFile lets the operator's commands work on this demo: `quittance --config FILE sweep list`.
	ConfigFile string `json:"configFile"`
}

// demoControls are where the demo's world is told how to behave: PUT and GET.
type demoControls struct {
	RouterURL string `json:"routerUrl"` // what the routing service answers
	BridgeURL string `json:"bridgeUrl"` // what becomes of money between the chains
	ChainsURL string `json:"chainsUrl"` // followed by "/" and a network: the server's line to it, and its blocks
	// BundlerURL is followed by "/" and a network, too: the bundler and the sponsor of gas.
	BundlerURL string `json:"bundlerUrl"`
	SaverURL   string `json:"saverUrl"`  // and this: the wallet of the payer without native coins
	PricesURL  string `json:"pricesUrl"` // what the price API says
	FeedsURL   string `json:"feedsUrl"`  // followed by "/" and a network: what its price feeds say
	// ExchangeURL is followed by "/" and a network: POST has the exchange pay out there.
	ExchangeURL string `json:"exchangeUrl"`
	// BankURL is a page on which links are paid by bank transfers, and BankURL + "/import"
	// takes statements; StatementURL writes them.
	BankURL      string `json:"bankUrl"`
	StatementURL string `json:"statementUrl"`

	Safe demoSafe `json:"safe"`
}

// demoSafe is the multisig account of the demo, the same on every chain.
type demoSafe struct {
	Address   string   `json:"address"`
	Version   string   `json:"version"`
	Owners    []string `json:"owners"` // the payer first
	Threshold int      `json:"threshold"`
	// AppURL is the Safe app; with "?app=" and a payment's link it opens that. Programs
	// ask below it: see docs/sandbox.md.
	AppURL string `json:"appUrl"`
}

func describeSafe(s *sandbox.Safe, baseURL string) demoSafe {
	return demoSafe{Address: s.Address, Version: string(sandbox.SafeVersion), Owners: s.Owners, Threshold: s.Threshold(), AppURL: safeOrigin(baseURL) + safePath}
}

type demoMerchant struct {
	ID                string `json:"id"` // that the operator's commands take
	APIKey            string `json:"apiKey"`
	ClientID          string `json:"clientId"`
	AllowedOrigin     string `json:"allowedOrigin"`
	WebhookSecret     string `json:"webhookSecret"`
	SpacePaySecretKey string `json:"spacepaySecretKey"`
	SecPaidToken      string `json:"secpaidToken"`

	Deposit demoKey     `json:"deposit"`
	Bank    demoAccount `json:"bank"`    // where bank transfers go
	Partner demoPeer    `json:"partner"` // whom links can be shared with
}

type demoPayer struct {
	Address    string `json:"address"`
	PrivateKey string `json:"privateKey"`
}

type demoChain struct {
	Name      string               `json:"name"`
	Network   string               `json:"network"`
	ChainID   uint64               `json:"chainId"`
	RPCURL    string               `json:"rpcUrl"`
	Tokens    map[string]demoToken `json:"tokens"`
	Contracts demoContracts        `json:"contracts"`
}

type demoToken struct {
	Address  string `json:"address"`
	Decimals int    `json:"decimals"`
}

type demoContracts struct {
	ERC20FeeProxy string `json:"erc20FeeProxy"`
	EthFeeProxy   string `json:"ethFeeProxy"`
	BatchPayments string `json:"batchPayments"`
}

func describe(kept *kept, chains *sandbox.Chains, baseURL, link string) demoLine {
	address, key := chains.Payer()
	d := demoLine{
		BaseURL: baseURL, SecurePaymentURL: link, Payer: demoPayer{Address: address, PrivateKey: key},
		Merchant: demoMerchant{
			ID: string(kept.MerchantID), APIKey: kept.APIKey, ClientID: kept.ClientID, AllowedOrigin: baseURL, WebhookSecret: kept.WebhookSecret,
			SpacePaySecretKey: kept.SpacePaySecret, SecPaidToken: kept.SecPaidToken,
			Deposit: demoKey{demoXPub, demoXPrv, demoPath}, Bank: demoAccount{demoIBAN, demoBIC, demoHolder},
			Partner: demoPeer{demoPartner, kept.PartnerToken, demoPartnerPayee.String()},
		},
	}
	for _, c := range chains.All() {
		line := demoChain{
			Name: c.Name, Network: c.Network, ChainID: c.ChainID, RPCURL: baseURL + "/sandbox/rpc/" + c.Network, Tokens: map[string]demoToken{},
			Contracts: demoContracts{ERC20FeeProxy: c.Contracts.ERC20FeeProxy, EthFeeProxy: c.Contracts.EthFeeProxy, BatchPayments: c.Contracts.BatchPayments},
		}
		for symbol, t := range c.Tokens {
			line.Tokens[symbol] = demoToken{Address: t.Address, Decimals: t.Decimals}
		}
		d.Chains = append(d.Chains, line)
	}
	return d
}
