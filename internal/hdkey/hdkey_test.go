package hdkey_test

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quittance/internal/hdkey"
)

// The public chains of BIP-32's test vectors 1 and 2: a parent, the path to a child,
// and the child.
func TestBIP32Vectors(t *testing.T) {
	for _, c := range []struct {
		parent string
		index  uint32
		child  string
	}{
		{"xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw", 1,
			"xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ"},
		{"xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5", 2,
			"xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV"},
		{"xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV", 1000000000,
			"xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy"},
		{"xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB", 0,
			"xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH"},
		{"xpub6ASAVgeehLbnwdqV6UKMHVzgqAG8Gr6riv3Fxxpj8ksbH9ebxaEyBLZ85ySDhKiLDBrQSARLq1uNRts8RuJiHjaDMBU4Zn9h8LZNnBC5y4a", 1,
			"xpub6DF8uhdarytz3FWdA8TvFSvvAh8dP3283MY7p2V4SeE2wyWmG5mg5EwVvmdMVCQcoNJxGoWaU9DCWh89LojfZ537wTfunKau47EL2dhHKon"},
		{"xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMzQLcgJvLJuZZvRcEL", 2,
			"xpub6FnCn6nSzZAw5Tw7cgR9bi15UV96gLZhjDstkXXxvCLsUXBGXPdSnLFbdpq8p9HmGsApME5hQTZ3emM2rnY5agb9rXpVGyy3bdW6EEgAtqt"},
	} {
		parent, err := hdkey.Parse(c.parent)
		if err != nil {
			t.Fatalf("%s: %v", c.parent, err)
		}
		got, err := parent.Child(c.index)
		if err != nil {
			t.Fatalf("child %d of %s: %v", c.index, c.parent, err)
		}
		want, err := hdkey.Parse(c.child)
		if err != nil {
			t.Fatalf("%s: %v", c.child, err)
		}
		if !got.Equal(want) {
			t.Errorf("child %d of %s is not %s", c.index, c.parent, c.child)
		}
	}
}

// BIP-32's test vector 5, and what merchants may paste by mistake.
func TestRefused(t *testing.T) {
	const good = "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8"
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"a private key's bytes":           {"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6LBpB85b3D2yc8sfvZU521AAwdZafEz7mnzBBsz4wKY5fTtTQBm", hdkey.ErrKey},
		"prefix 04":                       {"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Txnt3siSujt9RCVYsx4qHZGc62TG4McvMGcAUjeuwZdduYEvFn", hdkey.ErrKey},
		"prefix 01":                       {"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6N8ZMMXctdiCjxTNq964yKkwrkBJJwpzZS4HS2fxvyYUA4q2Xe4", hdkey.ErrKey},
		"a root with a parent":            {"xpub661no6RGEX3uJkY4bNnPcw4URcQTrSibUZ4NqJEw5eBkv7ovTwgiT91XX27VbEXGENhYRCf7hyEbWrR3FewATdCEebj6znwMfQkhRYHRLpJ", hdkey.ErrKey},
		"a root with an index":            {"xpub661MyMwAuDcm6CRQ5N4qiHKrJ39Xe1R1NyfouMKTTWcguwVcfrZJaNvhpebzGerh7gucBvzEQWRugZDuDXjNDRmXzSZe4c7mnTK97pTvGS8", hdkey.ErrKey},
		"an unknown version":              {"DMwo58pR1QLEFihHiXPVykYB6fJmsTeHvyTp7hRThAtCX8CvYzgPcn8XnmdfHGMQzT7ayAmfo4z3gY5KfbrZWZ6St24UVf2Qgo6oujFktLHdHY4", hdkey.ErrVersion},
		"not on the curve":                {"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Q5JXayek4PRsn35jii4veMimro1xefsM58PgBMrvdYre8QyULY", hdkey.ErrKey},
		"wrong checksum":                  {"xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHL", hdkey.ErrChecksum},
		"a private key":                   {"xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi", hdkey.ErrPrivate},
		"nothing":                         {"", hdkey.ErrSyntax},
		"blanks":                          {" " + good, hdkey.ErrSyntax},
		"one character less":              {good[:len(good)-1], hdkey.ErrSyntax},
		"a letter that base58 has not":    {strings.Replace(good, "o", "0", 1), hdkey.ErrSyntax},
		"two letters swapped":             {good[:50] + good[51:52] + good[50:51] + good[52:], hdkey.ErrChecksum},
		"ones before it":                  {"1" + good, hdkey.ErrSyntax},
		"an address":                      {"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", hdkey.ErrSyntax},
		"something that is a hundred kB":  {strings.Repeat("x", 100_000), hdkey.ErrSyntax},
		"bytes that are no characters":    {good[:20] + "\xff" + good[21:], hdkey.ErrSyntax},
		"twelve words":                    {"test test test test test test test test test test test junk", hdkey.ErrSyntax},
		"a key of another chain's wallet": {"zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs", hdkey.ErrVersion},
	} {
		k, err := hdkey.Parse(c.text)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil {
			t.Errorf("%s: made a key %v", name, k)
		}
		if err != nil && len(c.text) > 20 && strings.Contains(err.Error(), c.text[:12]) {
			t.Errorf("%s: the error quotes the text: %v", name, err)
		}
	}
}

