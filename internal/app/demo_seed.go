//go:build !nosandbox

package app

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/request"
)

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
