package secpaid

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"quittance/internal/fault"
)

// link is one link, as this API tells of it.
type link struct {
	ID         int64
	Order      order
	Owner      account
	Recipients string   // JSON, "" for a link of one recipient
	Users      []string // the recipients' ids, in the order of the payment's requests
	Status     string
	CreatedAt  time.Time
	PaidAt     time.Time // zero if it is not
}

// The bodies, in the documented order of their members.

type linkWire struct {
	// IsCancellation is inverted: "No" means that the payer may cancel (create-link,
	// response table).
	IsCancellation           string      `json:"is_cancellation"`
	UserID                   string      `json:"user_id"`
	Amount                   json.Number `json:"amount"`
	RecipientNote            string      `json:"recipient_note"`
	Status                   string      `json:"status"`
	PaymentEndpoint          string      `json:"paymentEndpoint"`
	CallbackURL              string      `json:"callback_url"`
	ServiceFee               string      `json:"servicefee"` // percent
	Recipients               *string     `json:"recipients"`
	IsSplitLink              string      `json:"is_split_link"`
	SplitType                string      `json:"split_type"`
	BankTransfer             string      `json:"bank_transfer"`
	IsQRLink                 string      `json:"is_qr_link"`
	PaymentConfig            string      `json:"payment_config"`
	BankStatementDescription string      `json:"bank_statement_description"`
	CreatedAt                string      `json:"created_at"`
	ID                       int64       `json:"id"`
	PayLink                  string      `json:"pay_link"`
	QRImg                    string      `json:"qr_img"`
	TransactionType          string      `json:"transaction_type"`
}

// unusedWire is an entry of getMyUnusedLinks. Ids are texts here.
type unusedWire struct {
	LinkToPayID     string  `json:"linktopay_id"`
	UserID          string  `json:"user_id"`
	RecipientNote   string  `json:"recipient_note"`
	Amount          string  `json:"amount"` // "25.00"
	IsCancelled     string  `json:"is_cancelled"`
	Recipients      *string `json:"recipients"`
	IsSplitLink     string  `json:"is_split_link"`
	PayLink         string  `json:"pay_link"`
	QRImg           string  `json:"qr_img"`
	TransactionType string  `json:"transaction_type"`
	Status          string  `json:"status"` // not documented
}

// usedWire is an entry of getMyUsedLinks.
type usedWire struct {
	LinkToPayID     string  `json:"linktopay_id"`
	UserID          string  `json:"user_id"`
	RecipientNote   string  `json:"recipient_note"`
	Amount          string  `json:"amount"`
	IsCancelled     string  `json:"is_cancelled"`
	Recipients      *string `json:"recipients"`
	IsSplitLink     string  `json:"is_split_link"`
	PaidOn          string  `json:"paid_on"`
	TransactionType string  `json:"transaction_type"`
	Status          string  `json:"status"` // not documented
}

// transactionWire is an entry of getPayInTransactions.
type transactionWire struct {
	PayID           string  `json:"pay_id"`
	CreatorID       string  `json:"creator_id"`
	UserID          string  `json:"user_id"`
	Amount          string  `json:"amount"`
	NetAmount       string  `json:"net_amount"`
	ServiceFee      string  `json:"service_fee"`
	ServiceFeePSP   string  `json:"service_fee_psp"`
	Status          string  `json:"status"`
	RecipientNote   string  `json:"recipient_note"`
	PayoutStatus    string  `json:"payout_status"`
	CreatedAt       string  `json:"created_at"`
	IsSplitLink     string  `json:"is_split_link"`
	IsDispute       string  `json:"is_dispute"`
	IsRefund        string  `json:"is_refund"`
	PaymentMethod   *string `json:"payment_method"`
	TransactionType string  `json:"transaction_type"`
}

// confirmedWire is what became of a link by the merchant's word.
type confirmedWire struct {
	ID     int64  `json:"id"`
	Status string `json:"status"`
}

// countedWire is an answer with a page of a list: totalRecords is how many there are in all,
// as earlier versions of this API told.
type countedWire[T any] struct {
	Data []T `json:"data"`
	envelope
	TotalRecords int `json:"totalRecords"`
}

// The types of transactions.
const (
	typeBasic  = "Basic"
	typeSplit  = "Split"
	typeQR     = "Personal QR"
	typeRefund = "Refund"
)

