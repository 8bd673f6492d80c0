package request

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// Arrivals finds transfers; *store.Store does.
type Arrivals interface {
	Arrivals(ctx context.Context, q checkout.Search) (found []checkout.Arrival, total int, err error)
}

// The number of rows of one answer: unless asked for, and at most.
const (
	defaultLimit = 20
	maxLimit     = 100
)

type arrivalsWire struct {
	Payments   []arrivalWire  `json:"payments"`
	Pagination paginationWire `json:"pagination"`
}

type paginationWire struct {
	Total   int  `json:"total"`
	Limit   int  `json:"limit"`
	Offset  int  `json:"offset"`
	HasMore bool `json:"hasMore"`
}

// arrivalWire is one transfer. The members about conversion, recurrence and
// rates are documented and always null: what arrives is in the asset that the
// request is counted in.
type arrivalWire struct {
	ID                         string       `json:"id"`
	Amount                     string       `json:"amount"`
	SourceNetwork              string       `json:"sourceNetwork"`
	DestinationNetwork         string       `json:"destinationNetwork"`
	SourceTxHash               *string      `json:"sourceTxHash"`
	DestinationTxHash          *string      `json:"destinationTxHash"`
	Timestamp                  string       `json:"timestamp"`
	Type                       string       `json:"type"`
	ConversionRateSource       *string      `json:"conversionRateSource"`
	ConversionRateDestination  *string      `json:"conversionRateDestination"`
	ConvertedAmountSource      *string      `json:"convertedAmountSource"`
	ConvertedAmountDestination *string      `json:"convertedAmountDestination"`
	Currency                   asset.ID     `json:"currency"`
	PaymentCurrency            asset.ID     `json:"paymentCurrency"`
	Fees                       []arrivalFee `json:"fees"`
	RecurringPaymentID         *string      `json:"recurringPaymentId"`
	RateProvider               *string      `json:"rateProvider"`
	Request                    arrivalOf    `json:"request"`

	// Additions to the documented shape.
	PayerAddress    *string `json:"payerAddress"`
	PayerEOAAddress *string `json:"payerEoaAddress"` // the wallet behind a smart account, else the payer
	PayeeAddress    string  `json:"payeeAddress"`
	// SecurePaymentToken opens the payment's page: it is left out for a client id,
	// which is public.
	SecurePaymentToken string `json:"securePaymentToken,omitempty"`
}

type arrivalFee struct {
	Type            string   `json:"type"`
	Provider        string   `json:"provider"`
	Amount          string   `json:"amount"`
	AmountInUSD     *string  `json:"amountInUSD"`
	Currency        asset.ID `json:"currency"`
	ReceiverAddress *string  `json:"receiverAddress"` // null where several get it
	Network         string   `json:"network"`
}

type arrivalOf struct {
	RequestID        string    `json:"requestId"`
	PaymentReference string    `json:"paymentReference"`
	HasBeenPaid      bool      `json:"hasBeenPaid"`
	CustomerInfo     *struct{} `json:"customerInfo"`
	Reference        *string   `json:"reference"`
}

// invalidSearch is the documented answer to a search that cannot be made; code
// and field are those of the first error.
type invalidSearch struct {
	StatusCode int           `json:"statusCode"`
	Message    string        `json:"message"`
	Errors     []searchError `json:"errors"`
	Error      string        `json:"error"`
	Code       string        `json:"code"`
	Field      string        `json:"field"`
}

type searchError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

type unauthorizedSearch struct {
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
	Error      string `json:"error"`
	Code       string `json:"code"`
}

// payments lists the transfers that arrived for a caller, newest first: those of
// its own payments for a client id, the merchant's for everybody else.
func (d *dialect) payments(c echo.Context) error {
	who, err := d.authenticate(c)
	if f := fault.From(err); err != nil && f.Kind == fault.Unauthorized {
		text := http.StatusText(http.StatusUnauthorized)
		return c.JSON(http.StatusUnauthorized, unauthorizedSearch{StatusCode: http.StatusUnauthorized, Message: text, Error: text, Code: f.Code})
	}
	if err != nil {
		return err
	}
	in := newSearch(d.Checkout.Book(), c.QueryParams())
	q := in.read()
	if len(in.errors) > 0 {
		return c.JSON(http.StatusBadRequest, invalidSearch{
			StatusCode: http.StatusBadRequest, Message: "Validation failed", Errors: in.errors,
			Error: http.StatusText(http.StatusBadRequest), Code: "invalid_search", Field: in.errors[0].Field,
		})
	}
	// Whoever reads a page's client id off it can search with it.
	q.Merchant, q.Dialect, q.ClientID, q.Shown = who.Merchant, Name, who.clientID, len(who.Origins) > 0
	w := arrivalsWire{Payments: []arrivalWire{}, Pagination: paginationWire{Limit: q.Limit, Offset: q.Offset}}
	if in.nothing {
		return c.JSON(http.StatusOK, w)
	}
	ctx := c.Request().Context()
	found, total, err := d.Arrivals.Arrivals(ctx, q)
	if err != nil {
		return err
	}
	w.Pagination.Total, w.Pagination.HasMore = total, q.Offset+len(found) < total
	for _, a := range found {
		row, err := d.arrival(ctx, a)
		if err != nil {
			return err
		}
		if who.clientID != "" {
			row.SecurePaymentToken = ""
		}
		w.Payments = append(w.Payments, row)
	}
	return c.JSON(http.StatusOK, w)
}

