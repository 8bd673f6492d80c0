//go:build !nosandbox

package app

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/web"
	"quittance/web/request"
)

// demoRefused is the one account on the demo's sanctions list. Nobody has its key.
var demoRefused = asset.Address{0xba, 0xdd, 0xba, 0xdd, 19: 0x01}

// demoList writes the demo's sanctions list and returns its path.
func demoList(kept *kept) (string, error) {
	path := kept.path("sanctions.txt")
	if err := os.WriteFile(path, []byte("# Accounts that the demo refuses to deal with.\n"+demoRefused.String()+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the demo's sanctions list: %w", err)
	}
	return path, nil
}

// demoSamples are payments to look at, by what is special about them.
type demoSamples struct {
	Batch      string `json:"batch"`      // three amounts in two tokens
	Private    string `json:"private"`    // hidden from all wallets but the demo payer's
	Payout     string `json:"payout"`     // the merchant pays somebody
	Crosschain string `json:"crosschain"` // in USDC on Base, for a payer who would rather give USDT on Arbitrum
	Deposit    string `json:"deposit"`    // 25 dollars, at a quote, to an address of its own
	Link       string `json:"link"`       // 49.99 euros, at a quote or by bank transfer
	Split      string `json:"split"`      // 30 euros for two merchants
}

// makeSamples makes the sample payments of the demo and returns their links.
func makeSamples(ctx context.Context, a *App, kept *kept, payer, baseURL string) (demoSamples, error) {
	usdc, ok1 := a.Checkout.Book().Token("USDC-base")
	usdt, ok2 := a.Checkout.Book().Token("USDT-base")
	wallet, err := asset.ParseAddress(payer)
	if err != nil || !ok1 || !ok2 {
		return demoSamples{}, errors.Join(errors.New("the sandbox has no payer, USDC-base or USDT-base"), err)
	}
	to := func(i byte, token asset.Token, units int64) checkout.DraftRequest {
		payee := demoPayee
		payee[19] += i
		return checkout.DraftRequest{Payee: payee, Token: token, Amount: big.NewInt(units)}
	}
	var s demoSamples
	for _, sample := range []struct {
		link  *string
		draft checkout.Draft
	}{
		{&s.Batch, checkout.Draft{Reference: "PAYROLL-2026-01", Requests: []checkout.DraftRequest{
			to(1, usdc, 18_000_000), to(2, usdt, 7_500_000), to(3, usdc, 4_250_000),
		}}},
		{&s.Private, checkout.Draft{Reference: "PRIVATE-7", Requests: []checkout.DraftRequest{to(0, usdc, 3_000_000)}, Access: payment.Access{
			Allowed: []payment.Address20{wallet}, HideUntilApproved: true,
		}}},
		{&s.Payout, checkout.Draft{Reference: "REFUND-12", Requests: []checkout.DraftRequest{to(4, usdc, 2_000_000)},
			Flow: payment.PayOut, RecipientIdentifier: "Lena, tasting of June", Creator: wallet,
		}},
		{&s.Crosschain, checkout.Draft{Reference: "ORDER-1003", Requests: []checkout.DraftRequest{to(0, usdc, 32_000_000)}}},
	} {
		sample.draft.Merchant, sample.draft.Dialect = kept.MerchantID, request.Name
		if *sample.link, err = demoLink(ctx, a, sample.draft, baseURL); err != nil {
			return demoSamples{}, err
		}
	}
	return s, nil
}

// demoLink makes a payment and returns its link.
func demoLink(ctx context.Context, a *App, d checkout.Draft, baseURL string) (string, error) {
	d.RedirectURL, d.RedirectLabel = baseURL+webhooksPath, "See what the merchant received"
	var id payment.ID
	_, _, err := a.Checkout.Create(ctx, d, nil, func(p *payment.Payment) (checkout.Answer, error) {
		id = p.ID
		return checkout.Answer{Status: http.StatusCreated}, nil
	})
	return baseURL + web.PagePath(string(id)), err
}