type vectors struct {
	Keys []struct {
		Account      uint32
		XPub, Branch string
		Addresses    map[string]string
	}
}

// What wallets show: derived by other people's code from published test phrases, the
// first of which is everybody's (Hardhat, Foundry).
func TestAddressesAreThoseOfWallets(t *testing.T) {
	text, err := os.ReadFile("testdata/ethereum.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil || len(v.Keys) < 4 {
		t.Fatalf("%d keys, %v", len(v.Keys), err)
	}
	if v.Keys[0].Addresses["0"] != "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266" {
		t.Fatal("the first address of the test phrase is not the one everybody knows")
	}
	for _, k := range v.Keys {
		account, err := hdkey.OpenBranch(k.XPub)
		if err != nil {
			t.Fatal(err)
		}
		branch, err := hdkey.OpenBranch(k.Branch)
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range k.Addresses {
			i, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range []hdkey.Branch{account, branch} {
				if got, err := b.Address(uint32(i)); err != nil || got.String() != want {
					t.Errorf("account %d, address %s: %s, %v; want %s", k.Account, text, got, err, want)
				}
			}
		}
		want := "m/44'/60'/" + strconv.Itoa(int(k.Account)) + "'/0/7"
		if got := account.Path(7); got != want || !account.Known() {
			t.Errorf("path of address 7: %s, want %s", got, want)
		}
		if got := branch.Path(7); got != "7" || branch.Known() {
			t.Errorf("path of address 7 below the branch's own key: %s", got)
		}
		a, errA := account.ID()
		b, errB := branch.ID()
		if a != b || errA != nil || errB != nil {
			t.Errorf("the account's key and its branch's are the same addresses and have two names, %s and %s", a, b)
		}
	}
}

func TestDepth(t *testing.T) {
	for _, text := range []string{
		"xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8", // m
		"xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ", // m/0'/1
		"xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy", // five below the root
		"xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMzQLcgJvLJuZZvRcEL", // four below, hardened
	} {
		if _, err := hdkey.OpenBranch(text); !errors.Is(err, hdkey.ErrDepth) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

const account = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"

func TestAddressesDiffer(t *testing.T) {
	b, err := hdkey.OpenBranch(account)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		i, j := rapid.Uint32Range(0, hdkey.Last).Draw(t, "i"), rapid.Uint32Range(0, hdkey.Last).Draw(t, "j")
		a, errA := b.Address(i)
		c, errC := b.Address(j)
		if errA != nil || errC != nil || (a == c) != (i == j) || a.IsZero() {
			t.Fatalf("%d: %s, %v; %d: %s, %v", i, a, errA, j, c, errC)
		}
	})
	for _, i := range []uint32{hdkey.Hardened, hdkey.Hardened + 1, 1<<32 - 1} {
		if _, err := b.Address(i); !errors.Is(err, hdkey.ErrIndex) {
			t.Errorf("index %d: %v", i, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(account)
	f.Add("xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi")
	f.Add("1111")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := hdkey.Parse(text)
		if err != nil {
			return
		}
		if !strings.HasPrefix(text, "xpub") {
			t.Fatalf("%q is taken for an extended public key", text)
		}
		c, err := k.Child(5)
		if err != nil || c.Equal(k) || c.Address() == k.Address() {
			t.Fatalf("%q: child %v, %v", text, c, err)
		}
	})
}

func BenchmarkAddress(b *testing.B) {
	branch, err := hdkey.OpenBranch(account)
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		if _, err := branch.Address(uint32(i)); err != nil {
			b.Fatal(err)
		}
	}
}
