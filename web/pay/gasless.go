package pay

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/web"
)

// payerOf reads who is about to pay: a wallet, a Safe, or the smart account of a
// wallet.
//
// Faults: Invalid on "wallet", "isSafe" and "eoaWallet".
func payerOf(c echo.Context) (payer rail.Payer, err error) {
	if payer.Wallet, err = walletOf(c); err != nil {
		return payer, err
	}
	if payer.Safe, err = web.IsSafe(c); err != nil {
		return payer, err
	}
	owner := c.QueryParam("eoaWallet")
	if owner == "" {
		return payer, nil
	}
	if payer.Safe {
		return payer, fault.Field("eoaWallet", "safe_with_eoa_wallet", "isSafe and eoaWallet exclude each other: a Safe pays by itself.")
	}
	if payer.Owner, err = asset.ParseAddress(owner); err != nil || payer.Owner.IsZero() {
		return payer, fault.Field("eoaWallet", "invalid_wallet", "eoaWallet must be an EVM address.").Because(err)
	}
	return payer, nil
}

func walletOf(c echo.Context) (asset.Address, error) {
	wallet, err := asset.ParseAddress(c.QueryParam("wallet"))
	if err != nil {
		return wallet, fault.Field("wallet", "invalid_wallet", "wallet must be an EVM address.").Because(err)
	}
	return wallet, nil
}

// asking is the query of this page's endpoints about operations.
func asking(pm *payment.Payment, endpoint, option string, wallet asset.Address) string {
	return "/checkout/" + string(pm.ID) + "/" + endpoint + "?" + url.Values{"option": {option}, "wallet": {wallet.String()}}.Encode()
}

// gasless is what the script makes an operation of. Amounts are decimal strings of
// base units.
type gasless struct {
	Kind        string         `json:"kind"`    // of smart account: "light-account-2.0.0"
	Sponsor     string         `json:"sponsor"` // who pays for gas, for people
	EntryPoint  string         `json:"entryPoint"`
	ChainID     asset.ChainID  `json:"chainId"`
	Account     string         `json:"account"`
	Deployed    bool           `json:"deployed"`
	Factory     string         `json:"factory"`
	FactoryData string         `json:"factoryData"`
	Nonce       string         `json:"nonce"` // of the next operation, hexadecimal
	Token       gaslessToken   `json:"token"` // what the account takes of its owner
	Amount      string         `json:"amount"`
	Balance     string         `json:"balance"`   // the owner's
	Allowance   string         `json:"allowance"` // what the account may take of it already
	Permit      *gaslessPermit `json:"permit"`    // null for tokens without
	BundlerURL  string         `json:"bundlerUrl"`
	Calls       pageCalls      `json:"calls"` // the account's
}

type gaslessToken struct {
	Asset    asset.ID `json:"asset"`
	Symbol   string   `json:"symbol"`
	Decimals uint8    `json:"decimals"`
	Address  string   `json:"address"`
}

// gaslessPermit is what the owner signs a permit under (EIP-2612).
type gaslessPermit struct {
	Name              string        `json:"name"`
	Version           string        `json:"version"`
	ChainID           asset.ChainID `json:"chainId"`
	VerifyingContract string        `json:"verifyingContract"`
	Salt              string        `json:"salt"` // "" if the token's domain has none
	Nonce             string        `json:"nonce"`
	Deadline          int64         `json:"deadline"` // the latest, in Unix seconds
}

