package request

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// accessBody is an access policy as callers write it; what is absent or null is
// inherited.
type accessBody struct {
	Mode                  *string   `json:"mode"`
	ScreeningProvider     *string   `json:"screeningProvider"`
	HideUntilApproved     *bool     `json:"hideUntilApproved"`
	HidePayeeAddress      *bool     `json:"hidePayeeAddress"`
	AllowedPayerAddresses *[]string `json:"allowedPayerAddresses"`
	// Unknown members are refused, unlike elsewhere: a restriction that is
	// misspelled must not let everyone in.
	Unknown map[string]any `json:",embed"`
}

// accessWire is an access policy as we write it.
type accessWire struct {
	Mode                  string   `json:"mode"`
	ScreeningProvider     *string  `json:"screeningProvider"`
	HideUntilApproved     bool     `json:"hideUntilApproved"`
	HidePayeeAddress      bool     `json:"hidePayeeAddress"`
	AllowedPayerAddresses []string `json:"allowedPayerAddresses"`
}

// The modes of a policy.
const (
	modeInherit = "inherit"
	modeOff     = "off"
	modeScreen  = "kyt_all_wallets"
)

// maxAllowed bounds the list of accounts of one policy.
const maxAllowed = 500

// newAccess words a policy.
func newAccess(a payment.Access) accessWire {
	w := accessWire{
		Mode: modeOff, HideUntilApproved: a.HideUntilApproved, HidePayeeAddress: a.HidePayee, AllowedPayerAddresses: []string{},
	}
	if a.Screen {
		w.Mode, w.ScreeningProvider = modeScreen, optional(a.Provider)
	}
	for _, wallet := range a.Allowed {
		w.AllowedPayerAddresses = append(w.AllowedPayerAddresses, wallet.String())
	}
	return w
}

// parseAccess reads a policy; field is its path in the body. What it leaves out
// comes from base. A nil body is base.
//
// Faults: Invalid, with the member at fault.
func (d *dialect) parseAccess(field string, in *accessBody, base payment.Access) (payment.Access, error) {
	if in == nil {
		return base, nil
	}
	out := base
	if len(in.Unknown) > 0 {
		names := make([]string, 0, len(in.Unknown))
		for name := range in.Unknown {
			names = append(names, name)
		}
		name := clip(slices.Min(names), 60)
		return out, fault.Field(field, "unknown_access_policy", fmt.Sprintf("%s has no member %q.", field, name))
	}
	if err := d.screening(field, in, &out); err != nil {
		return out, err
	}
	if in.HideUntilApproved != nil {
		out.HideUntilApproved = *in.HideUntilApproved
	}
	if in.HidePayeeAddress != nil {
		out.HidePayee = *in.HidePayeeAddress
	}
	if in.AllowedPayerAddresses == nil {
		return out, nil
	}
	var err error
	out.Allowed, err = allowed(field+".allowedPayerAddresses", *in.AllowedPayerAddresses)
	return out, err
}

// screening reads a policy's mode and provider.
func (d *dialect) screening(field string, in *accessBody, out *payment.Access) error {
	mode := modeInherit
	if in.Mode != nil {
		mode = *in.Mode
	}
	switch mode {
	case modeInherit:
	case modeOff:
		out.Screen, out.Provider = false, ""
	case modeScreen:
		out.Screen = true
	default:
		return fault.Field(field+".mode", "invalid_mode", field+".mode must be one of inherit, off and kyt_all_wallets.")
	}
	if in.ScreeningProvider != nil {
		name := *in.ScreeningProvider
		if name == "" || !d.Checkout.Screens(name) {
			return fault.Field(field+".screeningProvider", "unknown_provider",
				fmt.Sprintf("%s.screeningProvider: %q is not configured on this server.", field, clip(name, 60)))
		}
		if out.Screen {
			out.Provider = name
		}
	}
	if out.Screen && !d.Checkout.Screens(out.Provider) {
		return fault.Field(field+".screeningProvider", "unknown_provider", "No screening provider is configured on this server.")
	}
	return nil
}

// allowed reads a list of accounts; ones that stand twice collapse.
func allowed(field string, texts []string) ([]payment.Address20, error) {
	if len(texts) > maxAllowed {
		return nil, fault.Field(field, "too_many_addresses", fmt.Sprintf("%s may hold at most %d addresses.", field, maxAllowed))
	}
	var out []payment.Address20
	seen := map[payment.Address20]bool{}
	for i, text := range texts {
		at := fmt.Sprintf("%s[%d]", field, i)
		if tronAddress(text) {
			return nil, fault.Field(at, "tron_unsupported", at+" is a Tron address: payments on Tron are not supported here.")
		}
		wallet, err := asset.ParseAddress(text)
		if err != nil {
			return nil, fault.Field(at, "invalid_address", at+" is "+err.Error()+".")
		}
		if wallet.IsZero() {
			return nil, fault.Field(at, "invalid_address", at+" is the zero address, which nobody can pay from.")
		}
		if !seen[wallet] {
			seen[wallet] = true
			out = append(out, wallet)
		}
	}
	return out, nil
}

