//go:build !nosandbox

package app

import "quittance/internal/sandbox"

// demoLine is what `quittance demo --json` prints; its shape is documented.
type demoLine struct {
	BaseURL          string       `json:"baseUrl"`
	Merchant         demoMerchant `json:"merchant"`
	Payer            demoPayer    `json:"payer"`
	Saver            demoSaver    `json:"saver"`
	Chains           []demoChain  `json:"chains"`
	SecurePaymentURL string       `json:"securePaymentUrl"`
	Samples          demoSamples  `json:"samples"`
	RefusedWallet    string       `json:"refusedWallet"` // the one that the demo's screening refuses
	Sandbox          demoControls `json:"sandbox"`
	// ConfigFile lets the operator's commands work on this demo: `quittance --config FILE sweep list`.
	ConfigFile string `json:"configFile"`
}

// demoControls are where the demo's world is told how to behave: PUT and GET.
type demoControls struct {
	RouterURL string `json:"routerUrl"` // what the routing service answers
	BridgeURL string `json:"bridgeUrl"` // what becomes of money between the chains
	ChainsURL string `json:"chainsUrl"` // followed by "/" and a network: the server's line to it, and its blocks
	// BundlerURL is followed by "/" and a network, too: the bundler and the sponsor of gas.
	BundlerURL string `json:"bundlerUrl"`
	SaverURL   string `json:"saverUrl"`  // and this: the wallet of the payer without native coins
	PricesURL  string `json:"pricesUrl"` // what the price API says
	FeedsURL   string `json:"feedsUrl"`  // followed by "/" and a network: what its price feeds say
	// ExchangeURL is followed by "/" and a network: POST has the exchange pay out there.
	ExchangeURL string `json:"exchangeUrl"`
	// BankURL is a page on which links are paid by bank transfers, and BankURL + "/import"
	// takes statements; StatementURL writes them.
	BankURL      string `json:"bankUrl"`
	StatementURL string `json:"statementUrl"`

	Safe demoSafe `json:"safe"`
}

// demoSafe is the multisig account of the demo, the same on every chain.
type demoSafe struct {
	Address   string   `json:"address"`
	Version   string   `json:"version"`
	Owners    []string `json:"owners"` // the payer first
	Threshold int      `json:"threshold"`
	// AppURL is the Safe app; with "?app=" and a payment's link it opens that. Programs
	// ask below it: see docs/sandbox.md.
	AppURL string `json:"appUrl"`
}

func describeSafe(s *sandbox.Safe, baseURL string) demoSafe {
	return demoSafe{Address: s.Address, Version: string(sandbox.SafeVersion), Owners: s.Owners, Threshold: s.Threshold(), AppURL: safeOrigin(baseURL) + safePath}
}

type demoMerchant struct {
	ID                string `json:"id"` // that the operator's commands take
	APIKey            string `json:"apiKey"`
	ClientID          string `json:"clientId"`
	AllowedOrigin     string `json:"allowedOrigin"`
	WebhookSecret     string `json:"webhookSecret"`
	SpacePaySecretKey string `json:"spacepaySecretKey"`
	SecPaidToken      string `json:"secpaidToken"`

	Deposit demoKey     `json:"deposit"`
	Bank    demoAccount `json:"bank"`    // where bank transfers go
	Partner demoPeer    `json:"partner"` // whom links can be shared with
}

type demoPayer struct {
	Address    string `json:"address"`
	PrivateKey string `json:"privateKey"`
}

type demoChain struct {
	Name      string               `json:"name"`
	Network   string               `json:"network"`
	ChainID   uint64               `json:"chainId"`
	RPCURL    string               `json:"rpcUrl"`
	Tokens    map[string]demoToken `json:"tokens"`
	Contracts demoContracts        `json:"contracts"`
}

type demoToken struct {
	Address  string `json:"address"`
	Decimals int    `json:"decimals"`
}

type demoContracts struct {
	ERC20FeeProxy string `json:"erc20FeeProxy"`
	EthFeeProxy   string `json:"ethFeeProxy"`
	BatchPayments string `json:"batchPayments"`
}

func describe(kept *kept, chains *sandbox.Chains, baseURL, link string) demoLine {
	address, key := chains.Payer()
	d := demoLine{
		BaseURL: baseURL, SecurePaymentURL: link, Payer: demoPayer{Address: address, PrivateKey: key},
		Merchant: demoMerchant{
			ID: string(kept.MerchantID), APIKey: kept.APIKey, ClientID: kept.ClientID, AllowedOrigin: baseURL, WebhookSecret: kept.WebhookSecret,
			SpacePaySecretKey: kept.SpacePaySecret, SecPaidToken: kept.SecPaidToken,
			Deposit: demoKey{demoXPub, demoXPrv, demoPath}, Bank: demoAccount{demoIBAN, demoBIC, demoHolder},
			Partner: demoPeer{demoPartner, kept.PartnerToken, demoPartnerPayee.String()},
		},
	}
	for _, c := range chains.All() {
		line := demoChain{
			Name: c.Name, Network: c.Network, ChainID: c.ChainID, RPCURL: baseURL + "/sandbox/rpc/" + c.Network, Tokens: map[string]demoToken{},
			Contracts: demoContracts{ERC20FeeProxy: c.Contracts.ERC20FeeProxy, EthFeeProxy: c.Contracts.EthFeeProxy, BatchPayments: c.Contracts.BatchPayments},
		}
		for symbol, t := range c.Tokens {
			line.Tokens[symbol] = demoToken{Address: t.Address, Decimals: t.Decimals}
		}
		d.Chains = append(d.Chains, line)
	}
	return d
}
