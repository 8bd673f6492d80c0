package request

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/web"
)

// clientIDs adds the routes by which merchants manage their client ids, once
// under each of the documented addresses. The older one also makes client ids of
// backends, which have no domains.
func (d *dialect) clientIDs() {
	for base, backends := range map[string]bool{"/v2/client-ids": false, "/v1/client-ids": true} {
		d.route(http.MethodPost, base, d.once(d.managed, d.createClient(backends)))
		d.route(http.MethodGet, base, d.listClients)
		d.route(http.MethodGet, base+"/:id", d.showClient)
		d.route(http.MethodPut, base+"/:id", d.once(d.managed, d.changeClient(backends)))
		d.route(http.MethodDelete, base+"/:id", d.once(d.managed, d.revokeClient))
	}
}

const (
	maxLabel = 100
	// maxExpiry bounds the default expiries, in seconds: beyond it a duration of
	// the program would overflow.
	maxExpiry = 1<<31 - 1
)

var errNoClient = fault.New(fault.NotFound, "client_id_not_found", "Client ID not found")

// nullable is a member that may be absent, null or a value: null takes away what
// was set, and absence leaves it.
type nullable[T any] struct {
	set   bool
	value *T // nil for null
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *nullable[T]) UnmarshalJSON(b []byte) error {
	n.set = true
	return json.Unmarshal(b, &n.value)
}

type clientBody struct {
	Label                      *string          `json:"label"`
	AllowedDomains             *[]string        `json:"allowedDomains"`
	FeePercentage              nullable[string] `json:"feePercentage"`
	FeeAddress                 nullable[string] `json:"feeAddress"`
	OperatorWalletAddress      nullable[string] `json:"operatorWalletAddress"`
	DefaultPreApprovalExpiry   nullable[int64]  `json:"defaultPreApprovalExpiry"`
	DefaultAuthorizationExpiry nullable[int64]  `json:"defaultAuthorizationExpiry"`
	PayeeDestinationID         nullable[string] `json:"payeeDestinationId"`
	Status                     *string          `json:"status"`
}

// clientWire is a client id. The list leaves the fee out, as documented.
type clientWire struct {
	ID             string   `json:"id"`
	ClientID       string   `json:"clientId"`
	Label          string   `json:"label"`
	AllowedDomains []string `json:"allowedDomains"`
	*feeWire
	OperatorWalletAddress      *string `json:"operatorWalletAddress"`
	DefaultPreApprovalExpiry   *int64  `json:"defaultPreApprovalExpiry"`
	DefaultAuthorizationExpiry *int64  `json:"defaultAuthorizationExpiry"`
	Status                     string  `json:"status"`
	CreatedAt                  string  `json:"createdAt"`
	UpdatedAt                  *string `json:"updatedAt"`
	LastUsedAt                 *string `json:"lastUsedAt"`
	// PayeeDestinationID is where its payments go, null while it is bound to
	// nothing, or to what is not active any more.
	PayeeDestinationID *string `json:"payeeDestinationId"`
}

type feeWire struct {
	FeePercentage *string `json:"feePercentage"`
	FeeAddress    *string `json:"feeAddress"`
}

func newClient(c merchant.Credential, bound *merchant.Destination) clientWire {
	w := clientWire{
		ID: c.ID, ClientID: c.Public, Label: c.Label, AllowedDomains: append([]string{}, c.Origins...),
		feeWire:               &feeWire{FeePercentage: optional(c.Settings.FeePercentage), FeeAddress: account(c.Settings.FeeAddress)},
		OperatorWalletAddress: account(c.Settings.OperatorWallet), DefaultPreApprovalExpiry: seconds(c.Settings.PreApprovalExpiry),
		DefaultAuthorizationExpiry: seconds(c.Settings.AuthorizationExpiry), Status: string(c.Status()),
		CreatedAt: timestamp(c.CreatedAt), UpdatedAt: moment(c.UpdatedAt), LastUsedAt: moment(c.LastUsedAt),
	}
	if bound != nil {
		w.PayeeDestinationID = optional(bound.To.String())
	}
	return w
}

