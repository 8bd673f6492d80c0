package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

type linksWire struct {
	Merchant              payment.MerchantID `json:"merchant"`
	Callbacks             []string           `json:"callbacks"`
	Endpoints             []string           `json:"endpoints"`
	Default               string             `json:"default"`
	ServiceFee            string             `json:"serviceFee"` // percent
	TellCancel            bool               `json:"tellCancel"`
	Encrypted             bool               `json:"encrypted"`
	HasEncryptionKey      bool               `json:"hasEncryptionKey"`
	PreviousSecretExpires *time.Time         `json:"previousSecretExpiresAt,omitempty"`
	// Only where they were asked for:
	Secret         string `json:"secret,omitempty"`
	PreviousSecret string `json:"previousSecret,omitempty"`
	EncryptionKey  string `json:"encryptionKey,omitempty"`
}

func linksOf(l merchant.LinkSettings, now time.Time, secrets bool) linksWire {
	w := linksWire{
		Merchant: l.Merchant, Callbacks: append([]string{}, l.Callbacks...), Endpoints: append([]string{}, l.Endpoints...), Default: l.Default,
		ServiceFee: l.ServiceFee.String(), TellCancel: l.TellCancel, Encrypted: l.Encrypted, HasEncryptionKey: l.EncryptionKey != "",
	}
	replaced := l.PreviousSecret != "" && now.Before(l.PreviousUntil)
	if replaced {
		w.PreviousSecretExpires = &l.PreviousUntil
	}
	if secrets {
		w.Secret, w.EncryptionKey = l.Secret, l.EncryptionKey
		if replaced {
			w.PreviousSecret = l.PreviousSecret
		}
	}
	return w
}

func (w linksWire) tell(out io.Writer) {
	line := func(name, value string) { _, _ = fmt.Fprintf(out, "%-18s %s\n", name, value) }
	tellPlaces(line, "callbacks", w.Callbacks)
	tellPlaces(line, "endpoints", w.Endpoints)
	line("default endpoints", orNone(w.Default))
	line("service fee", w.ServiceFee+" % (told, never taken)")
	line("tell of cancels", yesNo(w.TellCancel))
	line("encrypted", yesNo(w.Encrypted))
	if w.EncryptionKey != "" {
		line("encryption key", w.EncryptionKey)
	} else {
		line("encryption key", map[bool]string{true: "set", false: "none"}[w.HasEncryptionKey])
	}
	if w.Secret != "" {
		line("signing secret", w.Secret)
	}
	if w.PreviousSecretExpires != nil {
		line("previous secret", strings.TrimSpace(w.PreviousSecret+" signs until "+w.PreviousSecretExpires.Format(time.RFC3339)))
	}
}

func tellPlaces(line func(name, value string), what string, urls []string) {
	if len(urls) == 0 {
		line(what, "none")
	}
	for i, u := range urls {
		line(what, fmt.Sprintf("%d  %s", i, u))
		what = ""
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func yesNo(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}

// linksCommand says what a merchant has set for payment links.
func linksCommand(o *options) *cobra.Command {
	return group("links", "Show and set what a merchant's payment links start from", linksShow(o), linksSet(o))
}

func linksShow(o *options) *cobra.Command {
	var owner string
	var secrets bool
	show := &cobra.Command{
		Use: "show", Short: "Show callback URLs, webhook endpoints and the rest; secrets only if asked", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				l, err := a.Store.LinkSettings(c.Context(), payment.MerchantID(owner))
				if err != nil {
					return err
				}
				w := linksOf(l, time.Now().UTC(), secrets)
				return o.print(c.OutOrStdout(), w, w.tell)
			})
		},
	}
	merchantFlag(show, &owner)
	show.Flags().BoolVar(&secrets, "secret", false, "show the signing secret and the encryption key, too")
	return show
}

// linkFlags are the flags of links set, of which only those that are there count.
type linkFlags struct {
	owner                        string
	callbacks, endpoints         []string
	def, fee, keyFile            string
	tell, encrypt, newKey, noKey bool
	rotate                       bool
	overlap                      time.Duration
}

