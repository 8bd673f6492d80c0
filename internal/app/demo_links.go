//go:build !nosandbox

package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/secpaid"
)

// The demo merchant's account, the IBAN registry's example for Germany: nobody's money is
// there.
const (
	demoIBAN   = "DE89370400440532013000"
	demoBIC    = "COBADEFFXXX"
	demoHolder = demoName
)

// The merchants of the demo: the one that everything is tried with, and the one that
// shares a link with it.
const (
	demoName    = "Harbour Coffee Roasters"
	demoPartner = "North Pier Bakery"
)

// demoAccount is where bank transfers to the demo's merchant go.
type demoAccount struct {
	IBAN   string `json:"iban"`
	BIC    string `json:"bic"`
	Holder string `json:"holder"`
}

// demoPeer is the merchant whom links can be shared with.
type demoPeer struct {
	Name         string `json:"name"`
	SecPaidToken string `json:"secpaidToken"`
	Wallet       string `json:"wallet"` // that gets its shares
}

// demoPartnerPayee receives the partner's shares; nobody has its key.
var demoPartnerPayee = asset.Address{0xde, 0xad, 0xbe, 0xef, 0x0d, 0xe1, 0x10, 0x5a, 0x1e, 0x57, 0x0b, 0xad, 0xbe, 0xad, 0x40, 0x9b, 0xea, 0x25, 0x0d, 0x02}

// seedLinks sets what the demo's merchants need for payment links: a bank account,
// where webhooks go, and somebody to share with. URLs are set at each start: the port may
// have changed.
func seedLinks(ctx context.Context, a *App, kept *kept, baseURL string) error {
	_, err := a.Store.BankAccount(ctx, kept.MerchantID)
	if fault.Is(err, fault.NotFound) {
		err = a.Store.SetBankAccount(ctx, merchant.BankAccount{
			Merchant: kept.MerchantID, IBAN: demoIBAN, BIC: demoBIC, Holder: demoHolder, Active: true, CreatedAt: time.Now().UTC(),
		})
	}
	if err != nil {
		return err
	}
	err = a.Store.SetLinkSettings(ctx, merchant.LinkSettings{
		Merchant: kept.MerchantID, Callbacks: []string{baseURL + webhooksPath}, Endpoints: []string{baseURL + webhooksPath}, Default: "0",
		Secret: kept.WebhookSecret,
	})
	if err != nil {
		return err
	}
	_, err = a.Store.Merchant(ctx, kept.PartnerID)
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return seedPartner(ctx, a, kept)
}

func seedPartner(ctx context.Context, a *App, kept *kept) error {
	now := time.Now().UTC()
	if err := a.Store.InsertMerchant(ctx, merchant.Merchant{ID: kept.PartnerID, Name: demoPartner, CreatedAt: now}); err != nil {
		return err
	}
	if err := a.Store.InsertCredential(ctx, merchant.Credential{
		ID: payment.NewULID(now), Merchant: kept.PartnerID, Kind: merchant.SecPaidToken, Hash: merchant.HashSecret(kept.PartnerToken),
		Hint: merchant.Hint(kept.PartnerToken), Label: "demo", CreatedAt: now,
	}); err != nil {
		return err
	}
	_, tokens := asset.Sandbox()
	dest := asset.Destination{Wallet: demoPartnerPayee, Chain: tokens[0].Chain, Token: tokens[0].Address}
	return a.Store.InsertDestination(ctx, merchant.Destination{ID: payment.NewULID(now), Merchant: kept.PartnerID, To: dest, Active: true, CreatedAt: now})
}

// demoLinks makes the sample links as the merchant's own backend would, by requests to the
// API. The server is ready and has free deposit addresses.
func demoLinks(ctx context.Context, a *App, kept *kept) (plain, split string, err error) {
	plain, err = demoPayLink(ctx, a, kept, "createLink", map[string]any{
		"amount": 49.99, "recipient_note": "Invoice #1234", "bank_statement_description": "Harbour Coffee", "is_qr_link": "true",
	})
	if err != nil {
		return "", "", err
	}
	split, err = demoPayLink(ctx, a, kept, "createSplitLink", map[string]any{
		"amount": 30, "recipient_note": "Breakfast for two",
		"recipients": []map[string]any{{"token": kept.PartnerToken, "share": 40}},
	})
	return plain, split, err
}

func demoPayLink(ctx context.Context, a *App, kept *kept, operation string, body any) (string, error) {
	sent, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/api/v2/"+operation, bytes.NewReader(sent))
	if err != nil {
		return "", fmt.Errorf("ask for a link: %w", err)
	}
	r.RemoteAddr = "127.0.0.1:0"
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(secpaid.HeaderToken, kept.SecPaidToken)
	answer := &answerText{header: http.Header{}}
	a.Server.ServeHTTP(answer, r)
	var made struct {
		ResponseCode int
		ResponseMsg  string
		Data         struct {
			PayLink string `json:"pay_link"`
		} `json:"data"`
	}
	if err := json.Unmarshal(answer.Bytes(), &made); err != nil {
		return "", fmt.Errorf("read a link's answer: %w", err)
	}
	if made.ResponseCode != 1 {
		return "", fmt.Errorf("%s: %s", operation, made.ResponseMsg)
	}
	return made.Data.PayLink, nil
}

// answerText keeps what a handler answers to a request from this process.
type answerText struct {
	bytes.Buffer
	header http.Header
}

// Header implements http.ResponseWriter.
func (a *answerText) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter. This API's errors are told in the body.
func (a *answerText) WriteHeader(int) {}