// account words an address that may be missing.
func account(a asset.Address) *string {
	if a.IsZero() {
		return nil
	}
	return optional(a.String())
}

// moment words a time that may be missing.
func moment(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return optional(timestamp(t))
}

func seconds(v time.Duration) *int64 {
	if v == 0 {
		return nil
	}
	n := int64(v / time.Second)
	return &n
}

// createClient makes a client id; backends says whether it may do without domains.
func (d *dialect) createClient(backends bool) plan {
	return func(c echo.Context, who caller, body []byte) (effect, error) {
		var in clientBody
		if err := web.Decode(body, &in); err != nil {
			return nil, err
		}
		in.Status = nil
		if in.AllowedDomains == nil && backends {
			in.AllowedDomains = new([]string)
		}
		switch {
		case in.Label == nil:
			return nil, fault.Field("label", "missing_label", "label is required.")
		case in.AllowedDomains == nil:
			return nil, fault.Field("allowedDomains", "missing_domains", "allowedDomains is required.")
		}
		apply, err := d.clientChange(c.Request().Context(), who, in, backends)
		if err != nil {
			return nil, err
		}
		now := time.Now().UTC()
		public := merchant.NewSecret(merchant.ClientID, false)
		made := merchant.Credential{
			ID: payment.NewULID(now), Merchant: who.Merchant, Kind: merchant.ClientID,
			Public: public, Hash: merchant.HashSecret(public), Hint: merchant.Hint(public), CreatedAt: now,
		}
		if err := apply(&made); err != nil {
			return nil, err
		}
		return func(ctx context.Context) (reply, error) {
			if err := d.Accounts.InsertCredential(ctx, made); err != nil {
				return reply{}, err
			}
			w, err := d.client(ctx, made)
			return reply{status: http.StatusCreated, body: w}, err
		}, nil
	}
}

func (d *dialect) listClients(c echo.Context) error {
	who, err := d.managed(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	all, err := d.Accounts.Credentials(ctx, who.Merchant)
	if err != nil {
		return err
	}
	active, err := d.Accounts.ActiveDestinations(ctx, who.Merchant)
	if err != nil {
		return err
	}
	out := []clientWire{}
	for _, x := range slices.Backward(all) {
		if x.Kind != merchant.ClientID {
			continue
		}
		w, err := d.clientAmong(ctx, x, active)
		if err != nil {
			return err
		}
		w.feeWire = nil
		out = append(out, w)
	}
	return c.JSON(http.StatusOK, out)
}

func (d *dialect) showClient(c echo.Context) error {
	who, err := d.managed(c)
	if err != nil {
		return err
	}
	found, err := d.ownClient(c.Request().Context(), who, c.Param("id"))
	if err != nil {
		return err
	}
	w, err := d.client(c.Request().Context(), found)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, w)
}

// ownClient finds one of the caller's client ids.
func (d *dialect) ownClient(ctx context.Context, who caller, id string) (merchant.Credential, error) {
	key, ok := payment.ParseID(id)
	if !ok {
		return merchant.Credential{}, errNoClient
	}
	found, err := d.Accounts.Client(ctx, who.Merchant, string(key))
	if fault.Is(err, fault.NotFound) {
		return merchant.Credential{}, errNoClient
	}
	return found, err
}

// changeClient changes what the body names and leaves the rest.
func (d *dialect) changeClient(backends bool) plan {
	return func(c echo.Context, who caller, body []byte) (effect, error) {
		found, err := d.ownClient(c.Request().Context(), who, c.Param("id"))
		if err != nil {
			return nil, err
		}
		var in clientBody
		if err := web.Decode(body, &in); err != nil {
			return nil, err
		}
		// A backend's client id stays one when something else about it changes.
		apply, err := d.clientChange(c.Request().Context(), who, in, backends || len(found.Origins) == 0)
		if err != nil {
			return nil, err
		}
		now := time.Now().UTC()
		return d.updateClient(found, func(x *merchant.Credential) error {
			x.UpdatedAt = now
			return apply(x)
		}, in.Status != nil && *in.Status == string(merchant.ClientRevoked)), nil
	}
}

