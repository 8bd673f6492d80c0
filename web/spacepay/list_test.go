package spacepay_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"quittance/web/webtest"
)

type pageOf struct {
	Data       []wire
	Pagination struct {
		Total, Limit, Offset, TotalPages, CurrentPage int
		HasMore                                       bool
	}
}

func (s shop) list(query string) pageOf {
	s.t.Helper()
	return read[pageOf](s.t, s.SpacePay(http.MethodGet, backend+query, "").Want(http.StatusOK).Body)
}

func TestLists(t *testing.T) {
	s := open(t, webtest.Deposits{})
	var all []made
	for i, amount := range []string{"500", "100", "300", "200", "400"} {
		all = append(all, s.create(fmt.Sprintf(`{"orderId":"order_%d","amount":%s,"currency":"USD"}`, i, amount)))
	}
	s.CreatePayment("5") // of another dialect
	tx := s.send(all[0], 100)
	s.send(all[1], 50)
	s.await(all[1].PaymentID, "processing")
	s.Chain.Mine(webtest.Confirmations)
	s.await(all[0].PaymentID, "completed")
	s.SpacePay(http.MethodPost, backend+"/"+all[2].PaymentID+"/cancel", "").Want(http.StatusOK)
	address := all[3].Payment.DepositAddress.Address
	for query, want := range map[string]string{
		"": "4 3 2 1 0", "?sortOrder=ASC": "0 1 2 3 4", "?sortBy=amountInCents": "0 4 2 3 1", "?sortBy=amountInCents&sortOrder=ASC": "1 3 2 4 0", "?sortBy=createdAt": "4 3 2 1 0",
		"?status=pending": "4 3", "?status=processing": "1", "?status=completed": "0", "?status=cancelled": "2", "?status=expired": "", "?status=failed": "",
		"?limit=2": "4 3", "?limit=2&offset=2": "2 1", "?limit=2&offset=4": "0", "?offset=5": "", "?type=payment": "4 3 2 1 0", "?type=deposit": "",
		"?search=" + all[2].PaymentID: "2", "?search=" + all[2].PaymentID[9:23]: "2", "?search=" + strings.ToUpper(address): "3", "?search=" + address[10:30]: "3",
		"?search=" + tx: "0", "?search=" + url.QueryEscape("test <store>"): "4 3 2 1 0", "?search=" + strings.ToLower(s.Chain.Wallet.Address()): "1 0",
		"?search=nothing": "", "?search=%25": "", "?search=_": "4 3 2 1 0", "?search=r_er": "", "?search=ORDER_2": "2", "?search=" + tx + "&status=pending": "", "?unknown=1": "4 3 2 1 0",
	} {
		got := s.list(query)
		var order []string
		for _, p := range got.Data {
			order = append(order, fmt.Sprint(slices.IndexFunc(all, func(m made) bool { return m.PaymentID == p.ID })))
		}
		if strings.Join(order, " ") != want {
			t.Errorf("%s: %v, want %s", query, order, want)
		}
	}
	if p := s.list("?limit=2&offset=2").Pagination; p.Total != 5 || p.Limit != 2 || p.Offset != 2 || !p.HasMore || p.TotalPages != 3 || p.CurrentPage != 2 {
		t.Errorf("%+v", p)
	}
	// A row is what one alone is.
	for _, p := range s.list("").Data {
		if one := s.show(p.ID); one.Status != p.Status || *one.UpdatedAt != *p.UpdatedAt || *p.Type != "payment" || (one.Receipt == nil) != (p.Receipt == nil) {
			t.Errorf("%+v is listed as %+v", one, p)
		}
	}
	for query, param := range map[string]string{"?status=paid": "status", "?limit=0": "limit", "?limit=1001": "limit", "?offset=-1": "offset", "?sortBy=x": "sortBy", "?sortOrder=up": "sortOrder", "?type=x": "type", "?search=%00": "search"} {
		got := read[refused](t, s.SpacePay(http.MethodGet, backend+query, "").Want(http.StatusBadRequest).Body)
		if got.Error.Param != param {
			t.Errorf("%s: %+v", query, got)
		}
	}
	_, other := s.another("Other")
	if got := read[pageOf](t, s.Do(http.MethodGet, backend, "", secretKey(other)).Want(http.StatusOK).Body); len(got.Data) != 0 || got.Pagination.Total != 0 {
		t.Errorf("another merchant's: %+v", got)
	}
}