func (d *dialect) arrival(ctx context.Context, a checkout.Arrival) (arrivalWire, error) {
	x := a.Transfer
	token, ok := d.Checkout.Book().Token(x.Asset)
	if !ok {
		return arrivalWire{}, fault.New(fault.Unavailable, "asset_unknown", "The asset of a payment is not supported here any more.")
	}
	paid, err := d.requestPaid(ctx, a)
	if err != nil {
		return arrivalWire{}, err
	}
	w := arrivalWire{
		ID: payment.NamedULID("transfer", x.Key), Amount: money.Format(x.Amount, token.Decimals),
		SourceNetwork: token.Network, DestinationNetwork: token.Network, SourceTxHash: optional(x.Evidence.Tx), DestinationTxHash: optional(x.Evidence.Tx),
		Timestamp: timestamp(x.At), Type: string(checkout.Directly), Currency: a.Invoiced, PaymentCurrency: token.ID,
		Request:      arrivalOf{RequestID: a.RequestID, PaymentReference: a.Reference, HasBeenPaid: paid, Reference: optional(a.Order)},
		PayerAddress: optional(x.Evidence.Payer), PayerEOAAddress: optional(a.Holder), PayeeAddress: a.Payee.String(), SecurePaymentToken: string(a.Payment),
	}
	if x.Fee != nil && x.Fee.Sign() > 0 {
		w.Fees = []arrivalFee{{
			Type: "platform", Provider: processor, Amount: money.Format(x.Fee, token.Decimals), Currency: token.ID,
			ReceiverAddress: optional(a.FeePayee.String()), Network: token.Network,
		}}
	}
	d.cameFrom(&w, x, token)
	return w, nil
}

// cameFrom tells where money came from that a bridge brought, as far as it is
// known: who sees the arrival alone knows the chain at most.
func (d *dialect) cameFrom(w *arrivalWire, x payment.Transfer, arrived asset.Token) {
	from := x.Evidence.Source
	if from.Route == "" {
		return
	}
	w.Type, w.SourceTxHash = string(checkout.OverBridge), optional(from.Tx)
	if chain, ok := d.Checkout.Book().Chain(from.Chain); ok {
		w.SourceNetwork = chain.Network
	}
	source, ok := d.Checkout.Book().Token(from.Asset)
	if !ok || from.Amount == nil {
		return
	}
	w.PaymentCurrency = source.ID
	// Routes go between dollars only: what left the payer and did not arrive is
	// what the way took.
	took := arrivedIn(source, arrived, x)
	if took.Sub(from.Amount, took).Sign() > 0 {
		w.Fees = append(w.Fees, arrivalFee{
			Type: "crosschain", Provider: "lifi", Amount: money.Format(took, source.Decimals), Currency: source.ID, Network: source.Network,
		})
	}
}

// arrivedIn is all that a transfer brought, its fee included, in base units of a
// token that is worth the same.
func arrivedIn(of, arrived asset.Token, x payment.Transfer) *big.Int {
	total := new(big.Int).Set(x.Amount)
	if x.Fee != nil {
		total.Add(total, x.Fee)
	}
	ten := big.NewInt(10)
	total.Mul(total, new(big.Int).Exp(ten, big.NewInt(int64(of.Decimals)), nil))
	return total.Quo(total, new(big.Int).Exp(ten, big.NewInt(int64(arrived.Decimals)), nil))
}

// requestPaid tells whether the request a transfer was for is paid. Where the
// payment is not, one of several requests may be.
func (d *dialect) requestPaid(ctx context.Context, a checkout.Arrival) (bool, error) {
	if a.State == payment.Paid {
		return true, nil
	}
	p, err := d.Checkout.Payment(ctx, a.Payment)
	if err != nil {
		return false, err
	}
	return p.Standing.Requests[a.Transfer.Request].State == payment.Paid, nil
}

