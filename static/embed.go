// Package static is what browsers load beside the page: the script, the style
// sheet and the icons, built into the binary under names that carry a hash of
// their bytes. It knows no page and no HTTP; the web layer sets the headers.
//
// dist is built from ts and css by ts/build.mjs, and from kit by kit/build.mjs. It
// is committed, so that the server builds with Go alone.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
)

//go:embed dist/pay.js dist/deposit.js dist/deposit-pay.js dist/link.js dist/lock.js dist/ways.js dist/route.js dist/safe.js dist/gasless.js dist/operation.js dist/kit-light.js dist/kit-safe.js dist/kit-licenses.txt dist/pay.css dist/deposit.css dist/docs.css icons/favicon.svg icons/logo.svg
var page embed.FS

// Prefix is where the web layer serves assets.
const Prefix = "/static/"

// Asset is one file as it is sent. Its address changes with its bytes, so it
// may be cached for ever.
type Asset struct {
	Name string // "pay.js"
	URL  string // "/static/pay-0123456789ab.js"
	Body []byte
	Gzip []byte // the same, compressed; nil where that is no smaller
	Type string // media type with its charset
	ETag string // quoted, strong
}

// Assets is every file, by name and by address. It does not change after Load.
type Assets struct {
	byName map[string]Asset
	byURL  map[string]Asset
}

// Load reads, hashes and compresses what is built in. It fails on a file whose
// media type is not known and on two files of one name. What is built in never
// changes, so all callers share what the first one made.
func Load() (*Assets, error) { return builtIn() }

var builtIn = sync.OnceValues(func() (*Assets, error) { return load(page, sandbox) })

func load(trees ...fs.FS) (*Assets, error) {
	a := &Assets{byName: map[string]Asset{}, byURL: map[string]Asset{}}
	for _, tree := range trees {
		err := fs.WalkDir(tree, ".", func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			body, err := fs.ReadFile(tree, file)
			if err != nil {
				return err
			}
			return a.add(path.Base(file), body)
		})
		if err != nil {
			return nil, fmt.Errorf("loading built-in assets: %w", err)
		}
	}
	return a, nil
}

// mediaTypes has the kinds of files there are, rather than the machine's table:
// what is served must not depend on where the server runs.
var mediaTypes = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
}

func (a *Assets) add(name string, body []byte) error {
	ext := path.Ext(name)
	kind, ok := mediaTypes[ext]
	if !ok {
		return fmt.Errorf("%s: no media type for %q", name, ext)
	}
	if _, ok := a.byName[name]; ok {
		return fmt.Errorf("%s: there are two of it", name)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:6])
	asset := Asset{
		Name: name, Body: body, Type: kind,
		URL:  Prefix + strings.TrimSuffix(name, ext) + "-" + hash + ext,
		ETag: `"` + hash + `"`,
	}
	packed, err := compress(body)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(packed) < len(body) {
		asset.Gzip = packed
	}
	a.byName[name], a.byURL[asset.URL] = asset, asset
	return nil
}

func compress(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// URL is the address of the file of that name ("pay.js"), "" if this build has
// none: a production build has no sandbox-wallet.js.
func (a *Assets) URL(name string) string { return a.byName[name].URL }

// Lookup finds a file by the path of its address, its hash included: an address
// of an earlier build is not found, so that nothing stale is cached for ever.
// The caller must not change its bytes.
func (a *Assets) Lookup(path string) (Asset, bool) {
	asset, ok := a.byURL[path]
	return asset, ok
}
