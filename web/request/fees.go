package request

import (
	"fmt"
	"math/big"
	"strings"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// fee is the fee of a creation: what its body asks for or, for a client id, what
// its merchant set. "0" lets the body decide; where nothing is set, a client id
// takes no fee, because it is public.
func (d *dialect) fee(who caller, in shared) (*checkout.DraftFee, error) {
	asked, err := parseFee(in.FeePercentage, in.FeeAddress)
	if err != nil || who.clientID == "" {
		return asked, err
	}
	set := who.Settings
	if set.FeePercentage == "" {
		if asked != nil {
			return nil, fault.New(fault.Forbidden, "fee_not_allowed", "A client id cannot set a fee.").At("feePercentage")
		}
		return nil, nil
	}
	share, err := money.ParsePercent(set.FeePercentage)
	if err != nil {
		return nil, fmt.Errorf("the stored fee of a client id: %w", err)
	}
	if share == 0 {
		return asked, nil
	}
	return &checkout.DraftFee{Share: share, Payee: set.FeeAddress}, nil
}

func parseFee(percentage, address *string) (*checkout.DraftFee, error) {
	switch {
	case percentage == nil && address == nil:
		return nil, nil
	case percentage == nil:
		return nil, fault.Field("feePercentage", "missing_fee_percentage", "feePercentage is required with feeAddress.")
	case address == nil:
		return nil, fault.Field("feeAddress", "missing_fee_address", "feeAddress is required with feePercentage.")
	}
	share, err := money.ParsePercent(*percentage)
	if err != nil {
		return nil, fault.Field("feePercentage", "invalid_fee_percentage", "feePercentage must be a number from 0 to 100 with at most 2 decimals, as a string.")
	}
	to, err := asset.ParseAddress(*address)
	if err != nil || to.IsZero() {
		return nil, fault.Field("feeAddress", "invalid_fee_address", "feeAddress must be an EVM address other than zero.")
	}
	if share == 0 {
		return nil, nil
	}
	return &checkout.DraftFee{Share: share, Payee: to}, nil
}

// feePlan is version 1 of the vendor's fee snapshot; amounts are USD strings.
type feePlan struct {
	Version               int       `json:"version"`
	Flow                  string    `json:"flow"`
	DefaultFeeBearer      string    `json:"defaultFeeBearer"`
	GrossAmountUSD        string    `json:"grossAmountUsd"`
	NetRecipientAmountUSD string    `json:"netRecipientAmountUsd"`
	PayerTotalAmountUSD   string    `json:"payerTotalAmountUsd"`
	TotalFeesUSD          string    `json:"totalFeesUsd"`
	PayeeBorneFeesUSD     string    `json:"payeeBorneFeesUsd"`
	PayerBorneFeesUSD     string    `json:"payerBorneFeesUsd"`
	Fees                  []planFee `json:"fees"`
}

type planFee struct {
	Type                string         `json:"type"`
	Label               string         `json:"label"`
	FeeBearer           string         `json:"feeBearer"`
	FeeBearerSource     string         `json:"feeBearerSource"`
	PercentageBps       int            `json:"percentageBps"`
	CapUSD              *string        `json:"capUsd"`
	CalculatedAmountUSD string         `json:"calculatedAmountUsd"`
	DestinationResolver string         `json:"destinationResolver"`
	DestinationRef      destinationRef `json:"destinationRef"`
	ConfigSource        string         `json:"configSource"`
}

type destinationRef struct {
	EVMAddress string `json:"evmAddress,omitempty"`
}

// feePlan computes the vendor's fee snapshot from the terms, which never change.
// It counts in US dollars, so it is nil unless all requests are in one dollar
// stablecoin, and nil where there is no fee.
func (d *dialect) feePlan(p *payment.Payment) *feePlan {
	first := p.Terms.Requests[0]
	token, ok := d.Checkout.Book().Token(first.Asset)
	if !ok || first.Fee == nil || !strings.HasPrefix(token.Symbol, "USD") {
		return nil
	}
	bps, err := money.ParsePercent(first.Fee.Share)
	if err != nil {
		return nil
	}
	gross, fees := new(big.Int), new(big.Int)
	for _, r := range p.Terms.Requests {
		if r.Asset != first.Asset || r.Fee == nil || r.Fee.Share != first.Fee.Share || r.Fee.Payee != first.Fee.Payee {
			return nil
		}
		gross.Add(gross, r.Due)
		fees.Add(fees, r.Fee.Amount)
	}
	bearing := "payment_default_override" // the documented default of this flow is the recipient
	if p.Terms.Flow == payment.PayOut {
		bearing = "flow_default"
	}
	usd := func(v *big.Int) string { return money.Format(v, token.Decimals) }
	return &feePlan{
		Version: 1, Flow: string(p.Terms.Flow), DefaultFeeBearer: "payer",
		GrossAmountUSD: usd(gross), NetRecipientAmountUSD: usd(gross),
		PayerTotalAmountUSD: usd(new(big.Int).Add(gross, fees)),
		TotalFeesUSD:        usd(fees), PayeeBorneFeesUSD: "0", PayerBorneFeesUSD: usd(fees),
		Fees: []planFee{{
			Type: "platform", Label: "Platform fee", FeeBearer: "payer", FeeBearerSource: bearing,
			PercentageBps: int(bps), CalculatedAmountUSD: usd(fees), DestinationResolver: "fixed",
			DestinationRef: destinationRef{EVMAddress: first.Fee.Payee.String()}, ConfigSource: "request",
		}},
	}
}