// tronAddress reports whether text has the form of a Tron account: T and 33
// characters of base58.
func tronAddress(text string) bool {
	if len(text) != 34 || text[0] != 'T' {
		return false
	}
	return strings.Trim(text, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz") == ""
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// baseAccess is the policy that a payment inherits: that of its destination, or
// the merchant's. Destinations with different policies do not go together, for
// neither may loosen the other.
func (d *dialect) baseAccess(ctx context.Context, m merchant.Merchant, requests []checkout.DraftRequest) (payment.Access, error) {
	active, err := d.Directory.Destinations(ctx, m.ID)
	if err != nil {
		return payment.Access{}, err
	}
	var base payment.Access
	for i, r := range requests {
		own := m.Access
		to := asset.Destination{Wallet: r.Payee, Chain: r.Token.Chain, Token: r.Token.Address}
		if j := slices.IndexFunc(active, func(x merchant.Destination) bool { return x.To == to }); j >= 0 && active[j].Access != nil {
			own = *active[j].Access
		}
		if i > 0 && !sameAccess(own, base) {
			return base, fault.Field(fmt.Sprintf("requests[%d]", i), "several_policies",
				"The destinations of this payment have different access policies: make a payment for each.")
		}
		base = own
	}
	return base, nil
}

// noLooser refuses a client id's policy that lets in what the merchant's does
// not: the id is public, and whoever reads it off a page must not make links that
// go round a restriction.
func noLooser(got, base payment.Access) error {
	refuse := func(member string) error {
		return fault.New(fault.Forbidden, "access_policy_not_allowed", "A client id cannot loosen the access policy of its destination.").At("accessPolicy." + member)
	}
	listed := func(a payment.Address20) bool { return slices.Contains(base.Allowed, a) }
	switch {
	case base.Screen && !got.Screen:
		return refuse("mode")
	case base.Screen && got.Provider != base.Provider:
		return refuse("screeningProvider")
	case base.HideUntilApproved && !got.HideUntilApproved:
		return refuse("hideUntilApproved")
	case base.HidePayee && !got.HidePayee:
		return refuse("hidePayeeAddress")
	case len(base.Allowed) > 0 && (len(got.Allowed) == 0 || !all(got.Allowed, listed)):
		return refuse("allowedPayerAddresses")
	}
	return nil
}

func all[T any](xs []T, ok func(T) bool) bool {
	return !slices.ContainsFunc(xs, func(x T) bool { return !ok(x) })
}

func sameAccess(a, b payment.Access) bool {
	return a.Screen == b.Screen && a.Provider == b.Provider && a.HideUntilApproved == b.HideUntilApproved && a.HidePayee == b.HidePayee &&
		slices.Equal(a.Allowed, b.Allowed)
}

// accessDecision tells a payer's page whether a wallet was let in.
type accessDecision struct {
	Status        checkout.Verdict `json:"status"`
	ReasonCode    *string          `json:"reasonCode"`
	Provider      *string          `json:"provider"`
	WalletResults []walletResult   `json:"walletResults"`
}

// walletResult is what a payer may know of a look at a wallet. What the provider
// reports is for the merchant.
type walletResult struct {
	WalletAddress string           `json:"walletAddress"`
	WalletType    string           `json:"walletType"`
	Status        checkout.Verdict `json:"status"`
	ReasonCode    *string          `json:"reasonCode"`
	Provider      *string          `json:"provider"`
}

// decide words an admission; nil if there was nothing to decide, or no wallet to
// decide about. Only the payer's own wallet is told of: the payees may be hidden.
func decide(p *payment.Payment, a checkout.Admission) *accessDecision {
	if p.Terms.Access.Open() || a.Verdict == "" {
		return nil
	}
	w := &accessDecision{Status: a.Verdict, ReasonCode: optional(a.Reason), Provider: optional(a.Provider), WalletResults: []walletResult{}}
	for _, x := range a.Wallets {
		if x.Role != checkout.PayerRole {
			continue
		}
		r := walletResult{WalletAddress: x.Wallet.String(), WalletType: "eoa", Status: x.Verdict, Provider: optional(x.Provider)}
		switch x.Verdict {
		case checkout.Rejected:
			r.ReasonCode = optional(checkout.ReasonScreening)
		case checkout.Unknown:
			r.ReasonCode = optional(checkout.ReasonUnavailable)
		case checkout.Approved:
		}
		w.WalletResults = append(w.WalletResults, r)
	}
	return w
}

// hidden reports whether nothing but the status of a payment may be told.
func hidden(p *payment.Payment, a checkout.Admission) bool {
	return p.Terms.Access.HideUntilApproved && !a.Admitted()
}

// kytResult is what a provider said of a wallet, for the merchant.
type kytResult struct {
	WalletAddress       string           `json:"walletAddress"`
	WalletType          string           `json:"walletType"`
	ParentWalletAddress *string          `json:"parentWalletAddress"`
	Status              checkout.Verdict `json:"status"`
	ReasonCode          *string          `json:"reasonCode"`
	Provider            *string          `json:"provider"`
	ProviderReference   *string          `json:"providerReference"`
	ReportURL           *string          `json:"reportUrl"`
	Notes               *string          `json:"notes"`
	RawStatus           *string          `json:"rawStatus"`
	EvaluatedAt         string           `json:"evaluatedAt"`
}

// maxResults bounds the results of one role in an answer; the newest are told.
const maxResults = 250

// kytResults words what was said of the wallets of one role.
func kytResults(all []checkout.Screening, role checkout.Role) []kytResult {
	out := []kytResult{}
	for _, x := range all {
		if x.Role != role {
			continue
		}
		out = append(out, kytResult{
			WalletAddress: x.Wallet.String(), WalletType: "eoa", Status: x.Verdict, ReasonCode: optional(x.Reason),
			Provider: optional(x.Provider), ProviderReference: optional(x.Reference), ReportURL: optional(x.Report),
			RawStatus: optional(x.Raw), EvaluatedAt: timestamp(x.At),
		})
	}
	if len(out) > maxResults {
		out = out[len(out)-maxResults:]
	}
	return out
}
