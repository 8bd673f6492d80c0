package merchant

import (
	"errors"
	"testing"

	"quittance/internal/asset"
)

func TestResolve(t *testing.T) {
	wallet := func(b byte) asset.Address { return asset.Address{b} }
	at := func(id string, w byte, chain asset.ChainID, active bool) Destination {
		return Destination{ID: id, Merchant: "m", Active: active, To: asset.Destination{Wallet: wallet(w), Chain: chain}}
	}
	foreign := at("foreign", 9, 1, true)
	foreign.Merchant = "other"
	page := Credential{Kind: ClientID, Merchant: "m", Origins: []string{"https://shop.example"}}
	backend := Credential{Kind: ClientID, Merchant: "m"}
	key := Credential{Kind: APIKey, Merchant: "m"}
	bound := func(c Credential, id string) Credential { c.Destination = id; return c }
	one := []Destination{at("old", 1, 1, false), at("new", 1, 1, true), foreign}
	two := append([]Destination{at("b", 2, 1, true), at("gone", 3, 1, false)}, one...)
	for name, tt := range map[string]struct {
		all  []Destination
		who  Credential
		want string
		err  error
	}{
		"a key and one":                           {one, key, "new", nil},
		"a key and two":                           {two, key, "", ErrSeveralDestinations},
		"a key and none":                          {[]Destination{foreign, at("old", 1, 1, false)}, key, "", ErrNoDestination},
		"a page and one":                          {one, page, "new", nil},
		"a page and two":                          {two, page, "", ErrSeveralDestinations},
		"a backend that is not bound":             {one, backend, "", ErrUnbound},
		"bound":                                   {two, bound(page, "b"), "b", nil},
		"a backend that is bound":                 {two, bound(backend, "new"), "new", nil},
		"bound to what was replaced":              {two, bound(backend, "old"), "new", nil},
		"bound to what was taken away":            {two, bound(page, "gone"), "", ErrUnbound},
		"bound to another merchant's":             {two, bound(page, "foreign"), "", ErrUnbound},
		"bound to nothing that exists":            {two, bound(page, "nothing"), "", ErrUnbound},
		"bound to another chain of the wallet":    {[]Destination{at("old", 1, 1, false), at("new", 1, 10, true)}, bound(page, "old"), "", ErrUnbound},
		"bound to another wallet of the merchant": {[]Destination{at("old", 1, 1, false), at("new", 2, 1, true)}, bound(page, "old"), "", ErrUnbound},
	} {
		d := NewDirectory(&shelf{destinations: tt.all})
		got, err := d.Resolve(t.Context(), tt.who)
		if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) || got.ID != tt.want {
			t.Errorf("%s: got %q, %v, want %q, %v", name, got.ID, err, tt.want, tt.err)
		}
	}
	down := errors.New("the database is gone")
	if _, err := NewDirectory(&shelf{down: down}).Resolve(t.Context(), key); !errors.Is(err, down) {
		t.Errorf("without a database: %v", err)
	}
}