func linksSet(o *options) *cobra.Command {
	var f linkFlags
	set := &cobra.Command{
		Use: "set", Short: "Set some of it; what is not named stays", Args: cobra.NoArgs,
		Long: "Set some of what a merchant's payment links start from; what is not named stays.\n\n" +
			"Links name callback URLs and endpoints by their places in these lists, counted from 0. A list is replaced as a whole:\n" +
			"repeat the flag for each of its URLs, in their order, or give it once with \"\" for an empty list.",
		RunE: func(c *cobra.Command, _ []string) error {
			change, err := f.change(c)
			if err != nil {
				return err
			}
			return o.admin(c, func(a *app.Admin) error {
				l, err := a.SetLinks(c.Context(), payment.MerchantID(f.owner), change)
				if err != nil {
					return err
				}
				w := linksOf(l, time.Now().UTC(), false)
				if f.rotate {
					w.Secret = l.Secret
				}
				if f.newKey {
					w.EncryptionKey = l.EncryptionKey
				}
				return o.print(c.OutOrStdout(), w, w.tell)
			})
		},
	}
	merchantFlag(set, &f.owner)
	fs := set.Flags()
	fs.StringArrayVar(&f.callbacks, "callback", nil, "a URL that payers go back to (repeatable)")
	fs.StringArrayVar(&f.endpoints, "endpoint", nil, "a URL that gets webhooks of links (repeatable)")
	fs.StringVar(&f.def, "default", "", `the endpoints of links that name none: places and URLs, like "0" or "0,https://shop.example.com/paid"`)
	fs.StringVar(&f.fee, "service-fee", "", "the percentage that answers tell of as servicefee; nobody takes it")
	fs.BoolVar(&f.tell, "tell-cancel", false, "send a webhook when a payer cancels a link, too")
	fs.BoolVar(&f.encrypt, "encrypt", false, "encrypt the webhooks of links that do not say otherwise")
	fs.StringVar(&f.keyFile, "encryption-key-file", "", "file with the 32 characters that encrypt webhooks of links which bring no key; - for standard input")
	fs.BoolVar(&f.newKey, "new-encryption-key", false, "make such a key, and show it")
	fs.BoolVar(&f.noKey, "no-encryption-key", false, "forget it")
	fs.BoolVar(&f.rotate, "rotate-secret", false, "make another signing secret, and show it; the old one signs on for a while")
	fs.DurationVar(&f.overlap, "overlap", 24*time.Hour, "how long the old secret signs as well; 0 if it leaked")
	set.MarkFlagsMutuallyExclusive("encryption-key-file", "new-encryption-key", "no-encryption-key")
	return set
}

func (f *linkFlags) change(c *cobra.Command) (app.LinkChange, error) {
	var out app.LinkChange
	named := 0
	has := func(name string) bool {
		if c.Flags().Changed(name) {
			named++
			return true
		}
		return false
	}
	list := func(urls []string) *[]string {
		if len(urls) == 1 && urls[0] == "" {
			urls = nil
		}
		return &urls
	}
	if has("callback") {
		out.Callbacks = list(f.callbacks)
	}
	if has("endpoint") {
		out.Endpoints = list(f.endpoints)
	}
	if has("default") {
		out.Default = &f.def
	}
	if has("service-fee") {
		out.ServiceFee = &f.fee
	}
	if has("tell-cancel") {
		out.TellCancel = &f.tell
	}
	if has("encrypt") {
		out.Encrypted = &f.encrypt
	}
	if has("rotate-secret") {
		out.Rotate, out.Overlap = f.rotate, f.overlap
	}
	var err error
	key := ""
	switch {
	case has("encryption-key-file"):
		key, err = readKey(c, f.keyFile)
		out.EncryptionKey = &key
	case has("new-encryption-key") && f.newKey:
		key = newKey()
		out.EncryptionKey = &key
	case has("no-encryption-key") && f.noKey:
		out.EncryptionKey = &key
	}
	if err == nil && named == 0 {
		err = errors.New("nothing is to be set: see quittance links set --help")
	}
	return out, err
}

// maxKey is more than a key and the line's end.
const maxKey = 100

// readKey reads an encryption key. It is never an argument, where others on the machine
// could read it.
func readKey(c *cobra.Command, file string) (string, error) {
	in := c.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("the key's file: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxKey))
	if err != nil {
		return "", fmt.Errorf("reading the key: %w", err)
	}
	key := strings.TrimRight(string(b), "\r\n")
	if key == "" {
		return "", errors.New("the key is empty")
	}
	return key, nil
}

// keyAlphabet has 64 characters, so that each of a key's is 6 bits.
const keyAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func newKey() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime aborts instead
	for i, x := range b {
		b[i] = keyAlphabet[x&63]
	}
	return string(b[:])
}