func (l link) transactionType() string {
	switch {
	case l.Order.Split != nil:
		return typeSplit
	case l.Order.QR:
		return typeQR
	}
	return typeBasic
}

// created is the body of createLink and createSplitLink. base is the server's origin.
func (l link) created(base string) linkWire {
	o := l.Order
	w := linkWire{
		IsCancellation: yes(!o.Cancellable), UserID: userID(l.Owner.Merchant), Amount: json.Number(plainEuros(o.Cents)), RecipientNote: o.Note,
		Status: l.Status, PaymentEndpoint: joined(o.Endpoints), CallbackURL: joined(o.Callbacks), ServiceFee: percent(l.Owner.ServiceFee),
		IsSplitLink: "false", SplitType: splitNormal, BankTransfer: isTrue(o.Transfer), IsQRLink: isTrue(o.QR), BankStatementDescription: o.Statement,
		CreatedAt: second(l.CreatedAt), ID: l.ID, PayLink: payLink(base, l.ID), QRImg: qrImage(base, l.ID), TransactionType: typeBasic,
	}
	if o.Split != nil {
		w.Recipients, w.IsSplitLink, w.SplitType, w.TransactionType = l.recipients(), "true", o.Split.Type, typeSplit
	}
	return w
}

func (l link) recipients() *string {
	if l.Recipients == "" {
		return nil
	}
	return &l.Recipients
}

func (l link) unused(base string) unusedWire {
	return unusedWire{
		LinkToPayID: fmt.Sprint(l.ID), UserID: userID(l.Owner.Merchant), RecipientNote: l.Order.Note, Amount: twoDecimals(l.Order.Cents),
		IsCancelled: yes(l.Status == statusCancelled), Recipients: l.recipients(), IsSplitLink: isTrue(l.Order.Split != nil),
		PayLink: payLink(base, l.ID), QRImg: qrImage(base, l.ID), TransactionType: l.transactionType(), Status: l.Status,
	}
}

func (l link) used() usedWire {
	return usedWire{
		LinkToPayID: fmt.Sprint(l.ID), UserID: userID(l.Owner.Merchant), RecipientNote: l.Order.Note, Amount: twoDecimals(l.Order.Cents),
		IsCancelled: yes(l.Status == statusCancelled), Recipients: l.recipients(), IsSplitLink: isTrue(l.Order.Split != nil),
		PaidOn: second(l.PaidAt), TransactionType: l.transactionType(), Status: l.Status,
	}
}

// How money came, or went back.
const (
	methodCrypto = "crypto"
	methodBank   = "bank_transfer"
)

// transaction is a row of money that came in for a link. user is whose money it is: of split
// links each recipient has rows of the own. The money is with the user: nothing is paid out
// later, and no fee was taken.
func (l link) transaction(user string, cents int64, method, status string, at time.Time) transactionWire {
	return transactionWire{
		PayID: fmt.Sprint(l.ID), CreatorID: userID(l.Owner.Merchant), UserID: user, Amount: twoDecimals(cents), NetAmount: twoDecimals(cents),
		ServiceFee: "0.00", ServiceFeePSP: "0.00", Status: status, RecipientNote: l.Order.Note, PayoutStatus: "Approved", CreatedAt: second(at),
		IsSplitLink: isTrue(l.Order.Split != nil), IsDispute: "false", IsRefund: "false", PaymentMethod: &method, TransactionType: l.transactionType(),
	}
}

// refund is a row of money that went back: as much as it was worth when it came, as a
// negative amount.
func (l link) refund(user string, cents int64, method string, at time.Time) transactionWire {
	w := l.transaction(user, -cents, method, "Success", at)
	w.IsRefund, w.TransactionType = "true", typeRefund
	return w
}

// succeeded is an answer with data, said one without.
func succeeded[T any](data T, text string, now time.Time) answerWire[T] {
	return answerWire[T]{data, said(text, now)}
}

func said(text string, now time.Time) envelope {
	return envelope{ResponseCode: 1, ResponseMsg: text, Result: "True", ServerTime: zone(now)}
}

func refused(f *fault.Error, now time.Time) envelope {
	return envelope{ResponseMsg: f.Public, Result: "False", ServerTime: zone(now)}
}

// encode writes a body with the characters of URLs as they are.
func encode(body any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, fmt.Errorf("encode a body: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