// revokeClient ends a client id for good. Revoking it again is no mistake.
func (d *dialect) revokeClient(c echo.Context, who caller, _ []byte) (effect, error) {
	found, err := d.ownClient(c.Request().Context(), who, c.Param("id"))
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	return d.updateClient(found, func(x *merchant.Credential) error {
		x.UpdatedAt, x.RevokedAt = now, now
		return nil
	}, true), nil
}

// updateClient stores a change. revoking says that the change is to revoke it,
// which a revoked one is already.
func (d *dialect) updateClient(found merchant.Credential, change func(*merchant.Credential) error, revoking bool) effect {
	return func(ctx context.Context) (reply, error) {
		// Forgotten before the change is there, this node may remember the old state
		// for the few seconds that other nodes do.
		defer d.Directory.Forget(found)
		changed, err := d.Accounts.UpdateClient(ctx, found.Merchant, found.ID, change)
		switch {
		case fault.Is(err, fault.Conflict) && revoking:
			changed, err = d.Accounts.Client(ctx, found.Merchant, found.ID)
		case fault.Is(err, fault.Conflict):
			return reply{}, fault.Field("status", "revoked", "cannot reactivate revoked ID")
		}
		if err != nil {
			return reply{}, err
		}
		w, err := d.client(ctx, changed)
		return reply{status: http.StatusOK, body: w}, err
	}
}

// client words a client id with what it is bound to.
func (d *dialect) client(ctx context.Context, c merchant.Credential) (clientWire, error) {
	active, err := d.Accounts.ActiveDestinations(ctx, c.Merchant)
	if err != nil {
		return clientWire{}, err
	}
	return d.clientAmong(ctx, c, active)
}

func (d *dialect) clientAmong(ctx context.Context, c merchant.Credential, active []merchant.Destination) (clientWire, error) {
	bound, err := d.Directory.Bound(ctx, c, active)
	if errors.Is(err, merchant.ErrUnbound) {
		return newClient(c, nil), nil
	}
	return newClient(c, &bound), err
}

// clientChange checks a body and returns what it does to a client id. backends
// says whether the list of domains may be empty.
func (d *dialect) clientChange(ctx context.Context, who caller, in clientBody, backends bool) (func(*merchant.Credential) error, error) {
	var changes []func(*merchant.Credential)
	if in.Label != nil {
		if n := utf8.RuneCountInString(*in.Label); n < 1 || n > maxLabel {
			return nil, fault.Field("label", "invalid_length", "label must have 1 to 100 characters.")
		}
		changes = append(changes, func(c *merchant.Credential) { c.Label = *in.Label })
	}
	if in.AllowedDomains != nil {
		if len(*in.AllowedDomains) == 0 && !backends {
			return nil, fault.Field("allowedDomains", "invalid_domains", "allowedDomains must hold 1 to 10 domains.")
		}
		origins, err := merchant.Origins(*in.AllowedDomains)
		if err != nil {
			return nil, err
		}
		changes = append(changes, func(c *merchant.Credential) { c.Origins = origins })
	}
	settings, err := clientSettings(in)
	if err != nil {
		return nil, err
	}
	bind, err := d.binding(ctx, who, in.PayeeDestinationID)
	if err != nil {
		return nil, err
	}
	switched, err := switching(in.Status)
	if err != nil {
		return nil, err
	}
	changes = append(changes, bind, switched)
	return func(c *merchant.Credential) error {
		for _, change := range changes {
			change(c)
		}
		if err := settings(&c.Settings); err != nil {
			return err
		}
		return nil
	}, nil
}

