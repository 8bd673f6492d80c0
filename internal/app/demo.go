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
	"net"
	"net/url"
	"time"

	"quittance/internal/gasless"
	"quittance/internal/sandbox"
)

// DemoConfig is what `quittance demo` can be told.
type DemoConfig struct {
	Listen     string // host:port, port 0 picks a free one
	DataDir    string // "" keeps nothing
	WebhookURL string // "" for none besides the demo's own receiver
	Account    string // the kind of smart account, one of gasless.Accounts; the first if empty
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
	cfg.Account = cmp.Or(cfg.Account, gasless.Accounts[0])
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