// gasless tells what it takes to pay from a wallet's smart account.
func (p *hosted) gasless(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	owner, err := walletOf(c)
	if err != nil {
		return err
	}
	v, err := p.Checkout.GaslessView(c.Request().Context(), pm, c.QueryParam("option"), owner)
	if err != nil {
		return err
	}
	s := v.State
	answer := gasless{
		Kind: v.Offer.Kind, Sponsor: v.Offer.Sponsor, EntryPoint: userop.EntryPoint.String(), ChainID: v.Option.Chain,
		Account: s.Account.String(), Deployed: s.Deployed, Factory: s.Factory.String(), FactoryData: "0x" + hex.EncodeToString(s.FactoryData),
		Nonce:  "0x" + s.Nonce.Text(16),
		Token:  gaslessToken{Asset: v.Token.ID, Symbol: v.Token.Symbol, Decimals: v.Token.Decimals, Address: v.Token.Address.String()},
		Amount: v.Amount.String(), Balance: s.Balance.String(), Allowance: s.Allowance.String(),
		BundlerURL: asking(pm, "bundler", v.Option.ID, owner), Calls: p.pageCalls(pm, v.Calls),
	}
	if t := s.Permit; t != nil {
		answer.Permit = &gaslessPermit{
			Name: t.Name, Version: t.Version, ChainID: t.ChainID, VerifyingContract: t.Contract.String(), Salt: t.Salt, Nonce: t.Nonce.String(),
			Deadline: v.Until.Unix(),
		}
	}
	return c.JSON(http.StatusOK, answer)
}

// questions are what may be asked about an operation. What is not among them is
// asked of nobody.
var questions = map[string]checkout.GaslessKind{
	userop.MethodPrices: checkout.GaslessFees, userop.MethodTip: checkout.GaslessFees,
	userop.MethodEstimate: checkout.GaslessEstimate, userop.MethodStub: checkout.GaslessStub, userop.MethodData: checkout.GaslessData,
	userop.MethodAlchemy: checkout.GaslessSponsor, userop.MethodSend: checkout.GaslessSend,
	userop.MethodReceipt: checkout.GaslessReceipt, userop.MethodLookup: checkout.GaslessLookup,
}

// walletMethods are those of ERC-7677, which wallets ask.
var walletMethods = []string{userop.MethodChain, userop.MethodStub, userop.MethodData}

// bundler answers the page's own kit.
func (p *hosted) bundler(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	return p.answer(c, pm, false)
}

// paymaster answers wallets that are smart accounts themselves, wherever they ask
// from: the link's token is all they have to show. It looks at no cookie.
func (p *hosted) paymaster(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	// Wallets may ask from servers of their own, one address for many payers.
	if err := p.Limits.Take(c, p.Limits.Page, "paymaster", string(pm.ID)); err != nil {
		return err
	}
	return p.answer(c, pm, true)
}

// answer answers one question of JSON-RPC: with status 200, whatever the answer is,
// once it is known to be one.
func (p *hosted) answer(c echo.Context, pm *payment.Payment, own bool) error {
	ctx := c.Request().Context()
	wallet, err := walletOf(c)
	if err != nil {
		return err
	}
	body, err := web.Body(c, userop.MaxQuestion)
	if err != nil {
		return err
	}
	by := checkout.GaslessAsker{Option: c.QueryParam("option"), Wallet: wallet, Own: own}
	chain, err := p.Checkout.GaslessChain(ctx, pm, by)
	if err != nil {
		return err
	}
	q, err := userop.ParseQuestion(body, chain)
	if err == nil && own && !slices.Contains(walletMethods, q.Method) {
		err = &userop.Refusal{Code: userop.CodeMethod, Message: "There is no such method here."}
	}
	var result any
	if err == nil {
		result, err = p.result(ctx, pm, by, q, chain)
	}
	if q.Method == userop.MethodSend && q.Op != nil {
		p.remember(c, pm, *q.Op, chain)
	}
	var text []byte
	if err != nil {
		text, err = q.Refuse(p.refusal(ctx, pm, err))
	} else {
		text, err = q.Answer(result)
	}
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, text)
}