// switching reads a status.
func switching(status *string) (func(*merchant.Credential), error) {
	now := time.Now().UTC()
	if status == nil {
		return func(*merchant.Credential) {}, nil
	}
	switch merchant.ClientStatus(*status) {
	case merchant.ClientActive:
		return func(c *merchant.Credential) { c.InactiveAt = time.Time{} }, nil
	case merchant.ClientInactive:
		return func(c *merchant.Credential) {
			if c.InactiveAt.IsZero() {
				c.InactiveAt = now
			}
		}, nil
	case merchant.ClientRevoked:
		return func(c *merchant.Credential) { c.RevokedAt = now }, nil
	}
	return nil, fault.Field("status", "invalid_status", "status must be one of active, inactive and revoked.")
}

// clientSettings reads the settings of a body. What comes of them is checked
// together with what was set before.
func clientSettings(in clientBody) (func(*merchant.ClientSettings) error, error) {
	percentage := in.FeePercentage.value
	if percentage != nil {
		if _, err := money.ParsePercent(*percentage); err != nil {
			return nil, fault.Field("feePercentage", "invalid_fee_percentage", "feePercentage must be a number from 0 to 100 with at most 2 decimals, as a string.")
		}
	}
	fee, err := wallet("feeAddress", in.FeeAddress)
	if err != nil {
		return nil, err
	}
	operator, err := wallet("operatorWalletAddress", in.OperatorWalletAddress)
	if err != nil {
		return nil, err
	}
	preApproval, err := duration("defaultPreApprovalExpiry", in.DefaultPreApprovalExpiry)
	if err != nil {
		return nil, err
	}
	authorization, err := duration("defaultAuthorizationExpiry", in.DefaultAuthorizationExpiry)
	if err != nil {
		return nil, err
	}
	return func(s *merchant.ClientSettings) error {
		if in.FeePercentage.set {
			s.FeePercentage = ""
			if percentage != nil {
				s.FeePercentage = *percentage
			}
		}
		fee(&s.FeeAddress)
		operator(&s.OperatorWallet)
		preApproval(&s.PreApprovalExpiry)
		authorization(&s.AuthorizationExpiry)
		switch {
		case s.FeePercentage != "" && s.FeeAddress.IsZero():
			return fault.Field("feeAddress", "missing_fee_address", "feeAddress is required with feePercentage.")
		case s.FeePercentage == "" && !s.FeeAddress.IsZero():
			return fault.Field("feePercentage", "missing_fee_percentage", "feePercentage is required with feeAddress.")
		}
		return nil
	}, nil
}

// wallet reads an account, and returns what it does to a setting.
func wallet(field string, v nullable[string]) (func(*asset.Address), error) {
	var a asset.Address
	if v.value != nil {
		var err error
		if a, err = asset.ParseAddress(*v.value); err != nil || a.IsZero() {
			return nil, fault.Field(field, "invalid_address", field+" must be an EVM address other than zero.")
		}
	}
	return func(to *asset.Address) {
		if v.set {
			*to = a
		}
	}, nil
}

// duration reads a number of seconds, and returns what it does to a setting.
func duration(field string, v nullable[int64]) (func(*time.Duration), error) {
	var length time.Duration
	if v.value != nil {
		if *v.value <= 0 || *v.value > maxExpiry {
			return nil, fault.Field(field, "invalid_expiry", fmt.Sprintf("%s must be a whole number of seconds from 1 to %d.", field, maxExpiry))
		}
		length = time.Duration(*v.value) * time.Second
	}
	return func(to *time.Duration) {
		if v.set {
			*to = length
		}
	}, nil
}

// binding reads the destination a client id is bound to: one of the merchant's
// active ones, by its destination id or its own id.
func (d *dialect) binding(ctx context.Context, who caller, v nullable[string]) (func(*merchant.Credential), error) {
	var id string
	if v.value != nil {
		active, err := d.Accounts.ActiveDestinations(ctx, who.Merchant)
		if err != nil {
			return nil, err
		}
		to, err := d.named("payeeDestinationId", *v.value, active)
		if err != nil {
			return nil, err
		}
		if to == nil {
			return nil, fault.Field("payeeDestinationId", "destination_not_found", "payeeDestinationId is none of your active payee destinations.")
		}
		id = to.ID
	}
	return func(c *merchant.Credential) {
		if v.set {
			c.Destination = id
		}
	}, nil
}