// typesNever are documented types of payments that there are none of.
var typesNever = []string{"conversion", "recurring"}

// searchQuery reads the query of a search. Errors are collected: the documented
// answer lists them all.
type searchQuery struct {
	book   *asset.Book
	values map[string][]string
	errors []searchError
	// nothing says that the query is valid and nothing can fit it.
	nothing bool
}

func newSearch(book *asset.Book, values map[string][]string) *searchQuery {
	return &searchQuery{book: book, values: values}
}

func (s *searchQuery) fail(field, message string) {
	s.errors = append(s.errors, searchError{Field: field, Message: message})
}

// text is a parameter's value, "" if it is not given.
func (s *searchQuery) text(name string) string {
	all := s.values[name]
	switch {
	case len(all) == 0 || (len(all) == 1 && all[0] == ""):
		return ""
	case len(all) > 1:
		s.fail(name, name+" must be given once")
	case utf8.RuneCountInString(all[0]) > 255 || !utf8.ValidString(all[0]) || strings.ContainsFunc(all[0], func(r rune) bool { return r < ' ' || r == 0x7f }):
		s.fail(name, name+" must have at most 255 characters, and no control characters")
	}
	return all[0]
}

// searchFilters are the parameters of which one is needed.
var searchFilters = []string{"txHash", "walletAddress", "paymentReference", "requestId", "reference", "type", "invoiceCurrency", "paymentCurrency"}

func (s *searchQuery) read() checkout.Search {
	given := false
	for _, name := range searchFilters {
		given = given || len(s.values[name]) > 0 && s.values[name][0] != ""
	}
	if !given {
		s.fail("txHash", "At least one search parameter is required: "+strings.Join(searchFilters, ", "))
	}
	q := checkout.Search{
		Tx: s.hex("txHash", 32), Reference: s.hex("paymentReference", 8), RequestID: s.request(), Order: s.text("reference"),
		Invoiced: s.currency("invoiceCurrency"), Asset: s.currency("paymentCurrency"),
		From: s.date("fromDate"), To: s.date("toDate"),
		Limit: s.number("limit", defaultLimit, 1, maxLimit), Offset: s.number("offset", 0, 0, checkout.SearchDepth),
	}
	if text := s.text("walletAddress"); text != "" {
		var err error
		if q.Wallet, err = asset.ParseAddress(text); err != nil && !tronAddress(text) {
			s.fail("walletAddress", "walletAddress is "+err.Error())
		}
		s.nothing = s.nothing || q.Wallet.IsZero()
	}
	switch text := s.text("type"); {
	case text == string(checkout.Directly), text == string(checkout.OverBridge):
		q.Came = checkout.Came(text)
	case slices.Contains(typesNever, text):
		s.nothing = true
	case text != "":
		s.fail("type", "type must be one of direct, conversion, crosschain, recurring")
	}
	if !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
		s.fail("toDate", "toDate must be after or equal to fromDate")
	}
	return q
}

// hex reads 0x and the digits of a number of bytes.
func (s *searchQuery) hex(name string, bytes int) string {
	text := strings.ToLower(s.text(name))
	if text == "" {
		return ""
	}
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok || len(digits) != 2*bytes || strings.Trim(digits, "0123456789abcdef") != "" {
		s.fail(name, fmt.Sprintf("%s must be 0x and %d hexadecimal digits", name, 2*bytes))
	}
	return text
}

// request reads a request's id.
func (s *searchQuery) request() string {
	text := s.text("requestId")
	if len(text) > 0 && (len(text) != 66 || strings.Trim(text, "0123456789abcdef") != "") {
		s.fail("requestId", "requestId must be 01 and 64 lower-case hexadecimal digits")
	}
	return text
}

// currency reads a currency's id in any of its spellings. One that is not known
// here, like a fiat currency, is nobody's payment.
func (s *searchQuery) currency(name string) asset.ID {
	text := s.text(name)
	if text == "" {
		return ""
	}
	t, ok := s.book.Token(asset.ID(text))
	s.nothing = s.nothing || !ok
	return t.ID
}

// date reads a time in ISO 8601.
func (s *searchQuery) date(name string) time.Time {
	text := s.text(name)
	if text == "" {
		return time.Time{}
	}
	at, ok := parseTime(text)
	if !ok {
		s.fail(name, name+" must be an ISO 8601 date in UTC, like 2026-01-31T00:00:00.000Z")
	}
	return at
}

func (s *searchQuery) number(name string, otherwise, least, most int) int {
	text := s.text(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most || strconv.Itoa(n) != text {
		s.fail(name, fmt.Sprintf("%s must be a whole number from %d to %d", name, least, most))
		return otherwise
	}
	return n
}