// result is what a question's answer is made of.
func (p *hosted) result(ctx context.Context, pm *payment.Payment, by checkout.GaslessAsker, q userop.Question, chain asset.ChainID) (any, error) {
	switch q.Method {
	case userop.MethodChain:
		return chain, nil
	case userop.MethodEntryPoints:
		return []asset.Address{userop.EntryPoint}, nil
	}
	kind, known := questions[q.Method]
	if !known {
		return nil, &userop.Refusal{Code: userop.CodeMethod, Message: "There is no such method here."}
	}
	asked := checkout.GaslessQuestion{Kind: kind, Method: q.Method}
	switch kind {
	case checkout.GaslessReceipt, checkout.GaslessLookup:
		asked.Hash = q.Hash.String()
	case checkout.GaslessFees:
	default:
		op, err := json.Marshal(q.Op)
		if err != nil {
			return nil, &userop.Refusal{Code: userop.CodeParams, Message: "The operation cannot be read."}
		}
		asked.Op = op
	}
	result, err := p.Checkout.AnswerGasless(ctx, pm, by, asked)
	return jsontext.Value(result), err
}

// remember keeps in this browser's session what it has sent, if it is announced by
// now: even where the bundler's answer was lost, or a no. The answer does not depend
// on it.
func (p *hosted) remember(c echo.Context, pm *payment.Payment, op userop.Op, chain asset.ChainID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), rememberFor)
	defer cancel()
	hash, err := op.Hash(chain)
	if err != nil {
		return // no operation, and never announced
	}
	now, err := p.Checkout.Payment(ctx, pm.ID)
	if err == nil && slices.ContainsFunc(now.Attempts, func(a payment.Attempt) bool { return a.Op != nil && a.Handle == hash.String() }) {
		err = p.Sessions.Announce(c.Response(), c.Request(), string(pm.ID), hash.String())
	}
	if err != nil {
		p.Log.ErrorContext(ctx, "operation not kept in the session", "payment", pm.ID, "err", err)
	}
}

// rememberFor is how long looking up an announcement may take once the question's
// own time is over.
const rememberFor = 2 * time.Second

// opChecks are the checks of an operation. Refusing one is the answer to what was
// asked, and no failure of whoever answers.
var opChecks = map[string]bool{
	userop.CheckSender: true, userop.CheckFactory: true, userop.CheckNonce: true, userop.CheckCalls: true, userop.CheckPermit: true,
	userop.CheckValue: true, userop.CheckGas: true, userop.CheckFees: true, userop.CheckPaymaster: true,
	"op_invalid": true,
}

// refusal words a fault for JSON-RPC.
func (p *hosted) refusal(ctx context.Context, pm *payment.Payment, err error) *userop.Refusal {
	if r, ok := errors.AsType[*userop.Refusal](err); ok {
		return r
	}
	f := fault.From(err)
	if errors.Is(err, context.DeadlineExceeded) {
		f = fault.New(fault.Unavailable, "timeout", "This took too long. Please try again.").Because(err)
	}
	if (f.Kind == fault.Internal || f.Kind == fault.Unavailable) && !errors.Is(err, context.Canceled) {
		p.Log.ErrorContext(ctx, "question about an operation not answered", "payment", pm.ID, "code", f.Code, "err", err)
	}
	r := &userop.Refusal{Code: userop.CodeServer, Message: f.Public, Name: f.Code}
	if f.Kind == fault.Invalid && opChecks[f.Code] {
		r.Code = userop.CodeParams
	}
	return r
}

// anyOrigin lets pages of any site read an answer, and ask for it: wallets have
// pages of their own. What is answered depends on no cookie.
func anyOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", web.RateLimitHeaders+", Retry-After")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		return next(c)
	}
}

// preflight answers a browser that asks before it lets a wallet's page ask.
func preflight(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	h.Set("Access-Control-Allow-Headers", "Content-Type")
	h.Set("Access-Control-Max-Age", "600")
	return web.NoContent(c)
}

// maxWhy bounds what is told of a contract's words, in characters.
const maxWhy = 120

// sayable leaves of a stranger's words what can be shown in a sentence: no control
// characters, none that reorder text, and not too much.
func sayable(words string) string {
	words = strings.ToValidUTF8(words, "")
	words = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, words)
	if all := []rune(words); len(all) > maxWhy {
		words = string(all[:maxWhy]) + "…"
	}
	return strings.TrimSpace(words)
}
