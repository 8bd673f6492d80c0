//go:build !nosandbox

package sandbox

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// personalSign signs a message (ERC-191): [message, account], the message as bytes in
// hexadecimal or as text.
func (w *wallet) personalSign(params []json.RawMessage) (string, error) {
	var message string
	var account common.Address
	if len(params) < 2 || json.Unmarshal(params[0], &message) != nil || json.Unmarshal(params[1], &account) != nil {
		return "", &walletError{Code: codeParams, Message: "personal_sign takes a message and an account"}
	}
	data, err := hexutil.Decode(message)
	if err != nil {
		data = []byte(message)
	}
	return w.sign(account, accounts.TextHash(data))
}

// signTyped signs typed data (EIP-712): [account, data], the data as JSON or as a string of it.
func (w *wallet) signTyped(params []json.RawMessage) (string, error) {
	var account common.Address
	if len(params) != 2 || json.Unmarshal(params[0], &account) != nil {
		return "", &walletError{Code: codeParams, Message: "eth_signTypedData_v4 takes an account and typed data"}
	}
	text := string(params[1])
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(params[1], &text); err != nil {
			return "", &walletError{Code: codeParams, Message: "the typed data is malformed: " + err.Error()}
		}
	}
	var data apitypes.TypedData
	if err := json.Unmarshal([]byte(text), &data); err != nil {
		return "", &walletError{Code: codeParams, Message: "the typed data is malformed: " + err.Error()}
	}
	if id := data.Domain.ChainId; id != nil && (*big.Int)(id).Cmp(w.account.chainID) != 0 {
		return "", &walletError{Code: codeWrongChain, Message: "the sandbox wallet is connected to another chain"}
	}
	digest, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		return "", &walletError{Code: codeParams, Message: "the typed data is malformed: " + err.Error()}
	}
	return w.sign(account, digest)
}

// sign returns r, s, and v of 27 or 28.
func (w *wallet) sign(account common.Address, digest []byte) (string, error) {
	if account != address(w.account.key) {
		return "", &walletError{Code: codeUnauthorized, Message: "the sandbox wallet has another account"}
	}
	signature, err := crypto.Sign(digest, w.account.key)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	signature[64] += 27
	return hexutil.Encode(signature), nil
}
